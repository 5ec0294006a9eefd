import { sql } from 'kysely';
import type { Logger } from '../../../lib/log.ts';
import type { Clock } from '../../../lib/time.ts';
import type { GatewayPostgres } from '../store/gateway-database.ts';
import type { JobWorkerMetrics } from './job-metrics.ts';
import type { TicketOffice } from './job-queue.ts';
import { pruneJobs } from './job-store.ts';
import { reclaimSlices } from './slice-store.ts';

/** How often the books are compared. */
const EVERY_MS = 1_000;
/** Old jobs are looked for this often. */
const PRUNE_EVERY_MS = 60_000;

/**
 * Keeps jobs moving whatever dies: slices of workers that went away are queued again, tickets that Redis lost are made
 * again, jobs past their retention are forgotten. Every worker has one; at a time one of them works.
 */
export function createJobKeeper(deps: {
  postgres: GatewayPostgres;
  office: TicketOffice;
  chainId: number;
  maxAttempts: number;
  retentionMs: number;
  metrics: Pick<JobWorkerMetrics, 'reclaimed' | 'toppedUp'>;
  clock: Clock;
  log: Logger;
}): { start(): void; step(): Promise<void>; stop(): Promise<void> } {
  const { postgres, office, chainId, metrics, clock, log } = deps;
  /** Tickets that were missing at the last look: one look may fall between a slice and its ticket. */
  let missingBefore = 0;
  let prunedAt = Number.NEGATIVE_INFINITY;
  let timer: { cancel(): void } | undefined;
  let running: Promise<void> | undefined;

  async function step(): Promise<void> {
    const reclaimed = await reclaimSlices(postgres, deps);
    if (reclaimed > 0) {
      metrics.reclaimed(reclaimed);
      log.info({ slices: reclaimed }, 'slices of a worker that went away are queued again');
      await office.add(reclaimed);
    }
    await topUp();
    if (clock.monotonic() - prunedAt < PRUNE_EVERY_MS) return;
    prunedAt = clock.monotonic();
    const pruned = await pruneJobs(postgres.db);
    if (pruned > 0) log.info({ jobs: pruned }, 'old jobs were forgotten');
  }

  async function topUp(): Promise<void> {
    // The count of tickets comes first: what is queued after it can only make fewer look missing.
    const { rows } = await sql<{ queued: number }>`
      SELECT count(*)::int AS queued FROM rpc_job_slices WHERE chain_id = ${chainId} AND state = 'queued'`.execute(
      postgres.db,
    );
    const queued = rows[0]?.queued ?? 0;
    const tickets = queued === 0 ? 0 : await office.waiting();
    // Redis is away: nothing is known of the tickets, and none can be made.
    const missing = tickets === undefined ? 0 : Math.max(0, queued - tickets);
    const lost = Math.min(missing, missingBefore);
    missingBefore = missing - lost;
    if (lost === 0 || !(await office.add(lost))) return;
    metrics.toppedUp(lost);
    log.info({ tickets: lost }, 'tickets that were lost are made again');
  }

  /** Many workers look; only one acts, so that a lost ticket is replaced once. */
  async function alone(): Promise<void> {
    const client = await postgres.pool.connect();
    try {
      const { rows } = await client.query<{ locked: boolean }>(
        "SELECT pg_try_advisory_lock(hashtext('rpc-jobs-keeper'), $1) AS locked",
        [chainId % 2 ** 31],
      );
      if (!rows[0]?.locked) {
        missingBefore = 0;
        return;
      }
      try {
        await step();
      } finally {
        await client.query("SELECT pg_advisory_unlock(hashtext('rpc-jobs-keeper'), $1)", [chainId % 2 ** 31]);
      }
    } finally {
      client.release();
    }
  }

  return {
    step,
    start() {
      timer = clock.setInterval(() => {
        running ??= alone()
          .catch((error) => log.warn({ err: error }, 'the jobs could not be looked after; trying again'))
          .finally(() => {
            running = undefined;
          });
      }, EVERY_MS);
    },
    async stop() {
      timer?.cancel();
      await running;
    },
  };
}
