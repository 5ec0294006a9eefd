import { sql } from 'kysely';
import { type Db, first, rows } from '../shared/database.ts';
import type { Fault, LegacyRow } from './legacy-row.ts';

export interface Run {
  readonly id: string;
  readonly linesDone: number;
  readonly imported: number;
  readonly unchanged: number;
  readonly faulty: number;
  readonly finishedAt: Date | null;
}

/** A row that passed its checks, with the numbers it gets here. */
export interface NewPerson {
  readonly line: number;
  readonly row: LegacyRow;
  readonly hash: Buffer;
  readonly personId: string;
  readonly ledgerId: string;
  readonly walletIds: readonly string[];
}

const runColumns = sql.raw(
  `id, lines_done as "linesDone", imported, unchanged, faulty, finished_at as "finishedAt"`,
);

export const importStore = {
  async openRun(db: Db, id: string, fileHash: string, now: Date): Promise<Run> {
    await sql`insert into import_runs (id, file_hash, started_at) values (${id}, ${fileHash}, ${now}) on conflict do nothing`.execute(
      db,
    );
    return (await first(
      db,
      sql<Run>`select ${runColumns} from import_runs where file_hash = ${fileHash}`,
    )) as Run;
  },
  lockRun(db: Db, id: string): Promise<Run | undefined> {
    return first(db, sql<Run>`select ${runColumns} from import_runs where id = ${id} for update`);
  },
  async advance(
    db: Db,
    id: string,
    lines: number,
    add: { imported: number; unchanged: number; faulty: number },
  ): Promise<void> {
    await sql`update import_runs set lines_done = ${lines}, imported = imported + ${add.imported}, unchanged = unchanged + ${add.unchanged},
      faulty = faulty + ${add.faulty} where id = ${id}`.execute(db);
  },
  async finish(db: Db, id: string, now: Date): Promise<void> {
    await sql`update import_runs set finished_at = ${now} where id = ${id} and finished_at is null`.execute(
      db,
    );
  },
  known(db: Db, legacyIds: readonly string[]): Promise<{ legacyId: string; hash: Buffer }[]> {
    return rows(
      db,
      sql`select legacy_id as "legacyId", row_hash as hash from legacy_people where legacy_id = any(${legacyIds}::text[])`,
    );
  },
  async taken(
    db: Db,
    emails: readonly string[],
    wallets: readonly string[],
  ): Promise<{ emails: Set<string>; wallets: Set<string> }> {
    const e = await rows(
      db,
      sql<{
        a: string;
      }>`select lower(address) as a from email_addresses where lower(address) = any(${emails}::text[])`,
    );
    const w = await rows(
      db,
      sql<{ a: string }>`select address as a from wallets where address = any(${wallets}::text[])`,
    );
    return { emails: new Set(e.map((r) => r.a)), wallets: new Set(w.map((r) => r.a)) };
  },
  async recordFaults(db: Db, runId: string, faults: readonly Fault[]): Promise<void> {
    if (faults.length === 0) return;
    await sql`insert into import_faults (run_id, line, legacy_id, field, detail)
      select ${runId}::uuid, u.* from unnest(${faults.map((f) => f.line)}::int[], ${faults.map((f) => f.legacyId)}::text[],
        ${faults.map((f) => f.field)}::text[], ${faults.map((f) => f.detail)}::text[]) as u on conflict do nothing`.execute(
      db,
    );
  },
  faults(db: Db, runId: string): Promise<Fault[]> {
    return rows(
      db,
      sql<Fault>`select line, legacy_id as "legacyId", field, detail from import_faults where run_id = ${runId} order by line, field`,
    );
  },

  /** Writes people with everything that belongs to them; six statements, whatever their number. */
  async insertPeople(
    db: Db,
    people: readonly NewPerson[],
    cursor: { seq: number; blockNumber: number },
    chainId: number,
    now: Date,
  ): Promise<void> {
    const ids = people.map((p) => p.personId);
    await sql`insert into people (id, ledger_id, created_at) select * from unnest(${ids}::uuid[], ${people.map((p) => p.ledgerId)}::uuid[],
      ${people.map((p) => p.row.created_at)}::timestamptz[])`.execute(db);
    await sql`insert into profiles (person_id, display_name, locale, time_zone, updated_at)
      select u.*, ${now}::timestamptz from unnest(${ids}::uuid[], ${people.map((p) => p.row.display_name)}::text[],
        ${people.map((p) => p.row.locale)}::text[], ${people.map((p) => p.row.time_zone)}::text[]) as u`.execute(
      db,
    );
    await sql`insert into inbox_streams (person_id) select unnest(${ids}::uuid[])`.execute(db);
    await sql`insert into preferences (person_id, settings, updated_at) select u.*, ${now}::timestamptz from unnest(${ids}::uuid[],
      ${people.map((p) => JSON.stringify({ channels: { email: { enabled: p.row.email_enabled }, push: { enabled: p.row.push_enabled }, fcm: { enabled: p.row.push_enabled } } }))}::jsonb[]) as u`.execute(
      db,
    );
    const withEmail = people.filter((p) => p.row.email !== null);
    await sql`insert into email_addresses (person_id, address, confirmed_at) select u.*, ${now}::timestamptz
      from unnest(${withEmail.map((p) => p.personId)}::uuid[], ${withEmail.map((p) => p.row.email)}::text[]) as u`.execute(
      db,
    );
    const wallets = people.flatMap((p) =>
      p.row.wallets.map((address, i) => ({ id: p.walletIds[i] as string, personId: p.personId, address })),
    );
    await sql`insert into wallets (id, address, person_id, chain_id, kind, linked_at, linked_seq, linked_block, audited_block)
      select u.id, u.address, u.person_id, ${chainId}::int, 'eoa', ${now}::timestamptz, ${cursor.seq}::bigint, ${cursor.blockNumber}::bigint, ${cursor.blockNumber}::bigint
      from unnest(${wallets.map((w) => w.id)}::uuid[], ${wallets.map((w) => w.address)}::text[], ${wallets.map((w) => w.personId)}::uuid[])
        as u(id, address, person_id)`.execute(db);
    await sql`insert into legacy_people (legacy_id, person_id, row_hash, imported_at) select u.*, ${now}::timestamptz
      from unnest(${people.map((p) => p.row.legacy_id)}::text[], ${ids}::uuid[], ${people.map((p) => p.hash)}::bytea[]) as u`.execute(
      db,
    );
  },
};
