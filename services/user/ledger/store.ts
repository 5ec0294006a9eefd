import { sql } from 'kysely';
import type { ChainEvent, Stage } from '../gateway/schemas.ts';
import { affected, type Db, first, rows } from '../shared/database.ts';
import type { AccountKey, AccountKind, EntryDraft } from './rules.ts';

export interface AccountRow extends AccountKey {
  readonly id: number;
}

export interface ChainLogRow {
  readonly key: string;
  readonly walletId: string;
  readonly stage: Stage;
  readonly epoch: number;
  readonly entryId: number | null;
  readonly accountId: number | null;
  readonly amount: string | null;
}

export interface AssetRow {
  readonly id: string;
  readonly symbol: string;
  readonly decimals: number;
}

/** SQL of the ledger; everything that posts works on whole batches. */
export const ledgerStore = {
  asset(db: Db, id: string): Promise<AssetRow | undefined> {
    return first(db, sql<AssetRow>`select id, symbol, decimals from ledger_assets where id = ${id}`);
  },

  async insertAsset(db: Db, asset: AssetRow): Promise<void> {
    await sql`insert into ledger_assets (id, symbol, decimals) values (${asset.id}, ${asset.symbol}, ${asset.decimals})
      on conflict do nothing`.execute(db);
  },

  /** Opens the accounts that do not exist yet and answers all of them. */
  async accounts(db: Db, keys: readonly AccountKey[]): Promise<AccountRow[]> {
    const kinds = keys.map((k) => k.kind);
    const owners = keys.map((k) => k.owner);
    const references = keys.map((k) => k.reference);
    const assets = keys.map((k) => k.assetId);
    const wanted = sql`unnest(${kinds}::text[], ${owners}::uuid[], ${references}::text[], ${assets}::text[]) as w(kind, owner, reference, asset_id)`;
    // Two halves, because "is not distinct from" cannot use the index and system accounts have no owner.
    const find = () =>
      rows(
        db,
        sql<AccountRow>`select a.id, a.kind, a.owner, a.reference, a.asset_id as "assetId"
          from ${wanted} join ledger_accounts a on a.kind = w.kind and a.owner = w.owner
            and a.reference = w.reference and a.asset_id = w.asset_id
          union all
          select a.id, a.kind, a.owner, a.reference, a.asset_id as "assetId"
          from ${wanted} join ledger_accounts a on a.kind = w.kind and a.owner is null
            and a.reference = w.reference and a.asset_id = w.asset_id
          where w.owner is null`,
      );
    const found = await find();
    if (found.length === keys.length) return found;
    await sql`insert into ledger_accounts (kind, owner, reference, asset_id)
      select kind, owner, reference, asset_id from ${wanted} order by 1, 2, 3, 4 on conflict do nothing`.execute(
      db,
    );
    return find();
  },

  async entryIds(db: Db, count: number): Promise<number[]> {
    const taken = await rows(
      db,
      sql<{
        id: number;
      }>`select nextval(pg_get_serial_sequence('ledger_entries', 'id')) as id from generate_series(1, ${count}::int)`,
    );
    return taken.map((row) => row.id);
  },

  /** @returns the ids that are new; the others' event keys were posted before. */
  async insertEntries(
    db: Db,
    entries: readonly (EntryDraft & { id: number; reversesId: number | null })[],
    now: Date,
  ): Promise<ReadonlySet<number>> {
    const inserted = await rows(
      db,
      sql<{
        id: number;
      }>`insert into ledger_entries (id, event_key, kind, reverses, reason, occurred_at, recorded_at, chain_id,
          block_number, log_index, transaction_hash, counterparty)
        select e.id, e.event_key, e.kind, e.reverses, e.reason, e.occurred_at, ${now}, e.chain_id, e.block_number, e.log_index,
          e.transaction_hash, e.counterparty
        from unnest(${entries.map((e) => e.id)}::bigint[], ${entries.map((e) => e.eventKey)}::text[], ${entries.map((e) => e.kind)}::text[],
          ${entries.map((e) => e.reversesId)}::bigint[], ${entries.map((e) => e.reason ?? null)}::text[],
          ${entries.map((e) => e.occurredAt.toISOString())}::timestamptz[], ${entries.map((e) => e.chainId ?? null)}::int[],
          ${entries.map((e) => e.blockNumber ?? null)}::bigint[], ${entries.map((e) => e.logIndex ?? null)}::int[],
          ${entries.map((e) => e.transactionHash ?? null)}::text[], ${entries.map((e) => e.counterparty ?? null)}::text[])
          as e(id, event_key, kind, reverses, reason, occurred_at, chain_id, block_number, log_index, transaction_hash, counterparty)
        order by e.id on conflict (event_key) do nothing returning id`,
    );
    return new Set(inserted.map((row) => row.id));
  },

  /** Balances of accounts, their rows locked in the order of their ids so that two batches cannot deadlock. */
  async lockBalances(db: Db, accountIds: readonly number[]): Promise<ReadonlyMap<number, bigint>> {
    await sql`insert into ledger_balances (account_id, balance) select a, 0 from unnest(${accountIds}::bigint[]) as a order by a
      on conflict do nothing`.execute(db);
    const found = await rows(
      db,
      sql<{ account_id: number; balance: string }>`select account_id, balance from ledger_balances
        where account_id = any(${accountIds}::bigint[]) order by account_id for update`,
    );
    return new Map(found.map((row) => [row.account_id, BigInt(row.balance)]));
  },

  async insertPostings(
    db: Db,
    postings: readonly {
      entryId: number;
      accountId: number;
      assetId: string;
      amount: bigint;
      balanceAfter: bigint | null;
    }[],
  ): Promise<void> {
    await sql`insert into ledger_postings (entry_id, account_id, asset_id, amount, balance_after)
      select * from unnest(${postings.map((p) => p.entryId)}::bigint[], ${postings.map((p) => p.accountId)}::bigint[],
        ${postings.map((p) => p.assetId)}::text[], ${postings.map((p) => p.amount.toString())}::numeric[],
        ${postings.map((p) => p.balanceAfter?.toString() ?? null)}::numeric[])`.execute(db);
  },

  async setBalances(db: Db, balances: ReadonlyMap<number, bigint>): Promise<void> {
    await sql`update ledger_balances b set balance = n.balance
      from unnest(${[...balances.keys()]}::bigint[], ${[...balances.values()].map(String)}::numeric[]) as n(account_id, balance)
      where b.account_id = n.account_id`.execute(db);
  },

  chainLog(db: Db, pairs: readonly { key: string; walletId: string }[]): Promise<ChainLogRow[]> {
    return rows(
      db,
      sql<ChainLogRow>`select l.key, l.wallet_id as "walletId", l.stage, l.epoch, l.entry_id as "entryId",
          l.account_id as "accountId", l.amount
        from unnest(${pairs.map((p) => p.key)}::text[], ${pairs.map((p) => p.walletId)}::uuid[]) as w(key, wallet_id)
        join ledger_chain_log l on l.key = w.key and l.wallet_id = w.wallet_id`,
    );
  },

  async upsertChainLog(db: Db, log: readonly ChainLogRow[]): Promise<void> {
    await sql`insert into ledger_chain_log (key, wallet_id, stage, epoch, entry_id, account_id, amount)
      select * from unnest(${log.map((l) => l.key)}::text[], ${log.map((l) => l.walletId)}::uuid[], ${log.map((l) => l.stage)}::text[],
        ${log.map((l) => l.epoch)}::int[], ${log.map((l) => l.entryId)}::bigint[], ${log.map((l) => l.accountId)}::bigint[],
        ${log.map((l) => l.amount)}::numeric[])
      on conflict (key, wallet_id) do update set stage = excluded.stage, epoch = excluded.epoch, entry_id = excluded.entry_id,
        account_id = excluded.account_id, amount = excluded.amount`.execute(db);
  },

  async defer(db: Db, walletId: string, event: ChainEvent): Promise<void> {
    await sql`insert into ledger_deferred (wallet_id, seq, event) values (${walletId}, ${event.seq}, ${JSON.stringify(event)}::jsonb)
      on conflict do nothing`.execute(db);
  },

  async takeDeferred(db: Db, walletId: string): Promise<unknown[]> {
    const found = await rows(
      db,
      sql<{
        seq: number;
        event: unknown;
      }>`delete from ledger_deferred where wallet_id = ${walletId} returning seq, event`,
    );
    return found.sort((a, b) => a.seq - b.seq).map((row) => row.event);
  },

  balancesOf(
    db: Db,
    owner: string,
  ): Promise<
    {
      accountId: number;
      kind: AccountKind;
      reference: string;
      assetId: string;
      symbol: string;
      decimals: number;
      balance: string;
      pending: string;
    }[]
  > {
    return rows(
      db,
      sql`select a.id as "accountId", a.kind, a.reference, a.asset_id as "assetId", s.symbol, s.decimals, b.balance,
          coalesce((select sum(l.amount) from ledger_chain_log l where l.account_id = a.id and l.stage = 'pending'), 0) as pending
        from ledger_accounts a join ledger_balances b on b.account_id = a.id join ledger_assets s on s.id = a.asset_id
        where a.owner = ${owner} order by a.asset_id, a.id`,
    );
  },

  entriesOf(
    db: Db,
    owner: string,
    filter: { accountIds?: readonly number[]; before?: number; from?: Date; to?: Date; limit: number },
  ): Promise<EntryRow[]> {
    return rows(
      db,
      sql<EntryRow>`select e.id, e.event_key as "eventKey", e.kind, e.reverses, e.reason, e.occurred_at as "occurredAt",
          e.recorded_at as "recordedAt", e.chain_id as "chainId", e.block_number as "blockNumber",
          e.transaction_hash as "transactionHash", e.counterparty, l.stage,
          (select jsonb_agg(jsonb_build_object('kind', pa.kind, 'own', pa.owner is not null and pa.owner = ${owner}::uuid, 'reference', pa.reference,
              'assetId', p.asset_id, 'symbol', s.symbol, 'decimals', s.decimals, 'amount', p.amount::text,
              'balanceAfter', case when pa.owner = ${owner}::uuid then p.balance_after::text end) order by p.account_id)
            from ledger_postings p join ledger_accounts pa on pa.id = p.account_id join ledger_assets s on s.id = p.asset_id
            where p.entry_id = e.id) as postings
        from (
          select distinct x.entry_id from ledger_accounts a
          cross join lateral (
            select p.entry_id from ledger_postings p where p.account_id = a.id
              and (${filter.before ?? null}::bigint is null or p.entry_id < ${filter.before ?? null})
            order by p.entry_id desc limit ${filter.from || filter.to ? 1_000_000 : filter.limit}
          ) x
          where a.owner = ${owner} and (${filter.accountIds ?? null}::bigint[] is null or a.id = any(${filter.accountIds ?? null}::bigint[]))
        ) mine join ledger_entries e on e.id = mine.entry_id
        left join ledger_chain_log l on l.entry_id = e.id
        where (${filter.from ?? null}::timestamptz is null or e.occurred_at >= ${filter.from ?? null})
          and (${filter.to ?? null}::timestamptz is null or e.occurred_at < ${filter.to ?? null})
        order by e.id desc limit ${filter.limit}`,
    );
  },

  async entryIdOf(db: Db, eventKey: string): Promise<number | undefined> {
    return (await first(db, sql<{ id: number }>`select id from ledger_entries where event_key = ${eventKey}`))
      ?.id;
  },

  accountsOfReference(
    db: Db,
    owner: string,
    reference: string,
  ): Promise<(AccountRow & { balance: string })[]> {
    return rows(
      db,
      sql<
        AccountRow & { balance: string }
      >`select a.id, a.kind, a.owner, a.reference, a.asset_id as "assetId", b.balance
        from ledger_accounts a join ledger_balances b on b.account_id = a.id
        where a.owner = ${owner} and a.reference = ${reference} and a.kind = 'wallet' order by a.id`,
    );
  },

  deleteDeferred(db: Db, walletId: string): Promise<number> {
    return affected(db, sql`delete from ledger_deferred where wallet_id = ${walletId}`);
  },
};

export interface EntryRow {
  readonly id: number;
  readonly eventKey: string;
  readonly kind: string;
  readonly reverses: number | null;
  readonly reason: string | null;
  readonly occurredAt: Date;
  readonly recordedAt: Date;
  readonly chainId: number | null;
  readonly blockNumber: number | null;
  readonly transactionHash: string | null;
  readonly counterparty: string | null;
  readonly stage: Stage | null;
  readonly postings: readonly {
    kind: AccountKind;
    own: boolean;
    reference: string;
    assetId: string;
    symbol: string;
    decimals: number;
    amount: string;
    balanceAfter: string | null;
  }[];
}
