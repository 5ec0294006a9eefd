import type { Timer } from '../../../lib/time.ts';
import { note } from '../explain/trace.ts';
import type { AttemptDone, AttemptResult, RunningAttempt } from '../providers/attempt.ts';
import type { QueueRefusal, Waiting } from '../providers/capacity-queue.ts';
import type { Provider } from '../providers/provider.ts';
import { classifyUpstreamError, normalisedCode, type UpstreamErrorKind } from './classify.ts';
import type { AttemptReason, EngineAnswer, EngineDeps, Work } from './engine.ts';
import { gatewayError, RPC_ERROR, retryAdvice } from './errors.ts';
import { failure, type RpcFailure, type RpcOutcome, success } from './outcome.ts';

/** Attempts per call, hedges included. A call that needs more meets a problem that more will not solve. */
const MAX_ATTEMPTS = 12;
/** Providers that are asked whether there is really nothing; some of them may be behind. */
const MAX_OPINIONS = 3;
/** Full jitter: a random share of base · 2^n, at most the cap. The cap bounds how late a recovery is noticed. */
const BACKOFF_BASE_MS = 25;
const BACKOFF_CAP_MS = 250;

/** What a waiting call holds beside its parameters, roughly. */
const QUEUED_CALL_BYTES = 2_000;

interface Fallback {
  readonly outcome: RpcOutcome;
  readonly kind: UpstreamErrorKind | undefined;
  readonly provider: string;
}

/**
 * One call on its way through providers. A class because there are thousands a second of it: methods are shared,
 * closures would not be. It has one timer at a time: for the hedge, the look at silent providers, or the deadline.
 */
export class CallRun {
  readonly #deps: EngineDeps;
  readonly #parked: Set<CallRun>;
  readonly #work: Work;
  #resolve!: (answer: EngineAnswer) => void;
  #settled = false;
  #attempts = 0;
  /** Providers in good standing that answered with nothing. */
  #empties = 0;
  #units = 0;
  #rounds = 0;
  #hedges = 0;
  #tried: Provider[] = [];
  readonly #running: Attempt[] = [];
  #timer: Timer | undefined;
  #waiting: Waiting | undefined;
  /** The best answer so far, used when nothing better comes. */
  #fallback: Fallback | undefined;
  /** Messages of providers that failed in words; the same words twice speak for the chain. */
  #serverErrors: string[] | undefined;

  constructor(deps: EngineDeps, parked: Set<CallRun>, work: Work) {
    this.#deps = deps;
    this.#parked = parked;
    this.#work = work;
  }

