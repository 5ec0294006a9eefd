import type { Random } from '../../../lib/random.ts';
import type { Clock, Timer } from '../../../lib/time.ts';
import { type CallTrace, note } from '../explain/trace.ts';
import type { AttemptResult, RunningAttempt } from '../providers/attempt.ts';
import type { ExtraCallBudget } from '../providers/budget.ts';
import type { CapacityQueue } from '../providers/capacity-queue.ts';
import { type Provider, STALL_MS } from '../providers/provider.ts';
import type { ProviderPool } from '../providers/provider-pool.ts';
import { classifyUpstreamError, normalisedCode, type UpstreamErrorKind } from './classify.ts';
import { gatewayError, RPC_ERROR, retryAdvice } from './errors.ts';
import type { RpcPriority } from './ethereum-rpc.ts';
import type { HedgePolicy } from './hedge-policy.ts';
import type { MethodSpec } from './methods.ts';
import { failure, type RpcOutcome, success } from './outcome.ts';

export type AttemptReason = 'first' | 'retry' | 'hedge' | 'verify';

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

/** Attempts per call, hedges included. A call that needs more meets a problem that more will not solve. */
const MAX_ATTEMPTS = 12;
/** Full jitter: a random share of base · 2^n, at most the cap. The cap bounds how late a recovery is noticed. */
const BACKOFF_BASE_MS = 25;
const BACKOFF_CAP_MS = 250;

