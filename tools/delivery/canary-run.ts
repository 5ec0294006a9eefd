import type { Clock } from '../../lib/time.ts';
import { type Comparison, judgeCanary } from './canary-judge.ts';

/** What is done to the release; each waits until the cluster has done it, and rejects when it cannot. */
export interface CanaryRelease {
  /** Runs the new version on this share of the work, percent. */
  setWeight(percent: number): Promise<void>;
  /** Makes the new version the only one. */
  promote(): Promise<void>;
  /** Takes the new version away. */
  rollBack(): Promise<void>;
}

export interface CanaryPlan {
  /** Shares of the work in percent, rising. */
  readonly steps: readonly number[];
  /** How long each share is watched, seconds. */
  readonly stepSeconds: number;
  /** How often it is looked at, seconds. */
  readonly everySeconds: number;
  /** A step with too few events is watched longer, up to so many seconds in all. */
  readonly patienceSeconds: number;
  readonly enough: number;
}

export type CanaryOutcome =
  | { readonly result: 'promoted' }
  | { readonly result: 'rolled-back'; readonly reason: string };

/** So many failed looks in a row, and we are blind: nobody may promote blindly. */
const BLIND_AFTER = 3;

/**
 * Walks the steps. Promotes only after every one of them was judged good; whatever else happens – a bad judgement, too
 * little traffic to judge, Prometheus away, a failed upgrade, an interruption – ends with the old version alone.
 * @throws Error when even the way back failed; then a person must look
 */
export async function runCanary(deps: {
  plan: CanaryPlan;
  release: CanaryRelease;
  /** Both tracks over the last `seconds`. */
  compare: (seconds: number) => Promise<readonly Comparison[]>;
  clock: Pick<Clock, 'monotonic' | 'sleep'>;
  say: (line: string) => void;
  signal?: AbortSignal;
}): Promise<CanaryOutcome> {
  const { plan, release, clock, say, signal } = deps;
  const back = async (reason: string): Promise<CanaryOutcome> => {
    say(`rolling back: ${reason}`);
    try {
      await release.rollBack();
    } catch (cause) {
      throw new Error(
        `the canary is ${reason}, and taking it away failed as well: ${(cause as Error).message}`,
        { cause },
      );
    }
    say('the old version has everything again');
    return { result: 'rolled-back', reason };
  };
  try {
    for (const percent of plan.steps) {
      say(`${percent} % to the new version`);
      await release.setWeight(percent);
      const reason = await watch(percent);
      if (reason !== undefined) return await back(reason);
    }
    signal?.throwIfAborted();
    say('promoting');
    await release.promote();
    say('the new version has everything');
    return { result: 'promoted' };
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('the canary is ')) throw error;
    return await back(signal?.aborted ? 'interrupted' : `stopped by an error: ${(error as Error).message}`);
  }

  /** Why the step is not good; undefined when it is. */
  async function watch(percent: number): Promise<string | undefined> {
    const from = clock.monotonic();
    let failures = 0;
    for (;;) {
      await clock.sleep(plan.everySeconds * 1000, signal);
      const seconds = (clock.monotonic() - from) / 1000;
      let comparisons: readonly Comparison[];
      try {
        comparisons = await deps.compare(seconds);
        failures = 0;
      } catch (error) {
        failures++;
        say(`cannot see (${failures} of ${BLIND_AFTER}): ${(error as Error).message}`);
        if (failures >= BLIND_AFTER) return `not to be seen: ${(error as Error).message}`;
        continue;
      }
      const { verdict, reasons } = judgeCanary(comparisons, plan);
      say(`${Math.round(seconds)} s at ${percent} %: ${verdict}; ${reasons.join('; ')}`);
      if (verdict === 'bad') return reasons.filter((line) => line.includes('worse')).join('; ');
      if (seconds < plan.stepSeconds) continue;
      if (verdict === 'good') return undefined;
      if (seconds >= plan.patienceSeconds)
        return `not proven: fewer than ${plan.enough} events in ${Math.round(seconds)} s at ${percent} %`;
    }
  }
}
