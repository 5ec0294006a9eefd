import type { Clock, Timer } from '../../lib/time.ts';
import type { RateLimiter } from './rate-limiter.ts';

/** A queue of keys: a key waits at most once, and is never worked on twice at the same time. */
export interface WorkQueue {
  /** Asks for the key to be worked on. While it is being worked on, it is worked on once more afterwards. */
  add(key: string): void;
  /** Adds the key after `ms`; of several pending delays of a key the shortest counts. */
  addAfter(key: string, ms: number): void;
  /** Adds the key after its backoff. */
  addRateLimited(key: string): void;
  /** The key succeeded: its backoff starts anew. */
  forget(key: string): void;
  /** The next key, or undefined once the queue is shut down and empty. Call `done` with it afterwards. */
  next(): Promise<string | undefined>;
  done(key: string): void;
  /** Refuses new keys, drops delayed ones, and lets `next` hand out what waits; resolves when nothing is worked on. */
  shutDown(): Promise<void>;
  readonly depth: number;
  readonly working: number;
}

/** What metrics want to know. */
export interface WorkQueueObserver {
  onAdd?(): void;
  onStart?(waitedMs: number): void;
  onDone?(workedMs: number): void;
  onRetry?(): void;
}

export function createWorkQueue(deps: {
  clock: Clock;
  rateLimiter: RateLimiter;
  observer?: WorkQueueObserver;
}): WorkQueue {
  const { clock, rateLimiter, observer } = deps;
  /** Keys that wait, oldest first, with the time they were added. */
  const waiting = new Map<string, number>();
  /** Keys being worked on, with the time work began. */
  const working = new Map<string, number>();
  /** Keys that were added while being worked on. */
  const again = new Set<string>();
  const delayed = new Map<string, { at: number; timer: Timer }>();
  const takers: ((key: string | undefined) => void)[] = [];
  let closed = false;
  const idle = Promise.withResolvers<void>();

  function take(): string | undefined {
    for (const [key, addedAt] of waiting) {
      waiting.delete(key);
      const now = clock.monotonic();
      working.set(key, now);
      observer?.onStart?.(now - addedAt);
      return key;
    }
    return undefined;
  }
  function serve(): void {
    while (takers.length > 0 && waiting.size > 0)
      (takers.shift() as (key: string | undefined) => void)(take());
    if (!closed) return;
    while (takers.length > 0) (takers.shift() as (key: string | undefined) => void)(undefined);
    if (working.size === 0 && waiting.size === 0) idle.resolve();
  }
  function add(key: string): void {
    if (closed) return;
    delayed.get(key)?.timer.cancel();
    delayed.delete(key);
    if (working.has(key)) {
      again.add(key);
      return;
    }
    if (waiting.has(key)) return;
    waiting.set(key, clock.monotonic());
    observer?.onAdd?.();
    serve();
  }
  function addAfter(key: string, ms: number): void {
    if (closed) return;
    if (ms <= 0) {
      add(key);
      return;
    }
    const at = clock.monotonic() + ms;
    const pending = delayed.get(key);
    if (pending && pending.at <= at) return;
    pending?.timer.cancel();
    delayed.set(key, { at, timer: clock.setTimeout(() => add(key), ms) });
  }

  return {
    add,
    addAfter,
    addRateLimited(key) {
      observer?.onRetry?.();
      addAfter(key, rateLimiter.when(key));
    },
    forget: (key) => rateLimiter.forget(key),
    next() {
      const key = take();
      if (key !== undefined) return Promise.resolve(key);
      if (closed) return Promise.resolve(undefined);
      return new Promise((resolve) => takers.push(resolve));
    },
    done(key) {
      const startedAt = working.get(key);
      if (startedAt === undefined) return;
      working.delete(key);
      observer?.onDone?.(clock.monotonic() - startedAt);
      if (again.delete(key)) add(key);
      serve();
    },
    shutDown() {
      closed = true;
      for (const { timer } of delayed.values()) timer.cancel();
      delayed.clear();
      again.clear();
      serve();
      return idle.promise;
    },
    get depth() {
      return waiting.size;
    },
    get working() {
      return working.size;
    },
  };
}
