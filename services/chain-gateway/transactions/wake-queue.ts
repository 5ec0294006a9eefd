import type { Logger } from '../../../lib/log.ts';
import { createQueue } from '../../../lib/queue.ts';

/** The Bull queue between those who accept transactions and those who carry them. Losing it costs half a second, never a transaction. */
const QUEUE = 'gateway-transactions';

interface Wake {
  readonly chainId: number;
  /** A transaction that is under way already is to be looked at: those who carry it are woken, not only those who prepare. */
  readonly inLane?: boolean;
}

/** The sending end. */
export function createWakeSender(options: { url: string; prefix: string; log: Logger }): {
  wake(chainId: number, inLane?: boolean): void;
  close(): Promise<void>;
} {
  const managed = createQueue<Wake>({ ...options, name: QUEUE });
  const sending = new Set<string>();
  return {
    wake(chainId, inLane = false) {
      // One hint under way is enough: the worker takes all that is queued. With Redis away nothing piles up here.
      const key = `${chainId}:${inLane}`;
      if (sending.has(key)) return;
      sending.add(key);
      managed.queue
        .add({ chainId, inLane }, { removeOnComplete: true, removeOnFail: true })
        .catch((error: unknown) =>
          options.log.debug({ err: error }, 'the wake-up hint was not sent; workers poll'),
        )
        .finally(() => sending.delete(key));
    },
    close: () => managed.close(),
  };
}

/** The receiving end. */
export function createWakeReceiver(
  options: { url: string; prefix: string; log: Logger },
  onWake: (chainId: number, inLane: boolean) => void,
): { close(): Promise<void> } {
  const managed = createQueue<Wake>({ ...options, name: QUEUE });
  managed.queue
    .process(1, async (job) => onWake(job.data.chainId, job.data.inLane ?? false))
    .catch((error: unknown) => options.log.debug({ err: error }, 'wake-up hints are not received; polling'));
  return { close: () => managed.close() };
}
