import type { Random } from '../../../lib/random.ts';
import type { Clock } from '../../../lib/time.ts';
import type { CallTrace } from '../explain/trace.ts';
import type { ExtraCallBudget } from '../providers/budget.ts';
import type { CapacityQueue } from '../providers/capacity-queue.ts';
import type { Provider } from '../providers/provider.ts';
import type { ProviderPool } from '../providers/provider-pool.ts';
import { createShadowProbes } from '../providers/shadow-probes.ts';
import { CallRun } from './call-run.ts';
import type { UpstreamErrorKind } from './classify.ts';
import type { RpcPriority } from './ethereum-rpc.ts';
import type { HedgePolicy } from './hedge-policy.ts';
import type { MethodSpec } from './methods.ts';
import type { RpcOutcome } from './outcome.ts';

export type AttemptReason = 'first' | 'retry' | 'hedge' | 'verify' | 'shadow';

/** A call that has to go upstream. `deadlineAt` may move later while it runs: a later caller with more time joined. */
export interface Work {
  readonly method: string;
  readonly spec: MethodSpec;
  /** JSON text. */
  readonly params: string;
  /** The provider should have this block. */
  readonly minBlock: number | undefined;
  /** Monotonic milliseconds. */
  deadlineAt: number;
  readonly priority: RpcPriority;
  readonly principal: string;
  /** Share of a contended queue relative to other principals. */
  readonly weight: number;
  readonly trace: CallTrace | undefined;
  /**
   * What an empty result means: `wrong` when the data certainly exists, so that everybody is asked until somebody has
   * it; `doubtful` when one more opinion is enough; `fine` otherwise.
   */
  readonly judgeEmpty: ((result: string) => 'fine' | 'doubtful' | 'wrong') | undefined;
}

export interface EngineAnswer {
  readonly outcome: RpcOutcome;
  /** What kind of error the provider gave, for those who handle some of them (writes, log splitting). */
  readonly errorKind: UpstreamErrorKind | undefined;
  readonly provider: string | undefined;
  readonly attempts: number;
  readonly units: number;
}

export interface AttemptRecord {
  readonly work: Work;
  readonly provider: Provider;
  readonly reason: AttemptReason;
  readonly units: number;
  readonly ms: number;
  /** `ok`, `empty`, an upstream error kind or a transport fault. */
  readonly outcome: string;
}

export interface EngineDeps {
  readonly pool: ProviderPool;
  readonly clock: Clock;
  readonly random: Random;
  readonly retryBudget: ExtraCallBudget;
  readonly hedging: HedgePolicy;
  readonly queue: CapacityQueue;
  readonly onAttempt: (record: AttemptRecord) => void;
}

export interface Engine {
  /** Never rejects: every failure is an outcome. */
  run(work: Work): { answer: Promise<EngineAnswer>; cancel(): void };
  /** A provider came back: calls that wait to retry go now. */
  wake(): void;
}

/** Brings calls to providers: selection, retries within deadline and budget, hedging, and giving up. */
export function createEngine(deps: EngineDeps): Engine {
  const parked = new Set<CallRun>();
  const shadow = createShadowProbes(deps);
  return {
    run(work) {
      const started = new CallRun(deps, parked, work).start();
      shadow.consider(work);
      return started;
    },
    wake() {
      for (const run of [...parked]) run.resume();
    },
  };
}