  start(): { answer: Promise<EngineAnswer>; cancel(): void } {
    const answer = new Promise<EngineAnswer>((resolve) => {
      this.#resolve = resolve;
    });
    const work = this.#work;
    this.#deps.retryBudget.onCall();
    if (work.spec.hedge) this.#deps.hedging.onCall();
    if (work.deadlineAt <= this.#now()) {
      const why = `${work.method}: the deadline had passed before the call began`;
      this.#settle(gatewayError(RPC_ERROR.timeout, why), 'timeout', undefined);
    } else {
      this.#launch('first');
      if (!this.#settled && this.#timer === undefined) this.#watch();
    }
    return {
      answer,
      cancel: () =>
        this.#settle(gatewayError(RPC_ERROR.timeout, 'the caller went away'), 'timeout', undefined),
    };
  }

  /** Ends a backoff early: a provider is back. */
  resume(): void {
    this.#parked.delete(this);
    if (this.#settled) return;
    this.#tried = [];
    this.#launch('retry');
    if (!this.#settled) this.#watch();
  }

  /** An attempt has its answer. */
  finished(attempt: Attempt, result: AttemptResult): void {
    this.#running.splice(this.#running.indexOf(attempt), 1);
    const ms = this.#now() - attempt.startedAt;
    if (result.kind === 'result') this.#onResult(attempt, result.result, ms);
    else if (result.kind === 'error') this.#onError(attempt, result, ms);
    else this.#onFault(attempt, result, ms);
    this.#deps.queue.poke();
  }

  #now(): number {
    return this.#deps.clock.monotonic();
  }

  #settle(outcome: RpcOutcome, errorKind: UpstreamErrorKind | undefined, provider: string | undefined): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#timer?.cancel();
    this.#parked.delete(this);
    this.#waiting?.leave();
    for (const attempt of this.#running) this.#abandon(attempt);
    this.#resolve({ outcome, errorKind, provider, attempts: this.#attempts, units: this.#units });
  }

  #giveUp(why: string): void {
    const fallback = this.#fallback;
    if (fallback !== undefined) this.#settle(fallback.outcome, fallback.kind, fallback.provider);
    else {
      const outcome = gatewayError(RPC_ERROR.noProvider, `no provider could answer: ${why}`, {
        retryAfterSeconds: 1,
      });
      this.#settle(outcome, undefined, undefined);
    }
  }

  #onDeadline(): void {
    const { method, trace } = this.#work;
    note(trace, this.#now(), 'deadline');
    if (this.#fallback?.outcome.ok) {
      this.#giveUp('deadline');
      return;
    }
    const tries = `${this.#attempts} attempt${this.#attempts === 1 ? '' : 's'}`;
    const last =
      this.#fallback === undefined || this.#fallback.outcome.ok
        ? ''
        : `, last error: ${this.#fallback.outcome.message}`;
    this.#settle(
      gatewayError(RPC_ERROR.timeout, `${method}: no answer before the deadline; ${tries}${last}`),
      'timeout',
      undefined,
    );
  }

