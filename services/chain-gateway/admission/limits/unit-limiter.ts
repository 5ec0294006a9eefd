import type { Logger } from '../../../../lib/log.ts';
import type { Clock } from '../../../../lib/time.ts';
import { gatewayError, RPC_ERROR } from '../../rpc/errors.ts';
import type { RpcFailure } from '../../rpc/outcome.ts';
import type { Principal, UnitLimit } from '../principal.ts';
import type { LeaseSource } from './lease-source.ts';
import { admissionUnits, CLASS_SHARE, methodClass } from './method-class.ts';

/** A process leases so much of a bucket at once: what the limit gives in this time, or what the waiting call needs. */
export const SLICE_MS = 100;
/** A slice is never less than two ordinary calls, so that small limits do not ask Redis for every call. */
export const LEAST_SLICE = 40;
/** The next slice is fetched when less than this share of one is left, so that no call waits for it. */
const PREFETCH_BELOW = 0.5;
/** A slice that nobody used for this long goes back to the bucket, where other processes find it. */
const RETURN_AFTER_MS = 1_000;
const SWEEP_MS = 500;
/** After a failure Redis is left alone for this long; limits are local meanwhile. */
const REST_MS = 1_000;
/** An empty bucket is not asked again before it can have something, nor later than this. */
const LONGEST_EMPTY_MS = 100;
/** Leases that one call waits for at most. */
const ROUNDS = 3;
/** Buckets of principals that were not seen for this long are forgotten. */
const FORGET_MS = 60_000;

export type LimitScope = 'principal' | 'class' | 'global';

export interface LimitStanding {
  readonly limit: UnitLimit;
  /** Units left, as far as this process knows. */
  readonly remaining: number;
}

export interface UnitLimiter {
  /**
   * Takes what the call may cost from every bucket that it belongs to. Synchronous when this process holds enough: a
   * round trip per call would cost more than a cached answer.
   */
  take(principal: Principal, method: string): RpcFailure | undefined | Promise<RpcFailure | undefined>;
  /** Returns what the call turned out not to need. */
  giveBack(principal: Principal, method: string, units: number): void;
  /** For response headers; undefined for principals without a limit. */
  standing(principal: Principal): LimitStanding | undefined;
  /** True while Redis is away and limits are kept by this process alone. */
  local(): boolean;
  stop(): Promise<void>;
}

export interface UnitLimiterDeps {
  readonly clock: Clock;
  readonly log: Pick<Logger, 'warn' | 'info'>;
  /** Absent: this process is the only one. */
  readonly source: LeaseSource | undefined;
  /** For all principals together: protection of the service itself. The gateway's own calls are not counted. */
  readonly global: UnitLimit | undefined;
  readonly onRefused?: (scope: LimitScope) => void;
  /** A call was decided without the shared buckets although there are some. */
  readonly onLocal?: () => void;
}

interface Bucket {
  readonly name: string;
  readonly scope: LimitScope;
  readonly limit: UnitLimit;
  /** Units that this process may spend without asking. */
  slice: number;
  /** Left in the shared bucket when it was last asked. */
  left: number;
  /** Monotonic milliseconds. */
  usedAt: number;
  refilledAt: number;
  /** The shared bucket has nothing until then. */
  emptyUntil: number;
  /** What the calls cost that wait for a lease just now. */
  wanted: number;
  /** The lease under way; never rejects. */
  pending: Promise<void> | undefined;
}

/**
 * Token buckets in compute units: one per principal, one per principal and class of methods, one for all. They live in
 * Redis; each process leases slices of them ahead of need and spends those without asking.
 *
 * Bound: during any time T all processes together let through at most burst + rate · T + N · slice units of a bucket,
 * slice being rate · {@link SLICE_MS} (at least {@link LEAST_SLICE}, or one call if that is more). A unit leaves the shared bucket before it is
 * spent, so nothing is spent twice; only slices that were leased before T began come on top.
 *
 * Without Redis each process keeps the limit by itself, at its share of it: limit ÷ processes seen last. The sum stays
 * about the limit; what it lacks is balance between processes, and that is counted and alerted on.
 */
