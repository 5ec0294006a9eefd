import type { Clock } from '../../../lib/time.ts';
import type { RpcPriority } from '../rpc/ethereum-rpc.ts';
import type { Provider } from './provider.ts';
import { isAbsolute, isSoft, type RankedProvider, rankProviders } from './ranking.ts';

/** The ranking is recomputed this often, and whenever a breaker changes; not for every call. */
const RANK_EVERY_MS = 100;
/** A provider with less of its allowance left than this hands calls on to others that have more. */
const COMFORTABLE_REMAINING = 0.3;
/** A provider with its most calls under way is looked at again after this long. */
const BUSY_RECHECK_MS = 2;
/** Calls forced through a provider that is out, at the same time: enough to notice that it is back. */
const MAX_FORCED_IN_FLIGHT = 64;

export type Pick =
  | { readonly kind: 'provider'; readonly provider: Provider }
  /** Every provider that could serve is at its rate limit. */
  | { readonly kind: 'wait'; readonly waitMs: number }
  | { readonly kind: 'none'; readonly reason: string };

export interface PickRequest {
  readonly method: string;
  /** The provider must have this block, as far as is known. */
  readonly minBlock: number | undefined;
  /** Already asked for this call. */
  readonly tried: readonly Provider[];
  /** Providers that are out may be asked when nobody else is left. */
  readonly desperate: boolean;
  readonly priority: RpcPriority;
  /** Only providers with plenty of their allowance left: for calls that are worth something, but not another call. */
  readonly spare?: boolean;
}

export interface ProviderPool {
  readonly chainId: number;
  providers(): readonly Provider[];
  ranking(): readonly RankedProvider[];
  pick(request: PickRequest): Pick;
  /** True when `pick` would find a provider outside `tried` that is in good standing. */
  hasOther(request: Pick_<PickRequest, 'method' | 'minBlock' | 'tried'>): boolean;
  /** True when `pick` with `desperate` would find anybody outside `tried` who can serve the method. */
  hasAny(request: Pick_<PickRequest, 'method' | 'tried'>): boolean;
  /** Something changed; rank again before the next pick. */
  invalidate(): void;
  replace(providers: readonly Provider[]): void;
  /** Calls per second that the usable providers take together, by their rate limits and by what they do at once. */
  totalRate(): number;
  /** True when a usable provider's rate limit, declared or learned, bounds how much passes. */
  rationed(): boolean;
  /** Middle answer time of the quickest usable provider, milliseconds; 0 when nothing is known. */
  typicalMs(): number;
}
type Pick_<T, K extends keyof T> = { readonly [P in K]: T[P] };

