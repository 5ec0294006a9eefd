import type { Clock } from '../../../lib/time.ts';
import { createLatencyTracker, type LatencyTracker } from './latency.ts';

/** Half-life of the error rate, milliseconds: what happened half a minute ago hardly counts. */
const HALF_LIFE_MS = 5_000;
/** Above this error rate a provider gets no regular traffic ... */
const EXCLUDE_ABOVE = 0.5;
/** ... until it has fallen below this one. The gap keeps it from flapping. */
const INCLUDE_BELOW = 0.2;
/** Samples (decayed) before an error rate is believed. */
const MIN_WEIGHT = 5;
/** So many good answers in a row, spread over some time, outweigh the past: recovery must not wait for it to fade. */
const FORGIVE_AFTER = 5;
const FORGIVE_AFTER_MS = 500;
/** A provider that refused our credentials is asked again after this long, milliseconds. */
const UNAUTHORIZED_FOR_MS = 10_000;

export interface Health {
  onSuccess(ms: number): void;
  onFault(): void;
  onUnauthorized(): void;
  /** 0 … 1, decayed. */
  errorRate(): number;
  healthy(): boolean;
  unauthorized(): boolean;
  readonly latency: LatencyTracker;
  /** Decayed number of samples behind `errorRate`. */
  weight(): number;
}

/** Error rate with exponential decay by time, and latency; `healthy` has hysteresis. Reverts and 429s never come here as faults. */
export function createHealth(clock: Pick<Clock, 'monotonic'>): Health {
  const latency = createLatencyTracker();
  let good = 0;
  let bad = 0;
  let at = clock.monotonic();
  let healthy = true;
  let goodInARow = 0;
  let goodSince = 0;
  let unauthorizedUntil = Number.NEGATIVE_INFINITY;

  const decay = (): void => {
    const now = clock.monotonic();
    if (now - at < 50) return;
    const factor = 0.5 ** ((now - at) / HALF_LIFE_MS);
    good *= factor;
    bad *= factor;
    at = now;
  };
  const rate = (): number => (good + bad < 0.01 ? 0 : bad / (good + bad));
  const judge = (): void => {
    const current = rate();
    if (healthy && good + bad >= MIN_WEIGHT && current > EXCLUDE_ABOVE) healthy = false;
    else if (!healthy && current < INCLUDE_BELOW) healthy = true;
  };

  return {
    latency,
    onSuccess(ms) {
      decay();
      good++;
      if (goodInARow === 0) goodSince = clock.monotonic();
      goodInARow++;
      if (!healthy && goodInARow >= FORGIVE_AFTER && clock.monotonic() - goodSince >= FORGIVE_AFTER_MS)
        bad = 0;
      unauthorizedUntil = Number.NEGATIVE_INFINITY;
      latency.observe(ms);
      judge();
    },
    onFault() {
      decay();
      bad++;
      goodInARow = 0;
      judge();
    },
    onUnauthorized() {
      unauthorizedUntil = clock.monotonic() + UNAUTHORIZED_FOR_MS;
    },
    errorRate() {
      decay();
      return rate();
    },
    healthy() {
      decay();
      judge();
      return healthy;
    },
    unauthorized: () => clock.monotonic() < unauthorizedUntil,
    weight: () => good + bad,
  };
}
