import { randomUUID } from 'node:crypto';
import { createLogger } from '../../../lib/log.ts';
import { createMetrics } from '../../../lib/metrics.ts';
import { migrate } from '../../../lib/migrate.ts';
import { createPostgres } from '../../../lib/postgres.ts';
import { systemRandom } from '../../../lib/random.ts';
import { systemClock as clock } from '../../../lib/time.ts';
import { createTestPostgres } from '../../../tools/testing/test-postgres.ts';
import { createTestRedis, type TestRedis } from '../../../tools/testing/test-redis.ts';
import type { ChainView } from '../heads/chain-view.ts';
import { createJobCallbacks } from '../jobs/job-callbacks.ts';
import { createJobKeeper } from '../jobs/job-keeper.ts';
import { createJobWorkerMetrics } from '../jobs/job-metrics.ts';
import { createTicketOffice, type TicketOffice } from '../jobs/job-queue.ts';
import type { JobView } from '../jobs/job-schema.ts';
import { createJobWorker, type JobWorker, type JobWorkerSettings } from '../jobs/job-worker.ts';
import { createJobService, type JobService } from '../jobs/service.ts';
import { gatewayMigrations } from '../migrations/gateway-migrations.ts';
import type { EthereumRpc } from '../rpc/ethereum-rpc.ts';
import type { GatewayPostgres, GatewayTables } from '../store/gateway-database.ts';

export const JOB_CHAIN = 31_337;
const HOUR_MS = 3_600_000;

export interface RunningJobWorker extends Pick<JobWorker, 'busy'> {
  /** In order; slices in hand get `graceMs`. */
  stop(graceMs?: number): Promise<void>;
}

/** Jobs on a real Postgres and Redis, with a chain that the test scripts. */
export interface JobFixture {
  readonly postgres: GatewayPostgres;
  readonly redis: TestRedis;
  readonly office: TicketOffice;
  readonly service: JobService;
  submit(principal: string, calls: number, extra?: { callbackUrl?: string }): Promise<JobView>;
  startWorker(rpc: EthereumRpc, settings?: Partial<JobWorkerSettings>): Promise<RunningJobWorker>;
  callbacks(secrets: readonly string[]): ReturnType<typeof createJobCallbacks>;
  /** Polls a job of `principal` until it satisfies `wanted`. */
  waitFor(
    principal: string,
    id: string,
    wanted: (view: JobView) => boolean,
    timeoutMs?: number,
  ): Promise<JobView>;
  close(): Promise<void>;
}

export async function createJobFixture(): Promise<JobFixture> {
  const log = createLogger({ service: 'jobs-test', level: process.env.TEST_LOG_LEVEL ?? 'fatal' });
  const [database, redis] = await Promise.all([createTestPostgres(), createTestRedis()]);
  const postgres = createPostgres<GatewayTables>({ url: database.url, schema: 'gateway', log, poolMax: 20 });
  await migrate({ pool: postgres.pool, schema: 'gateway', migrations: gatewayMigrations, log });
  const random = systemRandom(clock);
  const openOffice = () =>
    createTicketOffice({ url: redis.url, prefix: redis.prefix, chainId: JOB_CHAIN, log });
  const office = openOffice();
  await office.managed.queue.isReady();
  const view = { head: () => 100, safe: () => 90, finalized: () => 80, hashOf: () => undefined };
  const service = createJobService({
    postgres,
    chainId: JOB_CHAIN,
    view: view as unknown as ChainView,
    extraMethods: new Set(),
    random,
    callbacks: { enabled: true, allowPrivate: true },
    retentionMs: HOUR_MS,
    queued: (slices) => void office.add(slices),
  });
  const running = new Set<RunningJobWorker>();

  return {
    postgres,
    redis,
    office,
    service,
    async submit(principal, calls, extra = {}) {
      const { view: job } = await service.create(principal, JOB_CHAIN, randomUUID(), {
        calls: Array.from({ length: calls }, (_, index) => ({
          method: 'eth_getStorageAt',
          params: [`0x${'0'.repeat(40)}`, `0x${index.toString(16)}`, '0x1'],
        })),
        ...(extra.callbackUrl === undefined ? {} : { callback: { url: extra.callbackUrl } }),
      });
      return job;
    },
    async startWorker(rpc, overrides = {}) {
      const settings = {
        ...{ concurrency: 2, parallelCalls: 10, maxAttempts: 3, leaseMs: 1_000, retentionMs: HOUR_MS },
        ...overrides,
      };
      const own = openOffice();
      const metrics = createJobWorkerMetrics(createMetrics({ service: 'test', processMetrics: false }), {
        ...{ postgres, chainId: JOB_CHAIN },
        busy: () => worker.busy(),
        slots: settings.concurrency,
      });
      const worker = createJobWorker({
        ...{ postgres, office: own, rpc, chainId: JOB_CHAIN, settings, metrics, clock, random, log },
      });
      const keeper = createJobKeeper({
        ...{ postgres, office: own, chainId: JOB_CHAIN, metrics, clock, log },
        ...settings,
      });
      await own.managed.queue.isReady();
      worker.start();
      keeper.start();
      const handle: RunningJobWorker = {
        busy: () => worker.busy(),
        async stop(graceMs = 5_000) {
          if (!running.delete(handle)) return;
          await worker.stop(graceMs);
          await keeper.stop();
          await own.close();
        },
      };
      running.add(handle);
      return handle;
    },
    callbacks: (secrets) => createJobCallbacks({ postgres, secrets, allowPrivate: true, clock, log }),
    async waitFor(principal, id, wanted, timeoutMs = 30_000) {
      const deadline = Date.now() + timeoutMs;
      for (;;) {
        const job = await service.get(principal, JOB_CHAIN, id);
        if (wanted(job)) return job;
        if (Date.now() > deadline)
          throw new Error(`job ${id} did not get there in ${timeoutMs} ms: ${JSON.stringify(job)}`);
        await clock.sleep(20);
      }
    },
    async close() {
      for (const worker of running) await worker.stop(0);
      await office.close();
      await postgres.close();
      await database.drop();
      await redis.drop();
    },
  };
}
