import type { Logger } from '../../../lib/log.ts';
import { createQueue } from '../../../lib/queue.ts';

/** The Bull queue between those who accept transactions and those who carry them. Losing it costs half a second, never a transaction. */
const QUEUE = 'gateway-transactions';

interface Wake {
  readonly chainId: number;
}

/** The sending end. */
export function createWakeSender(options: { url: string; prefix: string; log: Logger }): {
  wake(chainId: number): void;
  close(): Promise<void>;
} {
  const managed = createQueue<Wake>({ ...options, name: QUEUE });
  const sending = new Set<number>();
  return {
    wake(chainId) {
      // One hint under way is enough: the worker takes all that is queued. With Redis away nothing piles up here.
      if (sending.has(chainId)) return;
      sending.add(chainId);
      managed.queue
        .add({ chainId }, { removeOnComplete: true, removeOnFail: true })
        .catch((error: unknown) =>
          options.log.debug({ err: error }, 'the wake-up hint was not sent; workers poll'),
        )
        .finally(() => sending.delete(chainId));
    },
    close: () => managed.close(),
  };
}

/** The receiving end. */
export function createWakeReceiver(
  options: { url: string; prefix: string; log: Logger },
  onWake: (chainId: number) => void,
): { close(): Promise<void> } {
  const managed = createQueue<Wake>({ ...options, name: QUEUE });
  managed.queue
    .process(1, async (job) => onWake(job.data.chainId))
    .catch((error: unknown) => options.log.debug({ err: error }, 'wake-up hints are not received; polling'));
  return { close: () => managed.close() };
}
