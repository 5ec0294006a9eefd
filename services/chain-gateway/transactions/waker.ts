import type { RequestContext } from '../../../lib/context.ts';
import type { Clock } from '../../../lib/time.ts';
import { sampledContext } from '../../../lib/tracing/tracer.ts';

/** Lets a loop sleep until somebody has news for it, and never miss news that came while it worked. */
export interface Waker {
  wake(): void;
  /** Resolves when woken, after `ms`, or when `signal` aborts; at once when woken since the last wait. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
  /** The traced request that woke it, once: what the loop does next is done for it. */
  cause(): RequestContext | undefined;
}

export function createWaker(clock: Clock): Waker {
  let pending = false;
  let resolve: (() => void) | undefined;
  let cause: RequestContext | undefined;
  return {
    wake() {
      pending = true;
      cause ??= sampledContext();
      resolve?.();
    },
    async wait(ms, signal) {
      if (!pending && !signal.aborted) {
        await new Promise<void>((done) => {
          const timer = clock.setTimeout(done, ms);
          const finish = () => {
            timer.cancel();
            done();
          };
          resolve = finish;
          signal.addEventListener('abort', finish, { once: true });
        });
        resolve = undefined;
      }
      pending = false;
    },
    cause() {
      const now = cause;
      cause = undefined;
      return now;
    },
  };
}