export function createUnitLimiter(deps: UnitLimiterDeps): UnitLimiter {
  const { clock, log, source } = deps;
  const buckets = new Map<string, Bucket>();
  const listsOf = new WeakMap<Principal, Map<string, readonly Bucket[]>>();
  let awayUntil = source === undefined ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
  let away = false;
  let processes = 1;

  const sliceOf = ({ limit }: Bucket): number =>
    Math.min(limit.burst, Math.max(LEAST_SLICE, (limit.unitsPerSecond * SLICE_MS) / 1_000));
  const bucketFor = (name: string, scope: LimitScope, limit: UnitLimit): Bucket => {
    let bucket = buckets.get(name);
    if (
      bucket === undefined ||
      bucket.limit.unitsPerSecond !== limit.unitsPerSecond ||
      bucket.limit.burst !== limit.burst
    ) {
      const now = clock.monotonic();
      bucket = {
        name,
        scope,
        limit,
        slice: 0,
        left: limit.burst,
        usedAt: now,
        refilledAt: now,
        emptyUntil: 0,
        wanted: 0,
        pending: undefined,
      };
      // Without a shared bucket to lease from, it begins full.
      if (isAway()) bucket.slice = limit.burst / processes;
      buckets.set(name, bucket);
    }
    return bucket;
  };
  const listOf = (principal: Principal, method: string): readonly Bucket[] => {
    let byClass = listsOf.get(principal);
    if (byClass === undefined) {
      byClass = new Map();
      listsOf.set(principal, byClass);
    }
    const kind = principal.limit === undefined ? 'read' : methodClass(method);
    let list = byClass.get(kind);
    if (list === undefined) {
      const own: Bucket[] = [];
      const { limit } = principal;
      if (limit !== undefined) {
        own.push(bucketFor(principal.id, 'principal', limit));
        const share = CLASS_SHARE[kind];
        if (share < 1) {
          own.push(
            bucketFor(`${principal.id}:${kind}`, 'class', {
              unitsPerSecond: limit.unitsPerSecond * share,
              burst: limit.burst * share,
            }),
          );
        }
      }
      if (deps.global !== undefined && principal.kind !== 'internal')
        own.push(bucketFor('global', 'global', deps.global));
      list = own;
      byClass.set(kind, list);
    }
    return list;
  };

  /** While Redis is away a slice fills by itself, at this process's share of the limit. */
  const refillLocally = (bucket: Bucket, now: number): void => {
    const { unitsPerSecond, burst } = bucket.limit;
    const grown = bucket.slice + (((now - bucket.refilledAt) / 1_000) * unitsPerSecond) / processes;
    bucket.slice = Math.max(bucket.slice, Math.min(burst / processes, grown));
    bucket.left = 0;
    bucket.refilledAt = now;
  };
  /** A call that costs more than a whole burst takes the burst: else it could never be made. */
  const costIn = (bucket: Bucket, units: number): number =>
    Math.min(units, isAway() ? bucket.limit.burst / processes : bucket.limit.burst);
  const isAway = (): boolean => clock.monotonic() < awayUntil;

  const wentAway = (error: unknown): void => {
    const now = clock.monotonic();
    if (!away) {
      log.warn({ err: error }, 'the shared limits are away; each process keeps them by itself');
      for (const bucket of buckets.values()) {
        bucket.refilledAt = now;
        bucket.slice = Math.max(
          bucket.slice,
          Math.min(bucket.limit.burst, bucket.slice + bucket.left) / processes,
        );
      }
    }
    away = true;
    awayUntil = now + REST_MS;
  };
  const ask = (shared: LeaseSource, list: readonly Bucket[]): void => {
    const now = clock.monotonic();
    const asked = list.filter((bucket) => bucket.pending === undefined);
    if (asked.length === 0) return;
    const requests = asked.map((bucket) => ({
      bucket: bucket.name,
      limit: bucket.limit,
      units: Math.min(
        bucket.limit.burst,
        Math.max(0, Math.max(sliceOf(bucket), bucket.wanted) - bucket.slice),
      ),
    }));
    const pending = shared
      .lease(requests)
      .then(
        ({ leases, processes: seen }) => {
          processes = seen;
          if (away) log.info({ processes }, 'the shared limits are back');
          away = false;
          asked.forEach((bucket, index) => {
            const { granted, left } = leases[index] ?? { granted: 0, left: 0 };
            bucket.slice += granted;
            bucket.left = left;
            const missing = (requests[index]?.units ?? 0) - granted;
            if (missing <= 0) return;
            const ms = Math.min(LONGEST_EMPTY_MS, (missing / bucket.limit.unitsPerSecond) * 1_000);
            bucket.emptyUntil = now + Math.max(1, ms);
          });
        },
        (error: unknown) => wentAway(error),
      )
      .finally(() => {
        for (const bucket of asked) bucket.pending = undefined;
      });
    for (const bucket of asked) bucket.pending = pending;
  };

  /** Takes from all buckets or from none. */
  const spend = (list: readonly Bucket[], units: number): boolean => {
    for (const bucket of list) if (bucket.slice < costIn(bucket, units)) return false;
    const now = clock.monotonic();
    for (const bucket of list) {
      bucket.slice -= costIn(bucket, units);
      bucket.usedAt = now;
    }
    return true;
  };
  const refuse = (principal: Principal, list: readonly Bucket[], units: number): RpcFailure => {
    let worst: Bucket | undefined;
    let waitMs = 0;
    for (const bucket of list) {
      const missing = costIn(bucket, units) - bucket.slice - bucket.left;
      const ms = Math.max(1, (missing / bucket.limit.unitsPerSecond) * 1_000);
      if (bucket.slice < costIn(bucket, units) && ms > waitMs) {
        waitMs = ms;
        worst = bucket;
      }
    }
    const { scope, limit } = worst ?? (list[0] as Bucket);
    deps.onRefused?.(scope);
    const retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1_000));
    const whose = {
      principal: `${principal.id} is at its limit of ${limit.unitsPerSecond} compute units a second`,
      class: `${principal.id} is at its limit of ${limit.unitsPerSecond} compute units a second for calls of this kind`,
      global: `the gateway is at its limit of ${limit.unitsPerSecond} compute units a second`,
    }[scope];
    return gatewayError(RPC_ERROR.limitExceeded, `${whose}; try again in ${Math.ceil(waitMs)} ms`, {
      retryAfterSeconds,
      data: JSON.stringify({
        reason: `${scope}_limit`,
        limit: { unitsPerSecond: limit.unitsPerSecond, burst: limit.burst },
        units,
        retryAfterMs: Math.ceil(waitMs),
        retryAfterSeconds,
      }),
    });
  };

  async function takeSlowly(
    shared: LeaseSource,
    principal: Principal,
    list: readonly Bucket[],
    units: number,
  ): Promise<RpcFailure | undefined> {
    // More than once: a lease under way may be too small for those who came after it, and others may be quicker to spend it.
    for (let round = 0; round < ROUNDS; round++) {
      const now = clock.monotonic();
      const lacking = list.filter((bucket) => bucket.slice < costIn(bucket, units));
      if (lacking.some((bucket) => bucket.emptyUntil > now)) break;
      for (const bucket of lacking) bucket.wanted += costIn(bucket, units);
      ask(shared, lacking);
      await Promise.all(lacking.map(({ pending }) => pending));
      for (const bucket of lacking) bucket.wanted = Math.max(0, bucket.wanted - costIn(bucket, units));
      if (isAway()) return takeLocally(principal, list, units);
      if (spend(list, units)) return undefined;
    }
    return refuse(principal, list, units);
  }
  function takeLocally(principal: Principal, list: readonly Bucket[], units: number): RpcFailure | undefined {
    const now = clock.monotonic();
    if (source !== undefined) deps.onLocal?.();
    for (const bucket of list) refillLocally(bucket, now);
    return spend(list, units) ? undefined : refuse(principal, list, units);
  }

  const sweep = clock.setInterval(() => {
    const now = clock.monotonic();
    const idle: Bucket[] = [];
    for (const bucket of buckets.values()) {
      const idleMs = now - bucket.usedAt;
      if (bucket.pending !== undefined || idleMs < RETURN_AFTER_MS) continue;
      if (bucket.slice > 0 && !isAway()) idle.push(bucket);
      else if (idleMs > Math.max(FORGET_MS, (bucket.limit.burst / bucket.limit.unitsPerSecond) * 1_000))
        buckets.delete(bucket.name);
    }
    if (idle.length === 0 || source === undefined) return;
    const returned = idle.map((bucket) => ({
      bucket: bucket.name,
      limit: bucket.limit,
      units: -bucket.slice,
    }));
    for (const bucket of idle) bucket.slice = 0;
    void source.lease(returned).catch(wentAway);
  }, SWEEP_MS);

  return {
    local: isAway,
    take(principal, method) {
      const list = listOf(principal, method);
      if (list.length === 0) return undefined;
      const units = admissionUnits(method);
      if (isAway()) return takeLocally(principal, list, units);
      const shared = source as LeaseSource;
      if (spend(list, units)) {
        for (const bucket of list) {
          if (bucket.pending !== undefined || bucket.slice >= sliceOf(bucket) * PREFETCH_BELOW) continue;
          if (bucket.emptyUntil <= bucket.usedAt) ask(shared, list);
          break;
        }
        return undefined;
      }
      return takeSlowly(shared, principal, list, units);
    },
    giveBack(principal, method, units) {
      for (const bucket of listOf(principal, method))
        bucket.slice = Math.min(bucket.limit.burst, bucket.slice + costIn(bucket, units));
    },
    standing(principal) {
      const { limit } = principal;
      if (limit === undefined) return undefined;
      const [bucket] = listOf(principal, 'eth_call');
      if (bucket === undefined) return undefined;
      if (isAway()) refillLocally(bucket, clock.monotonic());
      return { limit, remaining: Math.max(0, Math.floor(Math.min(limit.burst, bucket.slice + bucket.left))) };
    },
    async stop() {
      sweep.cancel();
    },
  };
}
