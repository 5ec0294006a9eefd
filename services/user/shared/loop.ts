import type { Logger } from '../../../lib/log.ts';
import type { Clock } from '../../../lib/time.ts';

const MAX_BACKOFF_MS = 10_000;

/**
 * Runs `work` again and again: at once while it answers true (there is more), every `everyMs` otherwise, with growing
 * pauses while it fails. It never ends by itself.
 *
 * @returns how to stop: resolves when the pass under way has ended.
 */
export function startLoop(options: {
  name: string;
  everyMs: number;
  work: (signal: AbortSignal) => Promise<boolean | undefined>;
  clock: Clock;
  random: { float(): number };
  log: Logger;
  onFailure: () => void;
}): () => Promise<void> {
  const { name, everyMs, work, clock, random, log, onFailure } = options;
  const stop = new AbortController();
  const run = async (): Promise<void> => {
    let failures = 0;
    while (!stop.signal.aborted) {
      let pause = everyMs;
      try {
        const more = await work(stop.signal);
        if (failures > 0) log.info({ loop: name, failures }, 'the loop works again');
        failures = 0;
        if (more === true) pause = 0;
      } catch (error) {
        if (stop.signal.aborted) return;
        failures++;
        onFailure();
        if (failures === 1 || failures % 50 === 0)
          log.warn({ err: error, loop: name, failures }, 'a loop failed; trying again');
        pause = Math.min(MAX_BACKOFF_MS, Math.max(everyMs, 100 * 2 ** Math.min(failures, 8)));
      }
      // Replicas that started together drift apart.
      if (pause > 0)
        await clock.sleep(pause * (0.9 + random.float() / 5), stop.signal).catch(() => undefined);
    }
  };
  const done = run();
  return async () => {
    stop.abort(new Error(`${name} was stopped`));
    await done;
  };
}
