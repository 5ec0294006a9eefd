import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { createLogger } from '../../../lib/log.ts';
import { migrate } from '../../../lib/migrate.ts';
import { createPostgres } from '../../../lib/postgres.ts';
import { createSeededRandom, systemRandom } from '../../../lib/random.ts';
import { systemClock } from '../../../lib/time.ts';
import { createTestPostgres, type TestPostgres } from '../../../tools/testing/test-postgres.ts';
import { cursorStore } from '../events/store.ts';
import { postEntries } from '../ledger/posting.ts';
import { ledgerStore } from '../ledger/store.ts';
import { userMigrations } from '../migrations.ts';
import { rows, type UserPostgres } from '../shared/database.ts';
import { createDualWrite } from './dual-write.ts';
import { importPeople } from './import-people.ts';
import { importStore } from './import-store.ts';
import { COLUMNS } from './legacy-row.ts';
import { answerWithShadow } from './rollout.ts';

/** The rehearsal is the same with 100 000: MIGRATION_PEOPLE=100000. */
const PEOPLE = Number(process.env.MIGRATION_PEOPLE ?? 4_000);
const address = (n: number): string => `0x${(n + 1).toString(16).padStart(40, '0')}`;
const line = (n: number, more: Partial<Record<(typeof COLUMNS)[number], string>> = {}): string => {
  const row: Record<string, string> = {
    legacy_id: `u${n}`,
    email: n % 2 === 0 ? `person${n}@example.org` : '',
    display_name: n % 3 === 0 ? `"Person, ${n}"` : '',
    locale: 'de-CH',
    time_zone: 'Europe/Zurich',
    wallets: address(n),
    email_enabled: 'true',
    push_enabled: 'no',
    points: String(n % 7),
    created_at: '2024-05-01T10:00:00Z',
    ...more,
  };
  return COLUMNS.map((c) => row[c]).join(',');
};

describe('moving people from the old service', () => {
  let db: TestPostgres;
  let postgres: UserPostgres;
  const random = systemRandom(systemClock);
  const run = (text: string, dryRun = false, failAfter = Number.POSITIVE_INFINITY) =>
    importPeople(text, {
      postgres,
      store: importStore,
      clock: systemClock,
      random,
      chainId: 31_337,
      pinCursor: (trx) => cursorStore.pin(trx, 'main'),
      post: (trx, drafts) => postEntries(trx, drafts, new Date(), ledgerStore),
      dryRun,
      onProgress: (lines) => {
        if (lines >= failAfter) throw new Error('killed');
      },
    });
  const count = async (table: string): Promise<number> =>
    (await rows(postgres.db, sql<{ n: number }>`select count(*) as n from ${sql.table(table)}`))[0]?.n ?? -1;

  beforeAll(async () => {
    db = await createTestPostgres();
    const log = createLogger({ service: 'test', level: 'silent' });
    postgres = createPostgres({ url: db.url, schema: 'users', log, statementTimeoutMs: 60_000 });
    await migrate({ pool: postgres.pool, schema: 'users', migrations: userMigrations, log });
  }, 60_000);
  afterAll(async () => {
    await postgres.close();
    await db.drop();
  });

  it('reports every kind of fault and loses no line', async () => {
    const bad = [
      line(1, { legacy_id: 'has space' }),
      line(2, { email: 'not an address' }),
      line(3, { time_zone: 'Mars/Olympus' }),
      line(4, { wallets: '0x123' }),
      line(5, { wallets: '0x02C3296C6eb50249f290AE596F2bE9454bFfadaB' }),
      line(6, { points: '-5' }),
      line(7, { created_at: 'yesterday' }),
      line(8, { wallets: '', email: '' }),
      line(9, { locale: '!!' }),
      `${line(10)},extra`,
      line(11, { wallets: `${address(11)};${address(11)}` }),
      line(12),
      line(12),
      line(13, { wallets: address(12) }),
    ];
    const text = [COLUMNS.join(','), ...bad].join('\r\n');
    const dry = await run(text, true);
    expect(await count('people')).toBe(0);
    expect(dry).toMatchObject({ lines: 14, imported: 1, unchanged: 0, faulty: 13 });
    const real = await run(text);
    expect(real).toMatchObject({ lines: 14, imported: 1, faulty: 13 });
    expect(new Set(real.faults.map((f) => f.line)).size).toBe(13);
    await expect(run('id,mail\n1,2')).rejects.toThrow('the first line must be');
  });

  it('imports many people, goes on after a crash, and changes nothing the second time', async () => {
    const text = [COLUMNS.join(','), ...Array.from({ length: PEOPLE }, (_, n) => line(n + 100))].join('\n');
    const before = await count('people');
    await expect(run(text, false, PEOPLE / 2)).rejects.toThrow('killed');
    expect(await count('people')).toBe(before + PEOPLE / 2);
    const started = Date.now();
    const report = await run(text);
    const seconds = (Date.now() - started) / 1000;
    process.stdout.write(`imported ${PEOPLE / 2} people in ${seconds.toFixed(1)} s\n`);
    expect(report).toMatchObject({ lines: PEOPLE, imported: PEOPLE, faulty: 0 });
    expect(await run(text)).toMatchObject({ imported: PEOPLE, unchanged: 0 });
    const again = await run(`${text}\n${line(PEOPLE + 500)}`);
    expect(again).toMatchObject({ imported: 1, unchanged: PEOPLE });
    const [points] = await rows(
      postgres.db,
      sql<{ sum: string }>`select sum(balance) as sum from ledger_balances`,
    );
    expect(Number(points?.sum)).toBeGreaterThan(PEOPLE);
  }, 300_000);

  it('writes to both while both run, sees differences, and can go back without loss', async () => {
    const old = new Map<string, { displayName: string }>();
    let failing = true;
    const dual = createDualWrite({
      postgres,
      clock: systemClock,
      retryFirstMs: 0,
      legacy: {
        read: async (id) => old.get(id) ?? { displayName: '' },
        write: async (id, _what, body) => {
          if (failing) throw new Error('old service is away');
          old.set(id, body as { displayName: string });
        },
      },
    });
    const [ada] = await rows(
      postgres.db,
      sql<{
        person_id: string;
        legacy_id: string;
      }>`select person_id, legacy_id from legacy_people where legacy_id = 'u12'`,
    );
    const personId = ada?.person_id as string;
    await postgres.transaction((trx) => dual.note(trx, personId, 'profile', { displayName: 'Ada' }));
    await postgres.transaction((trx) => dual.note(trx, personId, 'profile', { displayName: 'Ada Lovelace' }));
    await dual.flush();
    expect(await dual.pending()).toBe(2);
    failing = false;
    while (await dual.flush());
    expect(await dual.pending()).toBe(0);
    expect(old.get('u12')).toEqual({ displayName: 'Ada Lovelace' });
    const compared = await dual.reconcile(3, async (id) => ({
      displayName: id === personId ? 'Ada Lovelace' : 'other',
    }));
    expect(compared.compared).toBe(3);

    const found: unknown[] = [];
    const rollout = { percent: 0, shadowPercent: 100, always: [] };
    const answer = await answerWithShadow(
      'p',
      rollout,
      { legacy: async () => ({ a: 1, b: [1] }), current: async () => ({ b: [2], a: 1 }) },
      (d) => found.push(d),
    );
    expect(answer).toEqual({ a: 1, b: [1] });
    await new Promise((r) => setImmediate(r));
    expect(found).toEqual([[{ path: '/b/0', legacy: 1, current: 2 }]]);
    expect(createSeededRandom(1).float()).toBeLessThan(1);
  });
});
