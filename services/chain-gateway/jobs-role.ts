import { ConfigError } from '../../lib/config.ts';
import type { ReadinessCheck } from '../../lib/http/readiness.ts';
import type { ProcessScope } from '../../lib/lifecycle.ts';
import { closeRedis, createRedis, pingRedis } from '../../lib/redis.ts';
import { createSlotReporter } from '../../lib/worker-slots.ts';
import { createCostStore } from './cost/cost-store.ts';
import { createJobCallbacks } from './jobs/job-callbacks.ts';
import { createJobKeeper } from './jobs/job-keeper.ts';
import { createJobWorkerMetrics } from './jobs/job-metrics.ts';
import { createTicketOffice, jobQueueName } from './jobs/job-queue.ts';
import { createJobWorker } from './jobs/job-worker.ts';
import type { ProcessShell } from './process-shell.ts';
import type { GatewayPostgres } from './store/gateway-database.ts';
import type { WorkerConfig } from './transactions-role.ts';

/** Of the drain time, what is left for handing back and closing after the slices in hand had their chance. */
const HAND_BACK_RESERVE_MS = 3_000;

/** Works on background jobs. Stateless, any number of replicas; the controller scales them from the queue. */
export async function startJobsRole(deps: {
  config: WorkerConfig;
  shell: ProcessShell;
  postgres: GatewayPostgres;
  scope: Pick<ProcessScope, 'defer'>;
}): Promise<{ readiness: ReadinessCheck }> {
  const { config, postgres, scope } = deps;
  const { log, metrics, clock, random, path, chainId } = deps.shell;
  const { REDIS_URL: url, REDIS_PREFIX: name } = config;
  if (url === undefined) {
    throw new ConfigError('gateway-worker', [
      {
        key: 'REDIS_URL',
        message: 'is required by the role jobs; without Redis set WORKER_ROLES=transactions',
      },
    ]);
  }
  const prefix = `${name}:`;
  const retentionMs = config.JOBS_RETENTION_HOURS * 3_600_000;
  const maxAttempts = config.JOBS_MAX_ATTEMPTS;

  const redis = createRedis({ url, log, role: 'jobs' });
  scope.defer('jobs redis', () => closeRedis(redis));
  // What jobs cost is booked where what interactive calls cost is.
  const costs = createCostStore({ redis, prefix: name, chainId, book: path.cost, clock, log });
  scope.defer('costs', () => costs.stop());
  const office = createTicketOffice({ url, prefix, chainId, log });
  scope.defer('job queue', () => office.close());

  const workerMetrics = createJobWorkerMetrics(metrics, {
    postgres,
    chainId,
    busy: () => worker.busy(),
    slots: config.JOBS_CONCURRENCY,
  });
  const slots = createSlotReporter({
    redis,
    queue: { prefix: `${prefix}bull`, name: jobQueueName(chainId) },
    pod: config.POD_NAME,
    busy: () => worker.busy(),
    clock,
  });
  const worker = createJobWorker({
    postgres,
    office,
    rpc: path.rpc,
    chainId,
    settings: {
      concurrency: config.JOBS_CONCURRENCY,
      parallelCalls: config.JOBS_PARALLEL_CALLS,
      maxAttempts,
      leaseMs: config.JOBS_LEASE_MS,
      retentionMs,
    },
    metrics: workerMetrics,
    onBusy: () => slots.report(),
    clock,
    random,
    log,
  });
  const keeper = createJobKeeper({
    ...{ postgres, office, chainId, maxAttempts, retentionMs, clock, log },
    metrics: workerMetrics,
  });
  if (config.WEBHOOK_SECRETS !== undefined) {
    const callbacks = createJobCallbacks({
      ...{ postgres, clock, log },
      secrets: config.WEBHOOK_SECRETS,
      allowPrivate: config.WEBHOOK_ALLOW_PRIVATE,
    });
    callbacks.start();
    scope.defer('job callbacks', () => callbacks.close());
  }
  keeper.start();
  scope.defer('job keeper', () => keeper.stop());
  worker.start();
  slots.start();
  scope.defer('jobs', async () => {
    await worker.stop(Math.max(0, config.DRAIN_TIMEOUT_MS - HAND_BACK_RESERVE_MS));
    await slots.stop();
  });
  // Ready means taking jobs: the controller counts ready pods as working ones.
  return { readiness: { name: 'job queue', check: () => pingRedis(redis) } };
}
