import type { Random } from '../../../lib/random.ts';
import type { Clock } from '../../../lib/time.ts';
import { classifyUpstreamError } from '../rpc/classify.ts';
import type { AttemptRecord, Work } from '../rpc/engine.ts';
import type { AttemptResult } from './attempt.ts';
import type { Exclusion, Provider } from './provider.ts';
import type { ProviderPool } from './provider-pool.ts';

/** Share of calls that an excluded provider gets a copy of ... */
const SHARE = 0.1;
/** ... but at most one in this time, milliseconds: it is a look, not traffic. */
const AT_MOST_EVERY_MS = 500;
/** Exclusions that real calls can disprove. A wrong chain or a cordon is not a matter of health. */
const WORTH_PROBING: ReadonlySet<Exclusion> = new Set([
  'unhealthy',
  'unresponsive',
  'breaker-open',
  'unauthorized',
]);

export interface ShadowProbes {
  /** Maybe sends a copy of this call to a provider that is out. Nobody waits for the answer. */
  consider(work: Work): void;
}

/**
 * Copies of a few real calls for providers that are out: the head poller proves that a provider answers, only real
 * calls prove that it answers what clients ask.
 */
export function createShadowProbes(deps: {
  pool: ProviderPool;
  clock: Pick<Clock, 'monotonic'>;
  random: Pick<Random, 'float'>;
  onAttempt: (record: AttemptRecord) => void;
}): ShadowProbes {
  const { pool, clock, random } = deps;
  const probedAt = new WeakMap<Provider, number>();

  const learn = (provider: Provider, work: Work, result: AttemptResult, ms: number): string => {
    if (result.kind === 'result') {
      provider.breaker.onSuccess();
      provider.health.onSuccess(ms);
      return 'ok';
    }
    const kind =
      result.kind === 'error'
        ? classifyUpstreamError(work.method, result.code, result.message)
        : result.fault;
    if (kind === 'unauthorized') provider.health.onUnauthorized();
    else if (kind === 'rate-limited') provider.rateLimit.onRefused(result.retryAfterMs);
    else if (result.kind === 'fault' || kind === 'server' || kind === 'timeout') {
      provider.breaker.onFault();
      provider.health.onFault();
    } else {
      // A revert or a missing block is an answer: the provider works.
      provider.breaker.onSuccess();
      provider.health.onSuccess(ms);
    }
    return kind;
  };

  return {
    consider(work) {
      const ranking = pool.ranking();
      // Excluded providers are last; when the last one is well, so are all.
      if (ranking.at(-1)?.excluded === undefined || !work.spec.hedge || random.float() >= SHARE) return;
      const now = clock.monotonic();
      for (const { provider, excluded } of ranking) {
        if (excluded === undefined || !WORTH_PROBING.has(excluded) || !provider.supports(work.method))
          continue;
        if (now - (probedAt.get(provider) ?? Number.NEGATIVE_INFINITY) < AT_MOST_EVERY_MS) continue;
        if (provider.rateLimit.waitMs() > 0 || !provider.rateLimit.tryTake()) continue;
        probedAt.set(provider, now);
        const timeoutMs = Math.max(1, Math.min(provider.config.attemptTimeoutMs, work.deadlineAt - now));
        provider.send({ method: work.method, params: work.params, timeoutMs, alone: true }, (result) => {
          const ms = clock.monotonic() - now;
          const outcome = learn(provider, work, result, ms);
          const units = provider.unitsFor(work.method, work.spec.units);
          deps.onAttempt({ work, provider, reason: 'shadow', units, ms, outcome });
        });
        return;
      }
    },
  };
}
