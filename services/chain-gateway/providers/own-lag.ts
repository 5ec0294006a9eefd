import type { Clock } from '../../../lib/time.ts';

const LOOK_EVERY_MS = 50;

/**
 * How late this process gets to its work, milliseconds: a busy event loop makes every provider look slow by that much,
 * and fewer calls to providers would be the wrong answer to it.
 */
export function watchOwnLag(clock: Pick<Clock, 'monotonic' | 'setInterval'>): { ms(): number; stop(): void } {
  let lag = 0;
  let last = clock.monotonic();
  const timer = clock.setInterval(() => {
    const now = clock.monotonic();
    // The worst of the last few looks: answers that are measured now may have waited through it.
    lag = Math.max(now - last - LOOK_EVERY_MS, lag / 2);
    if (lag < 1) lag = 0;
    last = now;
  }, LOOK_EVERY_MS);
  return { ms: () => lag, stop: () => timer.cancel() };
}
