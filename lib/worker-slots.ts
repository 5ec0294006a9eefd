import type { Clock } from './time.ts';

/** The two commands that are needed of ioredis. */
export interface SlotStore {
  hset(key: string, field: string, value: string): Promise<unknown>;
  hdel(key: string, field: string): Promise<unknown>;
}

/** Workers report this often; a report that is much older belongs to a pod that is gone. */
const REPORT_EVERY_MS = 5_000;
/** After so long without a report a pod counts as gone. */
export const SLOT_REPORT_TTL_MS = 30_000;

/**
 * The key under which the workers of a Bull queue report how busy they are: a hash from pod name to
 * `BUSY_SLOTS EPOCH_MS`. The controller reads it to let the idle pods go first when it scales down.
 */
export const workerSlotsKey = (queue: { prefix: string; name: string }): string =>
  `${queue.prefix}:${queue.name}:workers`;

/**
 * Tells the controller, every few seconds and whenever `report` is called, how many jobs this pod works on.
 * A report is a courtesy: when Redis is away, nothing happens.
 * @param busy how many slots are busy at this moment.
 */
export function createSlotReporter(deps: {
  redis: SlotStore;
  queue: { prefix: string; name: string };
  pod: string;
  busy: () => number;
  clock: Clock;
}): { start(): void; report(): void; stop(): Promise<void> } {
  const { redis, queue, pod, busy, clock } = deps;
  const key = workerSlotsKey(queue);
  const report = (): void => {
    redis.hset(key, pod, `${busy()} ${clock.now()}`).catch(() => undefined);
  };
  let timer: { cancel(): void } | undefined;
  return {
    start() {
      report();
      timer ??= clock.setInterval(report, REPORT_EVERY_MS);
    },
    report,
    async stop() {
      timer?.cancel();
      await redis.hdel(key, pod).catch(() => undefined);
    },
  };
}
