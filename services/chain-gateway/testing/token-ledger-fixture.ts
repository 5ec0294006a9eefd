import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '../../../lib/log.ts';
import { migrate } from '../../../lib/migrate.ts';
import { createPostgres } from '../../../lib/postgres.ts';
import { systemRandom } from '../../../lib/random.ts';
import { systemClock as clock } from '../../../lib/time.ts';
import { freePort } from '../../../tools/stack/parts/free-port.ts';
import { pingRedis, prepareRedis } from '../../../tools/stack/parts/redis.ts';
import { startAndWait } from '../../../tools/stack/parts/spawn.ts';
import { createTestPostgres } from '../../../tools/testing/test-postgres.ts';
import { insertAllotment } from '../admission/tokens/allotment-store.ts';
import { createCallLedger } from '../admission/tokens/call-ledger.ts';
import { createLedgerWorker } from '../admission/tokens/ledger-worker.ts';
import { createPurse, type Purse } from '../admission/tokens/purse.ts';
import type { PurseScripts } from '../admission/tokens/purse-scripts.ts';
import { createSpendingAccounts } from '../admission/tokens/spending-account.ts';
import { gatewayMigrations } from '../migrations/gateway-migrations.ts';
import { createAdvisoryLease } from '../store/advisory-lease.ts';
import type { GatewayPostgres, GatewayTables } from '../store/gateway-database.ts';
import { TEST_TIMING } from './token-timing.ts';

export const quietMetrics = {
  held: () => undefined,
  ended: () => undefined,
  pending: () => undefined,
  posted: () => undefined,
  drift: () => undefined,
  imbalance: () => undefined,
  leases: () => undefined,
  inFlight: () => undefined,
  unposted: () => undefined,
  lost: () => undefined,
};

/** A Redis of its own that can be killed, started again with its data, or without. */
export async function startOwnRedis(): Promise<{
  readonly url: string;
  kill(): Promise<void>;
  start(options: { keepData: boolean }): Promise<void>;
  stop(): Promise<void>;
}> {
  const dir = await mkdtemp(join(tmpdir(), 'rejuve-redis-'));
  const port = await freePort();
  const data = join(dir, 'data');
  const launch = async () => {
    const part = await prepareRedis({ port, dir: data, durable: true });
    // Every write is on the disk before it is answered: "with its data" means all of it.
    const running = await startAndWait({
      name: 'Redis',
      command: { ...part.command, args: [...part.command.args, '--appendfsync', 'always'] },
      logFile: join(dir, 'redis.log'),
      ready: async () => (await pingRedis(part.url)) === undefined,
    });
    return { url: part.url, running };
  };
  let current = await launch();
  return {
    url: current.url,
    async kill() {
      process.kill(current.running.pid, 'SIGKILL');
      await clock.sleep(50);
    },
    async start({ keepData }) {
      if (!keepData) await rm(data, { recursive: true, force: true });
      current = await launch();
    },
    async stop() {
      await current.running.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export interface TokenLedgerFixture {
  readonly postgres: GatewayPostgres;
  readonly databaseUrl: string;
  readonly prefix: string;
  /** Another replica: its own connection and its own memory. */
  replica(options?: { scripts?: PurseScripts; chunk?: number }): {
    purse: Purse;
    ledger: ReturnType<typeof createCallLedger>;
    accounts: ReturnType<typeof createSpendingAccounts>;
    worker: ReturnType<typeof createLedgerWorker>;
  };
  /** A budget that was authorised by nobody in particular. */
  allot(options?: {
    cap?: number;
    maxPerCall?: number;
    maxInFlight?: number;
    unitPrice?: number;
    validAfter?: number;
    validBefore?: number;
  }): Promise<string>;
  budget(id: string): Promise<{
    cap: number;
    settled: number;
    held: number;
    uncollected: number;
    calls: number;
    charged: number;
  }>;
  close(): Promise<void>;
}

/** Postgres with our schema, and the parts of the hold protocol on top, against whatever Redis is given. */
export async function createTokenLedgerFixture(redisUrl: string): Promise<TokenLedgerFixture> {
  const log = createLogger({ service: 'tokens-test', level: process.env.TEST_LOG_LEVEL ?? 'fatal' });
  const database = await createTestPostgres();
  const postgres = createPostgres<GatewayTables>({ url: database.url, schema: 'gateway', log, poolMax: 10 });
  await migrate({ pool: postgres.pool, schema: 'gateway', migrations: gatewayMigrations, log });
  const random = systemRandom(clock);
  const closers: (() => Promise<void>)[] = [];
  const prefix = `t${random.token(4)}`;
  return {
    postgres,
    databaseUrl: database.url,
    prefix,
    replica({ scripts, chunk = 10_000 } = {}) {
      const purse = createPurse({ url: redisUrl, prefix, log, ...(scripts ? { scripts } : {}) });
      const ledger = createCallLedger({ postgres, purse, chunk, random, log });
      const lease = createAdvisoryLease({ pool: postgres.pool, log, clock });
      closers.push(
        () => purse.close(),
        () => lease.close(),
      );
      return {
        purse,
        ledger,
        accounts: createSpendingAccounts({ purse, ledger, clock, log, metrics: quietMetrics }),
        worker: createLedgerWorker({
          postgres,
          purse,
          ledger,
          lease,
          clock,
          log,
          metrics: quietMetrics,
          timing: TEST_TIMING,
        }),
      };
    },
    async allot(options = {}) {
      const id = random.uuid();
      await postgres.transaction((trx) =>
        insertAllotment(trx, {
          id,
          chainId: 31_337,
          payer: `0x${'11'.repeat(20)}`,
          asset: `0x${'00'.repeat(20)}`,
          unitPrice: options.unitPrice ?? 1,
          cap: options.cap ?? 100_000,
          maxPerCall: options.maxPerCall ?? 1_000,
          maxInFlight: options.maxInFlight ?? 100,
          audience: 'test',
          scope: 'read',
          jkt: null,
          subject: 'subject',
          validAfter: new Date(options.validAfter ?? clock.now() - 60_000),
          validBefore: new Date(options.validBefore ?? clock.now() + 3_600_000),
        }),
      );
      return id;
    },
    async budget(id) {
      const { rows } = await postgres.pool.query(
        `SELECT a.cap, a.settled, a.held, a.uncollected, count(c.*)::int AS calls, coalesce(sum(c.amount), 0)::bigint AS charged
         FROM gateway.call_token_allotments a LEFT JOIN gateway.call_token_calls c ON c.allotment_id = a.id WHERE a.id = $1 GROUP BY a.id`,
        [id],
      );
      return rows[0];
    },
    async close() {
      for (const close of closers) await close();
      await postgres.close();
      await database.drop();
    },
  };
}
