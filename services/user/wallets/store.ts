import { sql } from 'kysely';
import { affected, type Db, first, rows } from '../shared/database.ts';

export interface WalletRow {
  readonly id: string;
  readonly address: string;
  readonly personId: string;
  readonly chainId: number;
  readonly label: string | null;
  readonly kind: 'eoa' | 'contract';
  readonly linkedAt: Date;
  readonly linkedSeq: number;
  readonly linkedBlock: number;
  readonly historyState: 'waiting' | 'done';
}

/** An address that somebody looks at without having proved that it is hers. */
export interface WatchedRow {
  readonly address: string;
  readonly label: string | null;
  readonly createdAt: Date;
}

const columns =
  sql.raw(`id, address, person_id as "personId", chain_id as "chainId", label, kind, linked_at as "linkedAt",
  linked_seq as "linkedSeq", linked_block as "linkedBlock", history_state as "historyState"`);

export const walletStore = {
  async insert(db: Db, w: Omit<WalletRow, 'historyState'>): Promise<void> {
    await sql`insert into wallets (id, address, person_id, chain_id, label, kind, linked_at, linked_seq, linked_block, audited_block)
      values (${w.id}, ${w.address}, ${w.personId}, ${w.chainId}, ${w.label}, ${w.kind}, ${w.linkedAt}, ${w.linkedSeq},
        ${w.linkedBlock}, ${w.linkedBlock})`.execute(db);
  },

  byAddress(db: Db, address: string): Promise<WalletRow | undefined> {
    return first(db, sql<WalletRow>`select ${columns} from wallets where address = ${address}`);
  },

  byAddresses(db: Db, addresses: readonly string[]): Promise<WalletRow[]> {
    return rows(db, sql<WalletRow>`select ${columns} from wallets where address = any(${addresses}::text[])`);
  },

  ofPerson(db: Db, personId: string): Promise<WalletRow[]> {
    return rows(
      db,
      sql<WalletRow>`select ${columns} from wallets where person_id = ${personId} order by linked_at, id`,
    );
  },

  /** The wallet that was chosen last as primary, else the oldest. */
  primaryOf(db: Db, personId: string): Promise<{ address: string } | undefined> {
    return first(
      db,
      sql<{ address: string }>`select address from wallets where person_id = ${personId}
        order by primary_at desc nulls last, linked_at, id limit 1`,
    );
  },

  choosePrimary(db: Db, personId: string, address: string, at: Date): Promise<number> {
    return affected(
      db,
      // Never before an earlier choice, whatever the clock does.
      sql`update wallets set primary_at = greatest(${at}, (select max(primary_at) + interval '1 microsecond' from wallets
        where person_id = ${personId})) where person_id = ${personId} and address = ${address}`,
    );
  },

  watchedBy(db: Db, personId: string): Promise<WatchedRow[]> {
    return rows(
      db,
      sql<WatchedRow>`select address, label, created_at as "createdAt" from watched_wallets
        where person_id = ${personId} order by created_at, address`,
    );
  },

  async watch(db: Db, personId: string, row: WatchedRow): Promise<void> {
    await sql`insert into watched_wallets (person_id, address, label, created_at)
      values (${personId}, ${row.address}, ${row.label}, ${row.createdAt})
      on conflict (person_id, address) do update set label = coalesce(excluded.label, watched_wallets.label)`.execute(
      db,
    );
  },

  setWatchedLabel(db: Db, personId: string, address: string, label: string | null): Promise<number> {
    return affected(
      db,
      sql`update watched_wallets set label = ${label} where person_id = ${personId} and address = ${address}`,
    );
  },

  unwatch(db: Db, personId: string, address: string): Promise<number> {
    return affected(
      db,
      sql`delete from watched_wallets where person_id = ${personId} and address = ${address}`,
    );
  },

  get(db: Db, personId: string, address: string): Promise<WalletRow | undefined> {
    return first(
      db,
      sql<WalletRow>`select ${columns} from wallets where person_id = ${personId} and address = ${address}`,
    );
  },

  setLabel(db: Db, personId: string, address: string, label: string | null): Promise<number> {
    return affected(
      db,
      sql`update wallets set label = ${label} where person_id = ${personId} and address = ${address}`,
    );
  },

  remove(db: Db, id: string): Promise<number> {
    return affected(db, sql`delete from wallets where id = ${id}`);
  },

  /** Serialises everything that changes the set of wallets of one person (the limit, "not the last one"). */
  async lockPerson(db: Db, personId: string): Promise<void> {
    await sql`select 1 from people where id = ${personId} for update`.execute(db);
  },

  /** One wallet whose history is to be read; skipped when another replica has it in hand. */
  claimWaiting(db: Db): Promise<WalletRow | undefined> {
    return first(
      db,
      sql<WalletRow>`select ${columns} from wallets where history_state = 'waiting' order by linked_at limit 1 for update skip locked`,
    );
  },

  async markHistoryDone(db: Db, id: string, now: Date): Promise<void> {
    await sql`update wallets set history_state = 'done', history_done_at = ${now} where id = ${id}`.execute(
      db,
    );
  },
};

/** Queries of the completeness audit over wallets. */
export const walletAuditStore = {
  /** The wallets that were looked at longest ago. */
  next(
    db: Db,
    before: Date,
    limit: number,
  ): Promise<{ id: string; address: string; personId: string; chainId: number; auditedBlock: number }[]> {
    return rows(
      db,
      sql`select id, address, person_id as "personId", chain_id as "chainId", audited_block as "auditedBlock"
        from wallets where audited_at < ${before} and history_state = 'done' order by audited_at limit ${limit}`,
    );
  },

  async mark(db: Db, id: string, at: Date, block: number): Promise<void> {
    await sql`update wallets set audited_at = ${at}, audited_block = greatest(audited_block, ${block}) where id = ${id}`.execute(
      db,
    );
  },
};
