import { sql } from 'kysely';
import type { Metrics } from '../../../lib/metrics.ts';
import type { GatewayPostgres } from '../store/gateway-database.ts';

const SLICE_STATES = ['queued', 'running', 'dead'] as const;
/** From a cached slice to one whose calls all take their whole timeout, seconds. */
const SERVICE_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** Waiting for a turn: from at once to an hour, seconds. */
const WAIT_BUCKETS = [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 30, 60, 300, 900, 3600];

export interface JobWorkerMetrics {
  /** A ticket was taken this long after it was added. */
  started(waitedSeconds: number): void;
  /** An attempt at a slice is over. */
  finished(end: 'done' | 'again' | 'dead' | 'lost' | 'handed-back', seconds: number, calls: number): void;
  reclaimed(slices: number): void;
  toppedUp(tickets: number): void;
}

/** Counts slices on the side that accepts jobs. */
export function createJobArrivals(metrics: Metrics): (slices: number) => void {
  const arrived = metrics.counter({
    name: 'gateway_job_slices_arrived_total',
    help: 'Slices queued by new jobs and redrives; its rate is what the workers have to keep up with.',
  });
  return (slices) => arrived.inc(slices);
}

/** What a worker does, and on each scrape what waits for all of them. */
export function createJobWorkerMetrics(
  metrics: Metrics,
  deps: { postgres: GatewayPostgres; chainId: number; busy: () => number; slots: number },
): JobWorkerMetrics {
  const { postgres, chainId, busy, slots } = deps;
  metrics.gauge({
    name: 'gateway_job_slices',
    help: 'Slices by state; the same at every worker, because Postgres says it.',
    labels: ['state'],
    collect: async (gauge) => {
      const { rows } = await sql<{ state: string; count: number; age: number }>`
        SELECT state, count(*)::int AS count,
          coalesce(extract(epoch FROM now() - min(due_at)), 0)::float AS age
        FROM rpc_job_slices WHERE chain_id = ${chainId} AND state IN ('queued', 'running', 'dead') GROUP BY state`
        .execute(postgres.db)
        .catch(() => ({ rows: [] }));
      for (const state of SLICE_STATES)
        gauge.set({ state }, rows.find((row) => row.state === state)?.count ?? 0);
      oldest.set(Math.max(0, rows.find((row) => row.state === 'queued')?.age ?? 0));
    },
  });
  const oldest = metrics.gauge({
    name: 'gateway_job_oldest_waiting_seconds',
    help: 'How long the oldest slice that is due has been waiting for a worker.',
  });
  metrics.gauge({
    name: 'gateway_job_slots',
    help: 'Slices that this worker can have in hand, and those it has.',
    labels: ['state'],
    collect: (gauge) => {
      gauge.set({ state: 'busy' }, busy());
      gauge.set({ state: 'all' }, slots);
    },
  });
  const service = metrics.histogram({
    name: 'gateway_job_service_seconds',
    help: 'Time one slice occupies a slot, by what came of it.',
    labels: ['end'],
    buckets: SERVICE_BUCKETS,
  });
  const wait = metrics.histogram({
    name: 'gateway_job_wait_seconds',
    help: 'From a ticket being due to a worker taking it.',
    buckets: WAIT_BUCKETS,
  });
  const calls = metrics.counter({
    name: 'gateway_job_calls_total',
    help: 'Calls of jobs that were answered.',
  });
  const reclaimed = metrics.counter({
    name: 'gateway_job_slices_reclaimed_total',
    help: 'Slices taken back from workers that went away in the middle.',
  });
  const topped = metrics.counter({
    name: 'gateway_job_tickets_replaced_total',
    help: 'Tickets that Redis had lost and that were made again.',
  });
  return {
    started: (seconds) => wait.observe(Math.max(0, seconds)),
    finished(end, seconds, answered) {
      service.observe({ end }, seconds);
      calls.inc(answered);
    },
    reclaimed: (count) => reclaimed.inc(count),
    toppedUp: (count) => topped.inc(count),
  };
}