export function createEngine(deps: EngineDeps): Engine {
  const { pool, clock, random, retryBudget, hedging, queue, onAttempt } = deps;
  const parked = new Set<() => void>();

  function run(work: Work): { answer: Promise<EngineAnswer>; cancel(): void } {
    let resolve!: (answer: EngineAnswer) => void;
    const answer = new Promise<EngineAnswer>((r) => {
      resolve = r;
    });
    let settled = false;
    let attempts = 0;
    let units = 0;
    let rounds = 0;
    let hedges = 0;
    let tried: Provider[] = [];
    const running = new Map<RunningAttempt, Provider>();
    let lateTimer: Timer | undefined;
    let deadlineTimer: Timer | undefined;
    let unpark: (() => void) | undefined;
    /** The best answer so far, used when nothing better comes. */
    let fallback: { outcome: RpcOutcome; kind: UpstreamErrorKind | undefined; provider: string } | undefined;
    const serverErrors = new Map<string, number>();

    const settle = (
      outcome: RpcOutcome,
      kind: UpstreamErrorKind | undefined,
      provider: string | undefined,
    ): void => {
      if (settled) return;
      settled = true;
      lateTimer?.cancel();
      deadlineTimer?.cancel();
      unpark?.();
      for (const attempt of running.keys()) attempt.cancel();
      resolve({ outcome, errorKind: kind, provider, attempts, units });
    };
    const giveUp = (why: string): void => {
      if (fallback !== undefined) settle(fallback.outcome, fallback.kind, fallback.provider);
      else
        settle(
          gatewayError(RPC_ERROR.noProvider, `no provider could answer: ${why}`, { retryAfterSeconds: 1 }),
          undefined,
          undefined,
        );
    };

    const armDeadline = (): void => {
      const left = work.deadlineAt - clock.monotonic();
      deadlineTimer = clock.setTimeout(() => {
        if (work.deadlineAt - clock.monotonic() > 1) {
          armDeadline();
          return;
        }
        note(work.trace, clock.monotonic(), 'deadline');
        if (fallback?.outcome.ok) giveUp('deadline');
        else
          settle(
            gatewayError(
              RPC_ERROR.timeout,
              `${work.method}: no answer before the deadline; ${attempts} attempt${attempts === 1 ? '' : 's'}${fallback === undefined ? '' : `, last error: ${(fallback.outcome as { message?: string }).message}`}`,
            ),
            'timeout',
            undefined,
          );
      }, left);
    };

    /** Waits with full jitter, or until a provider is back, and starts the next round. */
    const backOff = (): void => {
      const ceiling = Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** rounds);
      const waitMs = random.float() * ceiling;
      rounds++;
      note(work.trace, clock.monotonic(), 'backoff', { waitMs });
      const again = (): void => {
        unpark?.();
        if (settled) return;
        tried = [];
        launch('retry');
      };
      const timer = clock.setTimeout(again, waitMs);
      parked.add(again);
      unpark = () => {
        timer.cancel();
        parked.delete(again);
        unpark = undefined;
      };
    };

    const retryElsewhere = (reason: AttemptReason): void => {
      if (settled || running.size > 0) return;
      if (attempts >= MAX_ATTEMPTS) {
        giveUp(`${attempts} attempts failed`);
        return;
      }
      if (!retryBudget.take()) {
        note(work.trace, clock.monotonic(), 'retry-budget-empty');
        giveUp('the retry budget is used up');
        return;
      }
      if (pool.hasOther({ method: work.method, minBlock: work.minBlock, tried })) launch(reason);
      else if (reason === 'verify') giveUp('nobody else to ask');
      else if (pool.hasAny({ method: work.method, tried })) launch(reason);
      else backOff();
    };

    const launch = (reason: AttemptReason): void => {
      if (settled) return;
      const pick = pool.pick({
        method: work.method,
        minBlock: work.minBlock,
        tried,
        desperate: reason === 'first' || reason === 'retry',
      });
      if (pick.kind === 'provider') {
        send(pick.provider, reason);
        return;
      }
      if (reason === 'hedge') return;
      if (pick.kind === 'wait') {
        if (reason === 'verify') {
          giveUp('others are at their limit');
          return;
        }
        const refusal = queue.enqueue({
          work,
          waitMs: pick.waitMs,
          ready: () => launch(reason),
          cancelled: () => settled,
        });
        if (refusal !== undefined) {
          note(work.trace, clock.monotonic(), 'refused', refusal);
          settle(
            gatewayError(
              RPC_ERROR.limitExceeded,
              `providers are at their rate limit; try again in ${refusal.retryAfterSeconds} s`,
              refusal,
            ),
            'rate-limited',
            undefined,
          );
        } else note(work.trace, clock.monotonic(), 'queued', { waitMs: pick.waitMs });
        return;
      }
      note(work.trace, clock.monotonic(), 'no-provider', { reason: pick.reason });
      const unsupported =
        pool.providers().length > 0 && pool.providers().every((provider) => !provider.supports(work.method));
      if (unsupported) {
        settle(
          gatewayError(RPC_ERROR.methodNotFound, `no provider serves ${work.method}`),
          'method-not-found',
          undefined,
        );
      } else if (attempts > 0 && tried.length === 0) giveUp(pick.reason);
      else if (rounds < MAX_ATTEMPTS && retryBudget.take()) backOff();
      else giveUp(pick.reason);
    };

    const send = (provider: Provider, reason: AttemptReason): void => {
      attempts++;
      tried.push(provider);
      const cost = provider.unitsFor(work.method, work.spec.units);
      units += cost;
      const startedAt = clock.monotonic();
      const timeoutMs = Math.max(1, Math.min(provider.config.attemptTimeoutMs, work.deadlineAt - startedAt));
      note(work.trace, startedAt, 'attempt', { provider: provider.id, reason });
      let finished = false;
      const attempt: RunningAttempt = {
        cancel() {
          if (finished) return;
          finished = true;
          sent.cancel();
          provider.breaker.onNeutral();
          const ms = clock.monotonic() - startedAt;
          if (reason === 'first') hedging.onCensored(work.method, ms);
          onAttempt({ work, provider, reason, units: cost, ms, outcome: 'cancelled' });
        },
      };
      running.set(attempt, provider);
      const sent = provider.send(
        { method: work.method, params: work.params, timeoutMs, alone: work.spec.write === true },
        (result) => {
          if (finished) return;
          finished = true;
          running.delete(attempt);
          onResult(provider, reason, result, cost, clock.monotonic() - startedAt);
        },
      );
      if (work.spec.hedge || work.spec.write === true) watch();
    };

    /** Watches over a call that is late: first by hedging, then by looking whether its providers still answer at all. */
    const watch = (): void => {
      lateTimer?.cancel();
      const hedgeIn = work.spec.hedge ? hedging.delay(work.method, hedges) : undefined;
      const delay = hedgeIn ?? STALL_MS;
      if (delay >= work.deadlineAt - clock.monotonic()) return;
      lateTimer = clock.setTimeout(() => {
        if (settled || attempts >= MAX_ATTEMPTS || running.size === 0) return;
        if (hedgeIn !== undefined && hedging.take()) {
          // With every provider asked already, the hedge goes to one of them again: a fresh draw beats a stuck one.
          if (!pool.hasOther({ method: work.method, minBlock: work.minBlock, tried })) tried = [];
          hedges++;
          launch('hedge');
          return;
        }
        if (hedgeIn !== undefined) {
          note(work.trace, clock.monotonic(), 'hedge-budget-empty');
          hedges = Number.POSITIVE_INFINITY;
        }
        leaveTheSilent();
      }, delay);
    };

    /** Asks somebody else when all providers that were asked have gone silent; does not wait for their timeouts. */
    const leaveTheSilent = (): void => {
      const asked = [...running.values()];
      const other = pool.hasOther({ method: work.method, minBlock: work.minBlock, tried });
      if (other && asked.every((provider) => provider.stalled()) && retryBudget.take()) {
        note(work.trace, clock.monotonic(), 'silent', { providers: asked.map(({ id }) => id) });
        pool.invalidate();
        launch('retry');
      } else watch();
    };

    const onResult = (
      provider: Provider,
      reason: AttemptReason,
      result: AttemptResult,
      cost: number,
      ms: number,
    ): void => {
      if (result.kind === 'result') {
        provider.breaker.onSuccess();
        provider.health.onSuccess(ms);
        provider.rateLimit.onAccepted();
        if (reason === 'first') hedging.onLatency(work.method, ms);
        const verdict = work.judgeEmpty?.(result.result) ?? 'fine';
        const empty = verdict !== 'fine';
        onAttempt({ work, provider, reason, units: cost, ms, outcome: empty ? 'empty' : 'ok' });
        note(work.trace, clock.monotonic(), 'answer', { provider: provider.id, ms, empty });
        if (!empty) {
          settle(success(result.result), undefined, provider.id);
          return;
        }
        const agreed = fallback?.outcome.ok === true;
        fallback = { outcome: success(result.result), kind: undefined, provider: provider.id };
        if (verdict === 'doubtful' && (agreed || attempts > 2)) {
          giveUp('two providers agree that there is nothing');
          return;
        }
        retryElsewhere('verify');
        return;
      }
      if (result.kind === 'fault') {
        onFault(provider, reason, result, cost, ms);
        return;
      }
      const kind = classifyUpstreamError(work.method, result.code, result.message);
      onAttempt({ work, provider, reason, units: cost, ms, outcome: kind });
      note(work.trace, clock.monotonic(), 'error', {
        provider: provider.id,
        kind,
        code: result.code,
        message: result.message,
        ms,
      });
      const outcome = failure(
        normalisedCode(kind, result.code),
        result.message,
        retryAdvice(normalisedCode(kind, result.code)),
        { data: result.data },
      );
      const remember = (): void => {
        if (fallback?.outcome.ok !== true) fallback = { outcome, kind, provider: provider.id };
      };
      switch (kind) {
        case 'revert':
        case 'invalid-params':
        case 'transaction-rejected':
        case 'already-known':
        case 'nonce-too-low':
        case 'range-too-large':
          provider.breaker.onSuccess();
          provider.health.onSuccess(ms);
          provider.rateLimit.onAccepted();
          settle(outcome, kind, provider.id);
          return;
        case 'rate-limited':
          provider.breaker.onNeutral();
          provider.rateLimit.onRefused(result.retryAfterMs);
          remember();
          retryElsewhere('retry');
          return;
        case 'method-not-found':
          provider.breaker.onSuccess();
          provider.rateLimit.onAccepted();
          provider.markUnsupported(work.method);
          remember();
          if (pool.providers().every((other) => !other.supports(work.method))) {
            settle(outcome, kind, provider.id);
            return;
          }
          retryElsewhere('retry');
          return;
        case 'missing-data':
          provider.breaker.onSuccess();
          provider.rateLimit.onAccepted();
          remember();
          // The block exists as far as we know: whoever lacks it may have it in a moment.
          retryElsewhere(work.minBlock === undefined ? 'verify' : 'retry');
          return;
        case 'unauthorized':
          provider.health.onUnauthorized();
          provider.breaker.onNeutral();
          pool.invalidate();
          remember();
          retryElsewhere('retry');
          return;
        case 'timeout':
        case 'server': {
          const seen = (serverErrors.get(result.message) ?? 0) + 1;
          serverErrors.set(result.message, seen);
          // Two providers that say the same in the same words speak for the chain, not for themselves.
          if (seen >= 2 && kind === 'server') {
            settle(outcome, kind, provider.id);
            return;
          }
          provider.breaker.onFault();
          provider.health.onFault();
          remember();
          retryElsewhere('retry');
          return;
        }
      }
    };

    const onFault = (
      provider: Provider,
      reason: AttemptReason,
      result: Extract<AttemptResult, { kind: 'fault' }>,
      cost: number,
      ms: number,
    ): void => {
      onAttempt({ work, provider, reason, units: cost, ms, outcome: result.fault });
      note(work.trace, clock.monotonic(), 'fault', {
        provider: provider.id,
        fault: result.fault,
        message: result.message,
        ms,
      });
      if (result.fault === 'rate-limited') {
        provider.breaker.onNeutral();
        provider.rateLimit.onRefused(result.retryAfterMs);
      } else if (result.fault === 'unauthorized') {
        provider.health.onUnauthorized();
        provider.breaker.onNeutral();
        pool.invalidate();
      } else if (result.fault !== 'aborted') {
        provider.breaker.onFault();
        provider.health.onFault();
        if (result.retryAfterMs !== undefined) provider.rateLimit.onRefused(result.retryAfterMs);
      }
      if (fallback === undefined) {
        const code = result.fault === 'rate-limited' ? RPC_ERROR.limitExceeded : RPC_ERROR.noProvider;
        const retryAfterSeconds = Math.max(1, Math.ceil((result.retryAfterMs ?? 1_000) / 1_000));
        fallback = {
          outcome: gatewayError(code, `no provider could answer; last: ${provider.id} ${result.message}`, {
            retryAfterSeconds,
          }),
          kind: result.fault === 'rate-limited' ? 'rate-limited' : undefined,
          provider: provider.id,
        };
      }
      retryElsewhere('retry');
    };

    retryBudget.onCall();
    if (work.spec.hedge) hedging.onCall();
    if (work.deadlineAt <= clock.monotonic()) {
      settle(
        gatewayError(RPC_ERROR.timeout, `${work.method}: the deadline had passed before the call began`),
        'timeout',
        undefined,
      );
    } else {
      armDeadline();
      launch('first');
    }
    return {
      answer,
      cancel: () => settle(gatewayError(RPC_ERROR.timeout, 'the caller went away'), 'timeout', undefined),
    };
  }

  return {
    run,
    wake() {
      for (const again of [...parked]) again();
    },
  };
}
