import type { Logger } from '../../../lib/log.ts';
import type { Clock } from '../../../lib/time.ts';
import { eventLogBounds } from '../store/event-log.ts';
import type { GatewayPostgres } from '../store/gateway-database.ts';

/** Lets any number of long polls wait for the event log to grow, at the price of one small query per look. */
export interface EventTail {
  /** Resolves true as soon as the log is longer than `after`, false after `ms` or when `signal` aborts. */
  wait(after: number, ms: number, signal: AbortSignal): Promise<boolean>;
  /** A hint (Redis) that the log has grown: look now. */
  hint(): void;
  close(): void;
}

/** Without hints this is how late a reader learns of an event. */
const POLL_MS = 200;

export function createEventTail(deps: { postgres: GatewayPostgres; clock: Clock; log: Logger }): EventTail {
  const { postgres, clock, log } = deps;
  const waiting = new Set<{ after: number; done: (grown: boolean) => void }>();
  let looking = false;
  let again = false;

  async function look(): Promise<void> {
    if (looking) {
      again = true;
      return;
    }
    looking = true;
    try {
      do {
        again = false;
        if (waiting.size === 0) break;
        const { last } = await eventLogBounds(postgres.db);
        for (const waiter of waiting) if (last > waiter.after) waiter.done(true);
      } while (again);
    } catch (error) {
      log.warn({ err: error }, 'the event log could not be read; waiting readers stay');
    } finally {
      looking = false;
    }
  }
  const timer = clock.setInterval(() => void look(), POLL_MS);

  return {
    hint: () => void look(),
    wait: (after, ms, signal) =>
      new Promise((resolve) => {
        const waiter = {
          after,
          done(grown: boolean) {
            waiting.delete(waiter);
            timeout.cancel();
            signal.removeEventListener('abort', onAbort);
            resolve(grown);
          },
        };
        const onAbort = () => waiter.done(false);
        const timeout = clock.setTimeout(() => waiter.done(false), ms);
        signal.addEventListener('abort', onAbort, { once: true });
        waiting.add(waiter);
        if (signal.aborted) waiter.done(false);
      }),
    close() {
      timer.cancel();
      for (const waiter of waiting) waiter.done(false);
    },
  };
}
