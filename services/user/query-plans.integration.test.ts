import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createLogger } from '../../lib/log.ts';
import { migrate } from '../../lib/migrate.ts';
import { createPostgres } from '../../lib/postgres.ts';
import { createTestPostgres, type TestPostgres } from '../../tools/testing/test-postgres.ts';
import { deliveryStore } from './deliveries/store.ts';
import { ledgerStore } from './ledger/store.ts';
import { userMigrations } from './migrations.ts';
import { inboxStore } from './notifications/inbox-store.ts';
import type { Db, UserPostgres } from './shared/database.ts';
import { walletStore } from './wallets/store.ts';

/** The plans are the same with a million rows: PLAN_ROWS=1000000. */
const ROWS = Number(process.env.PLAN_ROWS ?? 40_000);
const PERSON = '00000000-0000-7000-8000-000000000001';

const fill = (n: number): string => `
insert into people (id, ledger_id, created_at) select ('00000000-0000-7000-8000-' || lpad(g::text, 12, '0'))::uuid, ('00000000-0000-7000-9000-' || lpad(g::text, 12, '0'))::uuid, now() from generate_series(1, ${n / 20}) g;
insert into wallets (id, address, person_id, chain_id, kind, linked_at, linked_seq, linked_block, history_state)
  select id, '0x' || lpad(right(id::text, 12), 40, '0'), id, 1, 'eoa', now(), 0, 0, 'done' from people;
insert into inbox (id, person_id, event_key, position, type, stage, data, occurred_at, created_at, updated_at)
  select gen_random_uuid(), p.id, 'k' || g, g, 'transfer.in', 'finalized', '{}', now(), now() - g * interval '1 min', now() from people p, generate_series(1, 20) g;
insert into deliveries (id, inbox_id, person_id, kind, channel, target, priority, state, due_at, created_at, finished_at)
  select gen_random_uuid(), id, person_id, 'notice', 'email', 'email', 1, case when position = 1 and right(person_id::text, 2) = '01' then 'waiting' else 'delivered' end, now() - interval '1 s', now(), now() from inbox;
insert into ledger_assets (id, symbol, decimals) values ('a', 'A', 6);
insert into ledger_accounts (kind, owner, reference, asset_id) select 'wallet', ledger_id, id::text, 'a' from people;
insert into ledger_accounts (kind, owner, reference, asset_id) values ('chain', null, '', 'a');
insert into ledger_balances select id, 20 from ledger_accounts where kind = 'wallet';
set session_replication_role = replica;
insert into ledger_entries (id, event_key, kind, occurred_at, recorded_at, block_number)
  select row_number() over (), id::text, 'transfer.in', now(), now(), position from inbox;
insert into ledger_postings (entry_id, account_id, asset_id, amount, balance_after)
  select e.id, 1 + (e.id % ${n / 20}), 'a', 1, 1 from ledger_entries e;
insert into ledger_postings (entry_id, account_id, asset_id, amount) select e.id, ${n / 20 + 1}, 'a', -1 from ledger_entries e;
insert into ledger_chain_log (key, wallet_id, stage, entry_id, account_id, amount) select event_key, gen_random_uuid(), 'finalized', id, 1, 1 from ledger_entries;
set session_replication_role = default;
analyze;`;

describe('query plans of the hot paths', () => {
  let db: TestPostgres;
  let postgres: UserPostgres;
  const statements: { text: string; values: unknown[] }[] = [];

  beforeAll(async () => {
    db = await createTestPostgres();
    const log = createLogger({ service: 'test', level: 'silent' });
    postgres = createPostgres({ url: db.url, schema: 'users', log, statementTimeoutMs: 200_000, poolMax: 2 });
    await migrate({ pool: postgres.pool, schema: 'users', migrations: userMigrations, log });
    await postgres.pool.query(fill(ROWS));
  }, 300_000);
  afterAll(async () => {
    await postgres.close();
    await db.drop();
  });

  /** A handle that remembers what is really sent, so that the plans are of these very statements. */
  const watched = (): Db => {
    const real = postgres.db.getExecutor();
    const executor = new Proxy(real, {
      get(target, name) {
        if (name === 'executeQuery')
          return (compiled: { sql: string; parameters: readonly unknown[] }) => {
            statements.push({ text: compiled.sql, values: [...compiled.parameters] });
            return target.executeQuery(compiled as never);
          };
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    return { getExecutor: () => executor } as unknown as Db;
  };

  const plansOf = async (act: (db: Db) => Promise<unknown>): Promise<string> => {
    statements.length = 0;
    await act(watched());
    const sent = statements.filter(
      (s) => /^\s*(select|with|update|insert)/i.test(s.text) && !s.text.startsWith('explain'),
    );
    expect(sent.length).toBeGreaterThan(0);
    const plans: string[] = [];
    for (const { text, values } of sent) {
      const { rows } = await postgres.pool.query(`explain ${text}`, values as never);
      plans.push(rows.map((r: Record<string, string>) => r['QUERY PLAN']).join('\n'));
    }
    return plans.join('\n');
  };
  const big =
    /Seq Scan on (inbox|deliveries|ledger_entries|ledger_postings|ledger_chain_log|ledger_accounts|wallets|people)\b/;
  const owner = '00000000-0000-7000-9000-000000000001';

  it.each([
    [
      'the inbox list',
      (x: Db) =>
        inboxStore.list(x, PERSON, {
          before: undefined,
          unreadOnly: false,
          archived: false,
          limit: 50,
        }),
    ],
    [
      'the next page',
      (x: Db) =>
        inboxStore.list(x, PERSON, {
          before: { createdAt: new Date(), id: PERSON },
          unreadOnly: true,
          archived: false,
          limit: 50,
        }),
    ],
    ['the unread count', (x: Db) => inboxStore.unreadCount(x, PERSON)],
    ['what is new on open streams', (x: Db) => inboxStore.since(x, [{ personId: PERSON, position: 3 }], 200)],
    ['stages of told events', (x: Db) => inboxStore.stagesOf(x, [{ personId: PERSON, eventKey: 'k3' }])],
    ['wallets of a batch', (x: Db) => walletStore.byAddresses(x, ['0x01', '0x02'])],
    ['due deliveries', (x: Db) => deliveryStore.claim(x, 'email', 100, new Date(), new Date())],
    ['due digests', (x: Db) => deliveryStore.claimDigests(x, 50, new Date(), new Date())],
    ['dead letters', (x: Db) => deliveryStore.dead(x, { before: undefined, limit: 50 })],
    [
      'accounts of a batch',
      (x: Db) =>
        ledgerStore.accounts(x, [
          { kind: 'wallet', owner, reference: PERSON, assetId: 'a' },
          { kind: 'chain', owner: null, reference: '', assetId: 'a' },
        ]),
    ],
    ['the chain log of a batch', (x: Db) => ledgerStore.chainLog(x, [{ key: 'x', walletId: PERSON }])],
    ['balances of a person', (x: Db) => ledgerStore.balancesOf(x, owner)],
    ['the transaction log', (x: Db) => ledgerStore.entriesOf(x, owner, { limit: 50 })],
  ])('read no table from end to end: %s', async (_name, act) => {
    expect(await plansOf(act)).not.toMatch(big);
  });
});
