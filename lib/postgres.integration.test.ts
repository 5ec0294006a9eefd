import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { createTestPostgres } from '../tools/testing/test-postgres.ts';
import { AppError } from './errors.ts';
import {
  idempotencyTableSql,
  pruneIdempotencyKeys,
  requireIdempotencyKey,
  withIdempotency,
} from './idempotency.ts';
import { createLogger } from './log.ts';
import { migrate } from './migrate.ts';
import { asDependencyError, createPostgres, isPostgresUnavailable, type Postgres } from './postgres.ts';

interface Tables {
  effects: { id: number; note: string };
}

const log = createLogger({ service: 'test', level: 'silent' });
const migrations = [
  { id: '0001-idempotency', sql: idempotencyTableSql },
  { id: '0002-effects', sql: 'create table effects (id serial primary key, note text not null)' },
];

let database: Awaited<ReturnType<typeof createTestPostgres>>;
let postgres: Postgres<Tables>;

beforeAll(async () => {
  database = await createTestPostgres();
  postgres = createPostgres<Tables>({ url: database.url, schema: 'app', log });
  await migrate({ pool: postgres.pool, schema: 'app', migrations, log });
});
afterAll(async () => {
  await postgres.close();
  await database.drop();
});

describe('migrate', () => {
  it('applies each step once, however many processes start at once', async () => {
    const others = Array.from({ length: 5 }, () =>
      createPostgres({ url: database.url, schema: 'many', log }),
    );
    const applied = await Promise.all(
      others.map(({ pool }) => migrate({ pool, schema: 'many', migrations, log })),
    );
    expect(applied.flat().sort()).toEqual(['0001-idempotency', '0002-effects']);
    await Promise.all(others.map((other) => other.close()));
  });

  it('leaves nothing of a step that fails, and names it', async () => {
    const broken = [...migrations, { id: '0003-broken', sql: 'create table half (id int); select nonsense' }];
    await expect(migrate({ pool: postgres.pool, schema: 'app', migrations: broken, log })).rejects.toThrow(
      /app\/0003-broken failed/,
    );
    const { rows } = await sql<{ half: string | null }>`select to_regclass('app.half') as half`.execute(
      postgres.db,
    );
    expect(rows[0]?.half).toBeNull();
  });

  it('refuses a step that was edited after it was applied', async () => {
    const edited = [{ id: '0001-idempotency', sql: 'select 1' }];
    await expect(migrate({ pool: postgres.pool, schema: 'app', migrations: edited, log })).rejects.toThrow(
      /was edited/,
    );
  });
});

const act =
  (note: string) => (trx: Parameters<Parameters<typeof postgres.transaction>[0]>[0]) => async () => {
    const row = await trx
      .insertInto('effects')
      .values({ note } as never)
      .returning('id')
      .executeTakeFirstOrThrow();
    return { status: 201, body: { id: row.id } };
  };
const once = (key: string, body: unknown, note = key) =>
  postgres.transaction((trx) =>
    withIdempotency(trx, { principal: 'p', operation: 'create', key, body }, act(note)(trx)),
  );
const effects = async (note: string) =>
  (await postgres.db.selectFrom('effects').selectAll().where('note', '=', note).execute()).length;

describe('withIdempotency', () => {
  it('acts once and replays its answer, whatever the order of the keys in the body', async () => {
    const first = await once('key-00001', { a: 1, b: [{ c: 2, d: 3 }] });
    const second = await once('key-00001', { b: [{ d: 3, c: 2 }], a: 1 });
    expect(second).toEqual({ ...first, replayed: true });
    expect(await effects('key-00001')).toBe(1);
  });

  it('refuses the key with another body', async () => {
    await once('key-00002', { a: 1 });
    await expect(once('key-00002', { a: 2 })).rejects.toMatchObject({ code: 'idempotency_key_reused' });
  });

  it('has one effect under fifty requests at once; each sees the answer or is told to wait', async () => {
    const results = await Promise.allSettled(Array.from({ length: 50 }, () => once('key-00003', {})));
    const refused = results.filter((r) => r.status === 'rejected').map((r) => (r.reason as AppError).code);
    expect(refused.every((code) => code === 'idempotency_in_progress')).toBe(true);
    expect(await effects('key-00003')).toBe(1);
  });

  it('records nothing when the act fails, so that the client may try again', async () => {
    const failing = postgres.transaction((trx) =>
      withIdempotency(trx, { principal: 'p', operation: 'create', key: 'key-00004', body: {} }, async () => {
        await act('key-00004')(trx)();
        throw new Error('crash after the effect');
      }),
    );
    await expect(failing).rejects.toThrow('crash');
    expect(await effects('key-00004')).toBe(0);
    expect((await once('key-00004', {})).replayed).toBe(false);
  });

  it('prunes what is older than its retention, and nothing else', async () => {
    await once('key-00005', {});
    expect(await pruneIdempotencyKeys(postgres.db, Date.now())).toBe(0);
    expect(await pruneIdempotencyKeys(postgres.db, Date.now() + 8 * 86_400_000)).toBeGreaterThan(0);
  });

  it('asks for a key, and for a usable one', () => {
    expect(() => requireIdempotencyKey(undefined)).toThrow(AppError);
    for (const bad of ['short', 'with blank inside', 'x'.repeat(201), 'ümlaut-key'])
      expect(() => requireIdempotencyKey(bad)).toThrow(AppError);
    expect(requireIdempotencyKey('018f3f6e-7d55-7c3e')).toBe('018f3f6e-7d55-7c3e');
  });
});

describe('createPostgres', () => {
  it('recovers after the server cut every connection', async () => {
    await postgres.ping();
    const admin = createPostgres({ url: database.url, schema: 'public', log });
    await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`.execute(
      admin.db,
    );
    await admin.close();
    // A query may meet a connection that does not know yet that it is dead; the pool replaces them one by one.
    const answers = async (): Promise<boolean> => {
      try {
        await postgres.ping();
        return true;
      } catch (error) {
        expect(isPostgresUnavailable(error)).toBe(true);
        return false;
      }
    };
    for (let attempt = 1; !(await answers()); attempt += 1) expect(attempt).toBeLessThan(20);
    await postgres.ping();
  });

  it('cancels a statement that runs too long', async () => {
    const impatient = createPostgres({ url: database.url, schema: 'app', log, statementTimeoutMs: 100 });
    await expect(sql`select pg_sleep(5)`.execute(impatient.db)).rejects.toMatchObject({ code: '57014' });
    await impatient.close();
  });

  it('tells a server that is away from a statement that is wrong', async () => {
    const nowhere = createPostgres({ url: 'postgres://u:p@127.0.0.1:1/x', schema: 'app', log });
    const error = await nowhere.ping().catch((e) => e);
    expect(asDependencyError(error)).toMatchObject({ code: 'dependency_unavailable', retryAfterSeconds: 2 });
    await nowhere.close();
    const wrong = await sql`select nonsense`.execute(postgres.db).catch((e) => e);
    expect(asDependencyError(wrong)).toBe(wrong);
  });

  it('retries a transaction that Postgres asks to retry', async () => {
    let attempts = 0;
    const result = await postgres.transaction(async (trx) => {
      attempts++;
      if (attempts < 3)
        await sql`do $$ begin raise exception 'try again' using errcode = '40001'; end $$`.execute(trx);
      return attempts;
    });
    expect(result).toBe(3);
  });
});
