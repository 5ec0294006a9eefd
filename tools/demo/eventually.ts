import { setTimeout as sleep } from 'node:timers/promises';
import { DemoFailure } from './demo-failure.ts';

export interface EventuallyOptions {
  /** Completes the sentence "expected …". */
  readonly expected: string;
  readonly withinMs: number;
  /** Aborts the wait, such as Ctrl-C. */
  readonly signal: AbortSignal;
  readonly service?: string;
  /** Milliseconds between two looks. */
  readonly everyMs?: number;
}

/** Short enough not to be noticed, long enough not to be load. */
const DEFAULT_INTERVAL_MS = 100;

/**
 * Looks again and again until `look` answers something other than undefined, for facts that no event announces.
 * `look` may throw {@link DemoFailure} to say what it saw; the last one is what the failure tells.
 */
export async function eventually<T>(
  options: EventuallyOptions,
  look: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const started = performance.now();
  let seen: unknown = 'nothing yet';
  let service = options.service;
  for (;;) {
    try {
      const found = await look();
      if (found !== undefined) return found;
    } catch (error) {
      if (!(error instanceof DemoFailure)) throw error;
      seen = error.seen;
      service = options.service ?? error.service;
    }
    options.signal.throwIfAborted();
    const left = options.withinMs - (performance.now() - started);
    if (left <= 0) {
      throw new DemoFailure({
        expected: `${options.expected} within ${options.withinMs / 1000} s`,
        seen,
        service,
      });
    }
    await sleep(Math.min(options.everyMs ?? DEFAULT_INTERVAL_MS, left), undefined, {
      signal: options.signal,
    });
  }
}