export function createProviderPool(deps: {
  chainId: number;
  clock: Pick_<Clock, 'monotonic'>;
  providers: readonly Provider[];
}): ProviderPool {
  const { chainId, clock } = deps;
  let providers = deps.providers;
  let ranked: RankedProvider[] = [];
  let rankedAt = Number.NEGATIVE_INFINITY;
  let primary: string | undefined;

  const ranking = (): readonly RankedProvider[] => {
    const now = clock.monotonic();
    if (now - rankedAt < RANK_EVERY_MS) return ranked;
    const best = Math.max(0, ...providers.map((provider) => provider.head?.number ?? 0));
    ranked = rankProviders(
      providers.map((provider) => ({
        provider,
        excluded: provider.exclusion(chainId),
        errorRate: provider.health.errorRate(),
        latencyMs: provider.health.latency.quantile(0.5),
        lag: provider.head === undefined ? 0 : best - provider.head.number,
      })),
      primary,
    );
    rankedAt = now;
    const first = ranked[0];
    primary = first !== undefined && first.excluded === undefined ? first.provider.id : undefined;
    return ranked;
  };

  const suits = (
    provider: Provider,
    request: Pick_<PickRequest, 'method' | 'minBlock' | 'tried'>,
  ): boolean => {
    if (request.tried.includes(provider)) return false;
    if (!provider.supports(request.method)) return false;
    return (
      request.minBlock === undefined ||
      provider.head === undefined ||
      provider.head.number >= request.minBlock
    );
  };

  /** The best of the providers in good standing, spreading load where allowances run low. */
  const pickUsable = (request: PickRequest, strictHead: boolean): Pick | undefined => {
    let waitMs = Number.POSITIVE_INFINITY;
    let chosen: Provider | undefined;
    let chosenRemaining = -1;
    let tier: number | undefined;
    const asked = strictHead ? request : { ...request, minBlock: undefined };
    for (const { provider, excluded } of ranking()) {
      if (excluded !== undefined) break;
      if (!suits(provider, asked) || !provider.breaker.wouldAllow()) continue;
      if (chosen !== undefined && provider.config.tier !== tier) break;
      const wait = !provider.hasRoom(request.priority) ? BUSY_RECHECK_MS : provider.rateLimit.waitMs();
      if (wait > 0) {
        waitMs = Math.min(waitMs, wait);
        continue;
      }
      const remaining = provider.rateLimit.remaining();
      if (request.spare === true && remaining < COMFORTABLE_REMAINING) continue;
      if (remaining > chosenRemaining) {
        chosen = provider;
        chosenRemaining = remaining;
        tier = provider.config.tier;
      }
      if (remaining >= COMFORTABLE_REMAINING) break;
    }
    if (chosen?.breaker.tryAcquire()) {
      if (chosen.rateLimit.tryTake()) return { kind: 'provider', provider: chosen };
      chosen.breaker.onNeutral();
      waitMs = Math.min(waitMs, chosen.rateLimit.waitMs());
    }
    return Number.isFinite(waitMs) ? { kind: 'wait', waitMs } : undefined;
  };

  /** Everybody is out, or was tried: those that are out for a reason that may have passed. */
  const pickExcluded = (request: PickRequest, strictHead: boolean, softOnly: boolean): Pick | undefined => {
    let waitMs = Number.POSITIVE_INFINITY;
    for (const { provider, excluded } of ranking()) {
      if (excluded === undefined || isAbsolute(excluded) || (softOnly && !isSoft(excluded))) continue;
      if (!suits(provider, strictHead ? request : { ...request, minBlock: undefined })) continue;
      if (provider.inFlight >= MAX_FORCED_IN_FLIGHT) continue;
      const wait = provider.rateLimit.waitMs();
      if (wait > 0) waitMs = Math.min(waitMs, wait);
      else if (provider.rateLimit.tryTake()) return { kind: 'provider', provider };
    }
    return Number.isFinite(waitMs) ? { kind: 'wait', waitMs } : undefined;
  };

  return {
    chainId,
    providers: () => providers,
    ranking,
    pick(request) {
      // Who has the block comes first, even if out of favour: an answer that cannot be right helps nobody.
      const usable = pickUsable(request, true);
      if (usable?.kind === 'provider') return usable;
      const outsider = request.desperate ? pickExcluded(request, true, usable !== undefined) : undefined;
      if (outsider?.kind === 'provider') return outsider;
      const found =
        usable ??
        outsider ??
        (request.minBlock === undefined ? undefined : pickUsable(request, false)) ??
        (request.desperate && request.minBlock !== undefined
          ? pickExcluded(request, false, false)
          : undefined);
      return found ?? { kind: 'none', reason: whyNone(ranking(), request) };
    },
    hasOther(request) {
      return ranking().some(({ provider, excluded }) => excluded === undefined && suits(provider, request));
    },
    hasAny(request) {
      return ranking().some(
        ({ provider, excluded }) =>
          !isAbsolute(excluded) && suits(provider, { ...request, minBlock: undefined }),
      );
    },
    invalidate() {
      rankedAt = Number.NEGATIVE_INFINITY;
    },
    replace(next) {
      providers = next;
      rankedAt = Number.NEGATIVE_INFINITY;
    },
    totalRate() {
      let total = 0;
      for (const { provider, excluded } of ranking()) if (excluded === undefined) total += rateOf(provider);
      return total;
    },
    rationed: () =>
      ranking().some(
        ({ provider, excluded }) =>
          excluded === undefined &&
          (Number.isFinite(provider.rateLimit.rate()) || provider.rateLimit.pausedMs() > 0),
      ),
    typicalMs() {
      let quickest = Number.POSITIVE_INFINITY;
      for (const { provider, excluded } of ranking()) {
        if (excluded !== undefined) continue;
        quickest = Math.min(quickest, provider.health.latency.quantile(0.5) ?? Number.POSITIVE_INFINITY);
      }
      return Number.isFinite(quickest) ? quickest : 0;
    },
  };
}

/** What its limit lets through; by concurrency what is under way divided by how long it takes (Little), or what it just did. */
function rateOf(provider: Provider): number {
  if (provider.rateLimit.pausedMs() > 0) return 0;
  const median = provider.health.latency.quantile(0.5);
  const byConcurrency =
    median === undefined
      ? Number.POSITIVE_INFINITY
      : Math.max(
          provider.concurrency.perSecond(),
          (provider.concurrency.limit() * 1_000) / Math.max(0.1, median),
        );
  return Math.min(provider.rateLimit.rate(), byConcurrency);
}

function whyNone(ranking: readonly RankedProvider[], request: PickRequest): string {
  if (ranking.length === 0) return 'no provider is configured';
  const parts = ranking.map(({ provider, excluded }) => {
    if (request.tried.includes(provider)) return `${provider.id} was asked already`;
    if (excluded !== undefined) return `${provider.id} is ${excluded}`;
    if (!provider.supports(request.method)) return `${provider.id} does not serve ${request.method}`;
    return `${provider.id} is at its limit`;
  });
  return parts.join('; ');
}
