import type { Logger } from '../../../lib/log.ts';
import { createQueue, type ManagedQueue } from '../../../lib/queue.ts';

/**
 * One Bull job per slice: a ticket for one turn. It does not name the slice; whose slice is next is decided when a
 * worker takes the ticket, so that fairness does not depend on the order of arrival. Tickets are counted, and counted
 * they are the backlog that the controller scales on. Postgres knows what is to be done: tickets that are lost are made
 * again by the workers, those that are too many find nothing to do.
 */
export type Ticket = Record<string, never>;

/** `queue.name` of the RpcWorkerPool of a chain. */
export const jobQueueName = (chainId: number): string => `rpc-jobs-${chainId}`;

/** Tickets per round trip. */
const CHUNK = 500;

export interface TicketOffice {
  readonly managed: ManagedQueue<Ticket>;
  /** Adds tickets; resolves to false when Redis is away, and nothing was added. */
  add(count: number, delayMs?: number): Promise<boolean>;
  /** Tickets that wait, delayed ones included; undefined when Redis is away. */
  waiting(): Promise<number | undefined>;
  close(): Promise<void>;
}

/** Bull waits for Redis for ever; whoever asks us does not. */
const ANSWER_MS = 3_000;

/** Tickets of one chain, for those who sell them and those who take them. */
export function createTicketOffice(options: {
  url: string;
  /** With its colon: `rejuve:`. */
  prefix: string;
  chainId: number;
  log: Logger;
}): TicketOffice {
  const { log } = options;
  const managed = createQueue<Ticket>({ ...options, name: jobQueueName(options.chainId) });
  const { queue } = managed;
  const soon = <T>(work: Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('Redis did not answer in time')), ANSWER_MS);
      work.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  return {
    managed,
    async add(count, delayMs = 0) {
      // Without a connection the commands would pile up in memory; the workers count again when Redis is back.
      if (queue.client.status !== 'ready' && queue.client.status !== 'connecting') return false;
      try {
        for (let left = count; left > 0; left -= CHUNK) {
          await soon(
            queue.addBulk(
              Array.from({ length: Math.min(CHUNK, left) }, () => ({
                data: {},
                opts: delayMs > 0 ? { delay: delayMs } : {},
              })),
            ),
          );
        }
        return true;
      } catch (error) {
        log.debug({ err: error }, 'tickets were not added; the workers will notice');
        return false;
      }
    },
    async waiting() {
      if (queue.client.status !== 'ready') return undefined;
      try {
        const counts = await soon(queue.getJobCounts());
        // `paused` is missing in the types, not in what Redis is asked.
        return counts.waiting + counts.delayed + ((counts as { paused?: number }).paused ?? 0);
      } catch (error) {
        log.debug({ err: error }, 'tickets could not be counted');
        return undefined;
      }
    },
    close: () => managed.close(),
  };
}
