/** First wait after a failed attempt, milliseconds; doubles with every further one. */
const FIRST_MS = 1_000;
/** Longest wait: providers come back within minutes, and a job is not in a hurry. */
const LONGEST_MS = 5 * 60_000;

/**
 * How long a slice waits before its next attempt: exponential, with half of it jittered so that the slices of a job
 * do not come back at the same moment, and never earlier than the provider asked for.
 * @param attempts how many attempts have failed, at least 1
 * @param retryAfterSeconds what the answer asked for, when it did
 * @param chance uniform in [0, 1)
 * @returns milliseconds
 */
export function retryDelayMs(
  attempts: number,
  retryAfterSeconds: number | undefined,
  chance: number,
): number {
  const exponential = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(30, attempts - 1));
  return Math.round(Math.max((retryAfterSeconds ?? 0) * 1000, exponential * (0.5 + chance / 2)));
}
