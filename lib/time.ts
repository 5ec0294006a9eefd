import { performance } from 'node:perf_hooks';

/** A timer that was started by a {@link Clock}; `cancel` is safe to call twice and after it fired. */
export interface Timer {
  cancel(): void;
}

/**
 * Time as a parameter: everything that waits, expires or measures takes a clock, so that the same code runs
 * under a virtual clock in simulations.
 */
export interface Clock {
  /** Wall-clock time, milliseconds since the Unix epoch. It may jump; never measure a duration with it. */
  now(): number;
  /** Monotonic time in milliseconds from an arbitrary origin; for durations and deadlines. */
  monotonic(): number;
  /** Calls `fn` once after `ms` milliseconds. */
  setTimeout(fn: () => void, ms: number): Timer;
  /** Calls `fn` every `ms` milliseconds until cancelled. */
  setInterval(fn: () => void, ms: number): Timer;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason when `signal` aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The largest delay Node's timers take (2^31 − 1 ms); a longer one would fire at once. */
const MAX_TIMER_MS = 2_147_483_647;

function sleepOn(clock: Pick<Clock, 'setTimeout'>, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = () => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** The real clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimeout(fn, ms) {
    const handle = setTimeout(fn, Math.min(Math.max(0, ms), MAX_TIMER_MS));
    return { cancel: () => clearTimeout(handle) };
  },
  setInterval(fn, ms) {
    const handle = setInterval(fn, Math.min(Math.max(1, ms), MAX_TIMER_MS));
    return { cancel: () => clearInterval(handle) };
  },
  sleep: (ms, signal) => sleepOn(systemClock, ms, signal),
};

/** A clock that moves only when told to; for tests and the seeded simulators. */
export interface ManualClock extends Clock {
  /** Moves time forward by `ms`, firing every due timer in order and letting promises settle between them. */
  advance(ms: number): Promise<void>;
  /** Moves wall-clock time only (a clock that jumps); timers and monotonic time are not affected. */
  jump(ms: number): void;
  /** Milliseconds until the next timer fires, or undefined when none is pending. */
  nextTimerIn(): number | undefined;
}

interface PendingTimer {
  readonly id: number;
  at: number;
  readonly every: number | undefined;
  readonly fn: () => void;
}

/** Lets everything that is ready to run, run: promise jobs and immediates. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * @param startMs the wall-clock time it starts at, milliseconds since the epoch.
 */
export function createManualClock(startMs = Date.UTC(2026, 0, 1)): ManualClock {
  let monotonic = 0;
  let wallOffset = startMs;
  let nextId = 1;
  const timers = new Map<number, PendingTimer>();

  const add = (fn: () => void, ms: number, every?: number): Timer => {
    const timer = { id: nextId++, at: monotonic + Math.max(0, ms), every, fn };
    timers.set(timer.id, timer);
    return { cancel: () => void timers.delete(timer.id) };
  };
  const earliest = (): PendingTimer | undefined => {
    let best: PendingTimer | undefined;
    for (const timer of timers.values()) {
      if (!best || timer.at < best.at || (timer.at === best.at && timer.id < best.id)) best = timer;
    }
    return best;
  };

  const clock: ManualClock = {
    now: () => wallOffset + monotonic,
    monotonic: () => monotonic,
    setTimeout: (fn, ms) => add(fn, ms),
    setInterval: (fn, ms) => add(fn, Math.max(1, ms), Math.max(1, ms)),
    sleep: (ms, signal) => sleepOn(clock, ms, signal),
    jump: (ms) => {
      wallOffset += ms;
    },
    nextTimerIn: () => {
      const next = earliest();
      return next ? Math.max(0, next.at - monotonic) : undefined;
    },
    async advance(ms) {
      const target = monotonic + ms;
      await settle();
      for (let next = earliest(); next && next.at <= target; next = earliest()) {
        monotonic = Math.max(monotonic, next.at);
        if (next.every === undefined) timers.delete(next.id);
        else next.at += next.every;
        next.fn();
        await settle();
      }
      monotonic = target;
      await settle();
    },
  };
  return clock;
}
