const PAUSE_MS = 25;

/**
 * Repeats `attempt` until it neither throws nor answers `false`, and answers what it answered. For what
 * happens in its own time: no fixed pause is long enough, and every one is too long.
 * @param timeoutMs after which the last failure is thrown as it is, so that the test names what never came true
 */
export async function eventually<T>(
  attempt: () => T | Promise<T>,
  { timeoutMs = 10_000, what }: { timeoutMs?: number; what?: string } = {},
): Promise<Exclude<T, false>> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    let failure: unknown;
    try {
      const answer = await attempt();
      // An attempt made of expectations answers nothing when all of them hold.
      if (answer !== false) return answer as Exclude<T, false>;
      failure = new Error(`${what ?? String(attempt)} did not come true within ${timeoutMs} ms`);
    } catch (error) {
      failure = error;
    }
    if (Date.now() > end) throw failure;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