  #launch(reason: AttemptReason): void {
    if (this.#settled) return;
    // A second try for comfort never takes a place that others wait for.
    if (reason === 'hedge' && this.#deps.queue.length() > 0) return;
    // Where others wait nobody overtakes them; retries had their turn.
    const waitMs = reason === 'first' && this.#deps.queue.length() > 0 ? 0 : this.#tryLaunch(reason);
    if (waitMs !== undefined) this.#enqueue(reason, waitMs);
  }

  #enqueue(reason: AttemptReason, waitMs: number): void {
    const work = this.#work;
    const refuse = (refusal: QueueRefusal): void => {
      note(work.trace, this.#now(), 'refused', undefined, refusal);
      this.#settle(overloaded(work.method, refusal), 'rate-limited', undefined);
    };
    const queued = this.#deps.queue.enqueue(
      {
        method: work.method,
        priority: work.priority,
        principal: work.principal,
        weight: work.weight,
        units: work.spec.units,
        bytes: work.params.length + QUEUED_CALL_BYTES,
        deadlineAt: work.deadlineAt,
        attempt: () => (this.#settled ? undefined : this.#tryLaunch(reason)),
        dismiss: refuse,
      },
      waitMs,
    );
    if ('reason' in queued) refuse(queued);
    else if (!this.#settled) {
      this.#waiting = queued;
      note(work.trace, this.#now(), 'queued', undefined, waitMs);
    }
  }

  /** Sends the call, or ends it; milliseconds until another try makes sense when nobody has room. */
  #tryLaunch(reason: AttemptReason): number | undefined {
    const { pool, retryBudget } = this.#deps;
    const work = this.#work;
    const pick = pool.pick({
      method: work.method,
      minBlock: work.minBlock,
      tried: this.#tried,
      desperate: reason === 'first' || reason === 'retry',
      // Where allowances are scarce a hedge would take the place of somebody's only call.
      spare: reason === 'hedge',
      priority: work.priority,
    });
    if (pick.kind === 'provider') {
      this.#send(pick.provider, reason);
      return undefined;
    }
    if (reason === 'hedge') return undefined;
    if (pick.kind === 'wait') {
      if (reason === 'verify') {
        this.#giveUp('others are at their limit');
        return undefined;
      }
      return pick.waitMs;
    }
    note(work.trace, this.#now(), 'no-provider', undefined, pick.reason);
    const all = pool.providers();
    if (all.length > 0 && all.every((provider) => !provider.supports(work.method))) {
      this.#settle(
        gatewayError(RPC_ERROR.methodNotFound, `no provider serves ${work.method}`),
        'method-not-found',
        undefined,
      );
    } else if (this.#attempts > 0 && this.#tried.length === 0) this.#giveUp(pick.reason);
    else if (this.#rounds < MAX_ATTEMPTS && retryBudget.take()) this.#backOff();
    else this.#giveUp(pick.reason);
    return undefined;
  }

  #send(provider: Provider, reason: AttemptReason): void {
    const work = this.#work;
    const startedAt = this.#now();
    this.#attempts++;
    this.#tried.push(provider);
    const units = provider.unitsFor(work.method, work.spec.units);
    this.#units += units;
    note(work.trace, startedAt, 'attempt', provider.id, reason);
    const attempt = new Attempt(this, provider, reason, units, startedAt);
    this.#running.push(attempt);
    attempt.sent = provider.send(
      {
        method: work.method,
        params: work.params,
        timeoutMs: Math.max(1, Math.min(provider.config.attemptTimeoutMs, work.deadlineAt - startedAt)),
        alone: work.spec.write === true,
      },
      attempt.done,
      work.priority,
    );
    this.#watch();
  }

  #abandon(attempt: Attempt): void {
    const { provider, reason, units } = attempt;
    attempt.over = true;
    attempt.sent?.cancel();
    provider.breaker.onNeutral();
    const ms = this.#now() - attempt.startedAt;
    if (reason === 'first') this.#deps.hedging.onCensored(this.#work.method, ms);
    this.#deps.onAttempt({ work: this.#work, provider, reason, units, ms, outcome: 'cancelled' });
  }

  /** Sets the timer for what comes next if no answer does. */
  #watch(): void {
    const work = this.#work;
    const left = work.deadlineAt - this.#now();
    const repeatable = work.spec.hedge || work.spec.write === true;
    let delay = left;
    if (this.#running.length > 0 && repeatable) {
      const hedgeIn = work.spec.hedge ? this.#deps.hedging.delay(work.method, this.#hedges) : undefined;
      delay = Math.min(left, hedgeIn ?? (this.#running[0] as Attempt).provider.stallCheckMs());
    }
    this.#timer?.cancel();
    this.#timer = this.#deps.clock.setTimeout(() => this.#onLate(), delay);
  }

  #onLate(): void {
    if (this.#settled) return;
    const work = this.#work;
    const { pool, hedging } = this.#deps;
    if (work.deadlineAt - this.#now() <= 0.5) {
      this.#onDeadline();
      return;
    }
    if (this.#running.length === 0 || this.#attempts >= MAX_ATTEMPTS) {
      this.#watch();
      return;
    }
    if (work.spec.hedge && hedging.delay(work.method, this.#hedges) !== undefined) {
      if (hedging.take()) {
        // With every provider asked already, the hedge goes to one of them again: a fresh draw beats a stuck one.
        if (!pool.hasOther({ method: work.method, minBlock: work.minBlock, tried: this.#tried }))
          this.#tried = [];
        this.#hedges++;
        this.#launch('hedge');
        this.#watch();
        return;
      }
      note(work.trace, this.#now(), 'hedge-budget-empty');
      this.#hedges = Number.POSITIVE_INFINITY;
    }
    this.#leaveTheSilent();
    if (!this.#settled) this.#watch();
  }

  /** Asks somebody else when all providers that were asked have gone silent; does not wait for their timeouts. */
  #leaveTheSilent(): void {
    const { pool, retryBudget } = this.#deps;
    const work = this.#work;
    if (!this.#running.every(({ provider }) => provider.stalled())) return;
    if (!pool.hasOther({ method: work.method, minBlock: work.minBlock, tried: this.#tried })) return;
    if (!retryBudget.take()) return;
    note(work.trace, this.#now(), 'silent', this.#running.map(({ provider }) => provider.id).join(' '));
    pool.invalidate();
    this.#launch('retry');
  }

  /** Waits with full jitter, or until a provider is back, and starts the next round. */
  #backOff(): void {
    const { clock, random } = this.#deps;
    const waitMs = random.float() * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** this.#rounds);
    this.#rounds++;
    note(this.#work.trace, this.#now(), 'backoff', undefined, waitMs);
    this.#parked.add(this);
    this.#timer?.cancel();
    const left = this.#work.deadlineAt - this.#now();
    this.#timer =
      waitMs < left
        ? clock.setTimeout(() => this.resume(), waitMs)
        : clock.setTimeout(() => this.#onLate(), left);
  }

  #retryElsewhere(reason: 'retry' | 'verify'): void {
    if (this.#settled || this.#running.length > 0) return;
    const { pool, retryBudget } = this.#deps;
    const { method, minBlock, trace } = this.#work;
    if (this.#attempts >= MAX_ATTEMPTS) {
      this.#giveUp(`${this.#attempts} attempts failed`);
    } else if (!retryBudget.take()) {
      note(trace, this.#now(), 'retry-budget-empty');
      this.#giveUp('the retry budget is used up');
    } else if (pool.hasOther({ method, minBlock, tried: this.#tried })) this.#launch(reason);
    else if (reason === 'verify') this.#giveUp('nobody else to ask');
    else if (pool.hasAny({ method, tried: this.#tried })) this.#launch(reason);
    else this.#backOff();
  }

  #report(attempt: Attempt, ms: number, outcome: string): void {
    const { provider, reason, units } = attempt;
    this.#deps.onAttempt({ work: this.#work, provider, reason, units, ms, outcome });
  }

  #onResult(attempt: Attempt, result: string, ms: number): void {
    const { provider, reason } = attempt;
    const work = this.#work;
    provider.breaker.onSuccess();
    provider.health.onSuccess(ms);
    provider.rateLimit.onAccepted();
    if (reason === 'first') this.#deps.hedging.onLatency(work.method, ms);
    const verdict = work.judgeEmpty === undefined ? 'fine' : work.judgeEmpty(result);
    if (verdict === 'fine') {
      this.#report(attempt, ms, 'ok');
      note(work.trace, this.#now(), 'answer', provider.id, ms);
      this.#settle(success(result), undefined, provider.id);
      return;
    }
    this.#report(attempt, ms, 'empty');
    note(work.trace, this.#now(), 'empty', provider.id, ms);
    this.#fallback = { outcome: success(result), kind: undefined, provider: provider.id };
    // Who is behind or on a fork may honestly not have it: that is no second opinion.
    if (!provider.lagging && !provider.forked) this.#empties++;
    if (verdict === 'doubtful' && (this.#empties >= 2 || this.#attempts > MAX_OPINIONS))
      this.#giveUp('two providers agree that there is nothing');
    else this.#retryElsewhere('verify');
  }

  #onError(attempt: Attempt, result: Extract<AttemptResult, { kind: 'error' }>, ms: number): void {
    const { provider } = attempt;
    const { method, minBlock, trace } = this.#work;
    const kind = classifyUpstreamError(method, result.code, result.message);
    this.#report(attempt, ms, kind);
    note(trace, this.#now(), 'error', provider.id, { kind, code: result.code, message: result.message, ms });
    const code = normalisedCode(kind, result.code);
    const outcome = failure(code, result.message, retryAdvice(code), { data: result.data });
    const keepAsFallback = (): void => {
      if (this.#fallback?.outcome.ok !== true) this.#fallback = { outcome, kind, provider: provider.id };
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
        this.#settle(outcome, kind, provider.id);
        return;
      case 'rate-limited':
        provider.breaker.onNeutral();
        provider.rateLimit.onRefused(result.retryAfterMs);
        break;
      case 'method-not-found':
        provider.breaker.onSuccess();
        provider.rateLimit.onAccepted();
        provider.markUnsupported(method);
        if (this.#deps.pool.providers().every((other) => !other.supports(method))) {
          this.#settle(outcome, kind, provider.id);
          return;
        }
        break;
      case 'missing-data':
        provider.breaker.onSuccess();
        provider.rateLimit.onAccepted();
        keepAsFallback();
        // The block exists as far as we know: whoever lacks it may have it in a moment.
        this.#retryElsewhere(minBlock === undefined ? 'verify' : 'retry');
        return;
      case 'unauthorized':
        provider.health.onUnauthorized();
        provider.breaker.onNeutral();
        this.#deps.pool.invalidate();
        break;
      case 'timeout':
      case 'server':
        // Two providers that say the same in the same words speak for the chain, not for themselves.
        if (kind === 'server' && this.#serverErrors?.includes(result.message) === true) {
          this.#settle(outcome, kind, provider.id);
          return;
        }
        this.#serverErrors = [...(this.#serverErrors ?? []), result.message];
        provider.breaker.onFault();
        provider.health.onFault();
    }
    keepAsFallback();
    this.#retryElsewhere('retry');
  }

  #onFault(attempt: Attempt, result: Extract<AttemptResult, { kind: 'fault' }>, ms: number): void {
    const { provider } = attempt;
    this.#report(attempt, ms, result.fault);
    note(this.#work.trace, this.#now(), 'fault', provider.id, {
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
      this.#deps.pool.invalidate();
    } else if (result.fault !== 'aborted') {
      provider.breaker.onFault();
      provider.health.onFault();
      if (result.retryAfterMs !== undefined) provider.rateLimit.onRefused(result.retryAfterMs);
    }
    if (this.#fallback === undefined) {
      const limited = result.fault === 'rate-limited';
      const outcome = gatewayError(
        limited ? RPC_ERROR.limitExceeded : RPC_ERROR.noProvider,
        `no provider could answer; last: ${provider.id} ${result.message}`,
        { retryAfterSeconds: Math.max(1, Math.ceil((result.retryAfterMs ?? 1_000) / 1_000)) },
      );
      this.#fallback = { outcome, kind: limited ? 'rate-limited' : undefined, provider: provider.id };
    }
    this.#retryElsewhere('retry');
  }
}

/** In words a client can act on, and in `data` what its code can. */
function overloaded(method: string, { reason, waitMs, retryAfterSeconds }: QueueRefusal): RpcFailure {
  const wait = Number.isFinite(waitMs) ? `about ${waitMs} ms` : 'longer than can be told';
  const why = {
    deadline: `${method} would wait ${wait}, which is beyond its deadline`,
    wait: `${method} would wait ${wait}, which is longer than calls are kept waiting`,
    full: 'the queue is full',
    shed: 'its place in the queue was needed for more urgent calls or quieter clients',
  }[reason];
  return gatewayError(
    RPC_ERROR.limitExceeded,
    `providers have no room: ${why}; try again in ${retryAfterSeconds} s`,
    {
      retryAfterSeconds,
      data: JSON.stringify({
        reason: `queue_${reason}`,
        waitMs: Number.isFinite(waitMs) ? waitMs : null,
        retryAfterSeconds,
      }),
    },
  );
}

/** One attempt of a run at one provider. */
class Attempt {
  readonly provider: Provider;
  readonly reason: AttemptReason;
  readonly units: number;
  readonly startedAt: number;
  readonly done: AttemptDone;
  sent: RunningAttempt | undefined;
  /** Nobody waits for it any more. */
  over = false;

  constructor(run: CallRun, provider: Provider, reason: AttemptReason, units: number, startedAt: number) {
    this.provider = provider;
    this.reason = reason;
    this.units = units;
    this.startedAt = startedAt;
    this.done = (result) => {
      if (this.over) return;
      this.over = true;
      run.finished(this, result);
    };
  }
}
