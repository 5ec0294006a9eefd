import type { Logger } from '../../../lib/log.ts';
import type { ManagedQueue } from '../../../lib/queue.ts';
import type { Clock } from '../../../lib/time.ts';
import type { Channel } from '../preferences/schema.ts';
import type { UserPostgres } from '../shared/database.ts';
import type { deliveryStore } from './store.ts';
import type { DeliveryWorker, Job } from './worker.ts';

export interface Dispatcher {
  /** Claims what is due on one channel and hands it to the workers. @returns true when there may be more. */
  pass(channel: Channel): Promise<boolean>;
  /** Starts this replica's workers on the queues. */
  work(signal: AbortSignal): void;
}

const BATCH = 100;
const DIGEST_PEOPLE = 50;
/** Longer than any sending takes, waiting in the queue included; after it another worker takes over. */
const LEASE_MS = 60_000;
/** Jobs waiting in Redis beyond this: let them wait in Postgres instead, where priorities still count. */
const QUEUE_FULL = 500;
const ENQUEUE_TIMEOUT_MS = 1_000;

/**
 * Moves due deliveries from Postgres to Bull, one queue per channel, so that a slow channel fills its own queue only.
 * The queue holds nothing of value: after a flush the leases run out and everything comes again.
 * With Redis away the claimed jobs are sent right here; slower, and nothing is lost.
 */
export function createDispatcher(deps: {
  postgres: Pick<UserPostgres, 'db'>;
  store: Pick<typeof deliveryStore, 'claim' | 'claimDigests'>;
  queues: Record<Channel, Pick<ManagedQueue<Job>, 'queue'>>;
  worker: DeliveryWorker;
  concurrency: Record<Channel, number>;
  clock: Clock;
  log: Logger;
  leaseMs?: number;
  onFallback: () => void;
  /** Whether messages of this channel may leave now; those that may not stay where they are. */
  mayLeave?: (channel: Channel) => boolean;
}): Dispatcher {
  const { postgres, store, queues, worker, concurrency, clock, log, leaseMs = LEASE_MS, onFallback } = deps;
  const stop = new AbortController();
  const busy = new Set<Channel>();

  const within = async <T>(promise: Promise<T>, ms: number): Promise<T> => {
    const limit = new AbortController();
    const late = clock.sleep(ms, limit.signal).then(() => {
      throw new Error(`Redis did not answer within ${ms} ms`);
    });
    late.catch(() => undefined);
    promise.catch(() => undefined);
    try {
      return await Promise.race([promise, late]);
    } finally {
      limit.abort();
    }
  };

  const runHere = async (channel: Channel, jobs: readonly Job[]): Promise<void> => {
    onFallback();
    const left = [...jobs];
    const lane = async (): Promise<void> => {
      for (let job = left.shift(); job; job = left.shift()) await worker.process(channel, job, stop.signal);
    };
    await Promise.all(Array.from({ length: concurrency[channel] }, lane));
  };

  return {
    async pass(channel) {
      if (deps.mayLeave?.(channel) === false) return false;
      const { queue } = queues[channel];
      let redisAway = false;
      try {
        // Asked only while there is much to do: an idle service asks Redis nothing.
        if (busy.has(channel) && (await within(queue.getWaitingCount(), ENQUEUE_TIMEOUT_MS)) > QUEUE_FULL)
          return false;
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        redisAway = true;
      }
      const now = new Date(clock.now());
      const leaseUntil = new Date(clock.now() + leaseMs);
      const single = await store.claim(postgres.db, channel, BATCH, now, leaseUntil);
      const digests =
        channel === 'email' ? await store.claimDigests(postgres.db, DIGEST_PEOPLE, now, leaseUntil) : [];
      const jobs: Job[] = [
        ...single.map((item) => ({ items: [item] })),
        ...[...Map.groupBy(digests, (d) => d.personId).values()].map((items) => ({
          items: items.map(({ id, claims }) => ({ id, claims })),
        })),
      ];
      if (jobs.length < BATCH) busy.delete(channel);
      else busy.add(channel);
      if (jobs.length === 0) return false;
      if (!redisAway) {
        try {
          await within(
            queue.addBulk(
              jobs.map((data) => ({
                data,
                opts: {
                  jobId: `${data.items[0]?.id}:${data.items[0]?.claims}`,
                  removeOnComplete: true,
                  removeOnFail: true,
                },
              })),
            ),
            ENQUEUE_TIMEOUT_MS,
          );
          return single.length === BATCH || digests.length > 0;
        } catch (error) {
          log.debug({ err: error, channel }, 'deliveries could not be queued; sending them here');
        }
      }
      await runHere(channel, jobs);
      return true;
    },

    work(signal) {
      signal.addEventListener('abort', () => stop.abort(signal.reason), { once: true });
      for (const [channel, { queue }] of Object.entries(queues) as [
        Channel,
        Pick<ManagedQueue<Job>, 'queue'>,
      ][]) {
        queue
          .process(concurrency[channel], async (job) => {
            try {
              await worker.process(channel, job.data, stop.signal);
            } catch (error) {
              // The record could not be written; the lease runs out and the delivery comes again.
              log.debug({ err: error, channel }, 'the outcome of a delivery could not be recorded');
            }
          })
          .catch((error: unknown) => log.debug({ err: error, channel }, 'a delivery queue ended'));
      }
    },
  };
}
