import type { Clock } from '../../../lib/time.ts';

/** Stops sending to a provider that only fails, and lets one message try after a pause. */
export interface Breaker {
  /** Milliseconds until it may be tried; 0: go ahead. */
  waitMs(provider: string): number;
  record(provider: string, ok: boolean): void;
  openProviders(): string[];
}

const FAILURES_TO_OPEN = 5;
/** A provider nobody talked to for this long is forgotten; webhooks have many hosts. */
/** A probe whose outcome never came (its process had other trouble) stops nobody for longer than this. */
const PROBE_LIMIT_MS = 30_000;
const FORGET_MS = 60 * 60_000;

export function createBreaker(options: {
  clock: Pick<Clock, 'monotonic'>;
  firstPauseMs: number;
  maxPauseMs: number;
}): Breaker {
  const { clock, firstPauseMs, maxPauseMs } = options;
  const states = new Map<
    string,
    { failures: number; pauseMs: number; openUntil: number; seenAt: number; probingSince: number | undefined }
  >();
  const forget = (now: number): void => {
    for (const [provider, state] of states) if (now - state.seenAt > FORGET_MS) states.delete(provider);
  };
  return {
    waitMs(provider) {
      const state = states.get(provider);
      if (!state || state.failures < FAILURES_TO_OPEN) return 0;
      const now = clock.monotonic();
      if (now < state.openUntil) return state.openUntil - now;
      // Half open: one message tries, the others wait for its outcome.
      if (state.probingSince !== undefined && now - state.probingSince < PROBE_LIMIT_MS) return state.pauseMs;
      state.probingSince = now;
      return 0;
    },
    record(provider, ok) {
      const now = clock.monotonic();
      if (ok) {
        states.delete(provider);
        return;
      }
      const known = states.get(provider);
      const state = known ?? {
        failures: 0,
        pauseMs: firstPauseMs,
        openUntil: 0,
        seenAt: now,
        probingSince: undefined,
      };
      if (state.probingSince !== undefined) state.pauseMs = Math.min(maxPauseMs, state.pauseMs * 2);
      state.failures++;
      state.probingSince = undefined;
      state.seenAt = now;
      if (state.failures >= FAILURES_TO_OPEN) state.openUntil = now + state.pauseMs;
      states.set(provider, state);
      if (states.size > 1_000) forget(now);
    },
    openProviders: () =>
      [...states].filter(([, s]) => s.failures >= FAILURES_TO_OPEN).map(([provider]) => provider),
  };
}
