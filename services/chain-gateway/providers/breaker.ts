import type { Clock } from '../../../lib/time.ts';

export type BreakerState = 'closed' | 'open' | 'half-open';

/** Faults in a row that open the breaker. Enough that one bad moment of a busy provider does not. */
const CONSECUTIVE_TO_OPEN = 5;
/** Share of faults among recent attempts that opens it even when successes come in between. */
const RATE_TO_OPEN = 0.6;
/** Attempts in the sliding record before the share means anything. */
const MIN_SAMPLES = 20;
const WINDOW = 40;
/** First pause; doubled with each failed trial. Short, because a provider that is back should serve at once. */
const FIRST_PAUSE_MS = 250;
const MAX_PAUSE_MS = 5_000;
/** Successful trials in half-open before it closes. */
const TRIALS_TO_CLOSE = 2;

export interface Breaker {
  readonly state: BreakerState;
  /** True when a call may go out now. In half-open only one trial is out at a time; asking reserves it. */
  tryAcquire(): boolean;
  /** True when `tryAcquire` would say yes; reserves nothing. */
  wouldAllow(): boolean;
  onSuccess(): void;
  onFault(): void;
  /** The attempt ended without telling anything (cancelled): gives a reserved trial back. */
  onNeutral(): void;
  /** Milliseconds until the next trial, 0 when one is allowed. */
  retryInMs(): number;
}

/**
 * Circuit breaker: closed → open after repeated faults → half-open after a pause → closed after successful trials.
 * A success in the open state (the head poller keeps asking) leads to half-open at once: recovery does not wait for
 * the pause.
 */
export function createBreaker(
  clock: Pick<Clock, 'monotonic'>,
  onChange: (state: BreakerState) => void = () => undefined,
): Breaker {
  let state: BreakerState = 'closed';
  let consecutive = 0;
  let record: boolean[] = [];
  let pauseMs = FIRST_PAUSE_MS;
  let openUntil = 0;
  let trialOut = false;
  let trialStartedAt = 0;
  let trialsPassed = 0;

  const to = (next: BreakerState): void => {
    if (next === state) return;
    state = next;
    trialOut = false;
    onChange(next);
  };
  const open = (): void => {
    openUntil = clock.monotonic() + pauseMs;
    pauseMs = Math.min(MAX_PAUSE_MS, pauseMs * 2);
    to('open');
  };
  const halfOpen = (): void => {
    trialsPassed = 0;
    to('half-open');
  };
  /** A trial whose end was never reported must not block recovery for ever. */
  const trialIsStale = (): boolean => clock.monotonic() - trialStartedAt > MAX_PAUSE_MS;

  return {
    get state() {
      return state;
    },
    wouldAllow() {
      if (state === 'closed') return true;
      if (state === 'open') return clock.monotonic() >= openUntil;
      return !trialOut || trialIsStale();
    },
    tryAcquire() {
      if (state === 'closed') return true;
      if (state === 'open') {
        if (clock.monotonic() < openUntil) return false;
        halfOpen();
      }
      if (trialOut && !trialIsStale()) return false;
      trialOut = true;
      trialStartedAt = clock.monotonic();
      return true;
    },
    onSuccess() {
      consecutive = 0;
      if (state === 'open') {
        halfOpen();
        trialsPassed = 1;
        return;
      }
      if (state === 'half-open') {
        trialOut = false;
        trialsPassed++;
        if (trialsPassed < TRIALS_TO_CLOSE) return;
        record = [];
        pauseMs = FIRST_PAUSE_MS;
        to('closed');
        return;
      }
      record.push(true);
      if (record.length > WINDOW) record.shift();
    },
    onFault() {
      if (state === 'open') return;
      if (state === 'half-open') {
        open();
        return;
      }
      consecutive++;
      record.push(false);
      if (record.length > WINDOW) record.shift();
      const faults = record.reduce((sum, good) => sum + (good ? 0 : 1), 0);
      if (
        consecutive >= CONSECUTIVE_TO_OPEN ||
        (record.length >= MIN_SAMPLES && faults / record.length >= RATE_TO_OPEN)
      ) {
        consecutive = 0;
        record = [];
        open();
      }
    },
    onNeutral() {
      if (state === 'half-open') trialOut = false;
    },
    retryInMs() {
      return state === 'open' ? Math.max(0, openUntil - clock.monotonic()) : 0;
    },
  };
}
