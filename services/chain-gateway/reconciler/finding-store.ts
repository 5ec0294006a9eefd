import { sql } from 'kysely';
import { type GatewayPostgres, jsonRows } from '../store/gateway-database.ts';

/** What database, mempool and chain can disagree about; each has a section in docs/runbooks/chain-gateway.md. */
export const FINDING_KINDS = [
  'evicted',
  'not_prepared',
  'final_lost',
  'orphan',
  'lane_paused',
  'audit_unsealed',
  'balance_differs',
] as const;
export type FindingKind = (typeof FINDING_KINDS)[number];

export interface Finding {
  readonly kind: FindingKind;
  readonly subject: string;
  readonly detail: Readonly<Record<string, unknown>>;
  /** Whether something was done that should end it. */
  readonly repaired: boolean;
}

/** Where a finding is explained. */
export const runbookOf = (kind: FindingKind): string =>
  `docs/runbooks/chain-gateway.md#${kind.replaceAll('_', '-')}`;

/** Saves what one look found: new ones are opened, known ones kept, those of `kinds` that are gone resolved. */
export async function saveFindings(
  postgres: GatewayPostgres,
  chainId: number,
  kinds: readonly FindingKind[],
  findings: readonly Finding[],
): Promise<void> {
  await postgres.transaction(async (trx) => {
    await sql`
      INSERT INTO reconcile_findings (chain_id, kind, subject, detail, repaired)
      SELECT ${chainId}, kind, subject, detail, repaired FROM jsonb_to_recordset(${jsonRows(findings)}) AS f(kind text, subject text, detail jsonb, repaired boolean)
      ON CONFLICT (chain_id, kind, subject) WHERE resolved_at IS NULL DO UPDATE SET detail = EXCLUDED.detail, repaired = EXCLUDED.repaired, last_at = now()`.execute(
      trx,
    );
    await sql`
      UPDATE reconcile_findings SET resolved_at = now() WHERE chain_id = ${chainId} AND resolved_at IS NULL AND kind = ANY(${[...kinds]})
        AND NOT EXISTS (SELECT 1 FROM jsonb_to_recordset(${jsonRows(findings)}) AS f(kind text, subject text)
          WHERE f.kind = reconcile_findings.kind AND f.subject = reconcile_findings.subject)`.execute(trx);
  });
}

export interface OpenFinding extends Finding {
  readonly firstAt: Date;
  readonly lastAt: Date;
}

export async function openFindings(postgres: GatewayPostgres, chainId: number): Promise<OpenFinding[]> {
  const { rows } = await sql<{
    kind: FindingKind;
    subject: string;
    detail: Record<string, unknown>;
    repaired: boolean;
    first_at: Date;
    last_at: Date;
  }>`
    SELECT kind, subject, detail, repaired, first_at, last_at FROM reconcile_findings WHERE chain_id = ${chainId} AND resolved_at IS NULL ORDER BY id`.execute(
    postgres.db,
  );
  return rows.map((row) => ({
    kind: row.kind,
    subject: row.subject,
    detail: row.detail,
    repaired: row.repaired,
    firstAt: row.first_at,
    lastAt: row.last_at,
  }));
}
