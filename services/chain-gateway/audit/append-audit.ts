import { sql } from 'kysely';
import { type GatewayExecutor, jsonRows } from '../store/gateway-database.ts';

/** One line of the trail. `details` must hold no secret and nothing about a person. */
export interface AuditEntry {
  /** `transaction:<id>`, `lane:<chain>:<address>`, `policy:<alias>` … */
  readonly subject: string;
  /** `accepted`, `prepared`, `signed`, `broadcast` … */
  readonly action: string;
  /** `worker`, `service:api`, `operator:<id>` … */
  readonly actor: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Writes entries in the transaction of the change they describe; the sealer chains them (seal-audit.ts). */
export async function appendAudit(trx: GatewayExecutor, entries: readonly AuditEntry[]): Promise<void> {
  if (entries.length === 0) return;
  await sql`
    INSERT INTO audit_entries (subject, action, actor, details)
    SELECT subject, action, actor, details FROM jsonb_to_recordset(${jsonRows(entries)})
      AS e(subject text, action text, actor text, details jsonb)`.execute(trx);
}
