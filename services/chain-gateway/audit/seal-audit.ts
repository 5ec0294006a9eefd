import { sql } from 'kysely';
import { type GatewayExecutor, type GatewayPostgres, jsonRows } from '../store/gateway-database.ts';
import { auditHash, GENESIS, type SealedEntry } from './audit-hash.ts';

const BATCH = 1_000;
/** How far back an entry may become visible after a later one (a transaction that was open for long). */
const LATE_WINDOW = 100_000;
/** Any constant: one sealer at a time per database. */
const SEAL_LOCK = 0x7365616c;

const ENTRY = sql.raw(
  `e.id AS entry_id, e.subject, e.action, e.actor, e.details::text AS details, to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at`,
);
interface EntryRow {
  entry_id: number;
  subject: string;
  action: string;
  actor: string;
  details: string;
  at: string;
}

/**
 * Chains the entries that are not chained yet. Entries are written by many transactions at once, which a chain with
 * one head would line up; so writing and chaining are apart, and one process chains each second.
 * @returns how many were chained.
 */
export function sealAudit(postgres: GatewayPostgres): Promise<number> {
  return postgres.transaction(async (trx) => {
    const { rows: lock } = await sql<{
      ok: boolean;
    }>`SELECT pg_try_advisory_xact_lock(${SEAL_LOCK}) AS ok`.execute(trx);
    if (!lock[0]?.ok) return 0;
    const { rows: heads } = await sql<{
      seq: number;
      hash: string;
    }>`SELECT seq, hash FROM audit_chain ORDER BY seq DESC LIMIT 1`.execute(trx);
    let seq = heads[0]?.seq ?? 0;
    let previous = heads[0]?.hash ?? GENESIS;
    const { rows } = await sql<EntryRow>`
      SELECT ${ENTRY} FROM audit_entries e
      WHERE e.id > (SELECT coalesce(max(entry_id), 0) - ${LATE_WINDOW} FROM audit_chain) AND NOT EXISTS (SELECT 1 FROM audit_chain c WHERE c.entry_id = e.id)
      ORDER BY e.id LIMIT ${BATCH}`.execute(trx);
    const links = rows.map((row) => {
      seq += 1;
      const hash = auditHash({
        seq,
        entryId: row.entry_id,
        subject: row.subject,
        action: row.action,
        actor: row.actor,
        details: row.details,
        at: row.at,
        previous,
      });
      const link = { seq, entry_id: row.entry_id, previous, hash };
      previous = hash;
      return link;
    });
    if (links.length > 0) {
      await sql`
        INSERT INTO audit_chain (seq, entry_id, previous, hash)
        SELECT seq, entry_id, previous, hash FROM jsonb_to_recordset(${jsonRows(links)}) AS l(seq bigint, entry_id bigint, previous text, hash text)`.execute(
        trx,
      );
    }
    return links.length;
  });
}

export interface AuditVerdict {
  readonly entries: number;
  readonly head: string;
  /** Entries that are not chained yet; more than a few seconds' worth means that the sealer stands still. */
  readonly unsealed: number;
  /** The first thing that does not fit, or undefined. */
  readonly broken: { seq: number; reason: string } | undefined;
}

/** The chain in order, with its entries. */
export async function* readAudit(
  db: GatewayExecutor,
  fromSeq = 1,
): AsyncGenerator<SealedEntry & { hash: string }> {
  for (let next = fromSeq; ; ) {
    const { rows } = await sql<EntryRow & { seq: number; previous: string; hash: string }>`
      SELECT c.seq, c.previous, c.hash, c.entry_id, e.subject, e.action, e.actor, e.details::text AS details,
        to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at
      FROM audit_chain c LEFT JOIN audit_entries e ON e.id = c.entry_id WHERE c.seq >= ${next} ORDER BY c.seq LIMIT ${BATCH}`.execute(
      db,
    );
    for (const row of rows) {
      yield {
        seq: row.seq,
        entryId: row.entry_id,
        subject: row.subject,
        action: row.action,
        actor: row.actor,
        details: row.details,
        at: row.at,
        previous: row.previous,
        hash: row.hash,
      };
    }
    const last = rows.at(-1);
    if (!last || rows.length < BATCH) return;
    next = last.seq + 1;
  }
}

/**
 * Recomputes every link. A changed, removed, inserted or reordered entry breaks it; the removal of the newest links is
 * found by comparing `head` with one that was kept elsewhere (`expectHead`).
 */
export async function verifyAudit(db: GatewayExecutor, expectHead?: string): Promise<AuditVerdict> {
  let previous = GENESIS;
  let entries = 0;
  let sawExpected = expectHead === undefined || expectHead === GENESIS;
  let broken: AuditVerdict['broken'];
  for await (const entry of readAudit(db)) {
    entries += 1;
    const reason =
      entry.seq !== entries
        ? `link ${entries} is missing`
        : entry.subject === null
          ? `entry ${entry.entryId} is gone`
          : entry.previous !== previous
            ? 'does not point to the link before it'
            : auditHash(entry) !== entry.hash
              ? `entry ${entry.entryId} was changed`
              : undefined;
    if (reason) {
      broken = { seq: entries, reason };
      break;
    }
    previous = entry.hash;
    sawExpected ||= entry.hash === expectHead;
  }
  if (!broken && !sawExpected)
    broken = {
      seq: entries,
      reason: 'the chain does not contain the head that was kept elsewhere; its end was cut off',
    };
  const { rows } = await sql<{
    count: number;
  }>`SELECT (SELECT count(*) FROM audit_entries) - (SELECT count(*) FROM audit_chain) AS count`.execute(db);
  return { entries, head: previous, unsealed: Number(rows[0]?.count ?? 0), broken };
}
