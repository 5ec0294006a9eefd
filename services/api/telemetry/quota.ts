import type { Logger } from '../../../lib/log.ts';
import type { Redis } from '../../../lib/redis.ts';
import type { Clock } from '../../../lib/time.ts';
import type { UsageStore } from './usage-store.ts';

export interface QuotaVerdict {
  readonly period: 'day' | 'month';
  readonly limit: number;
  readonly used: number;
  readonly allowed: boolean;
  /** Seconds until the period ends. */
  readonly resetSeconds: number;
}

/** Keeps counting where Postgres left off when Redis has forgotten; one round trip otherwise. */
const TAKE = `
if redis.call('EXISTS', KEYS[1]) == 0 then return -1 end
return redis.call('INCR', KEYS[1])`;

export type Quotas = ReturnType<typeof createQuotas>;

/** Quotas per UTC day and month. Redis counts, Postgres remembers; without Redis quotas are not enforced, only kept. */
export function createQuotas(deps: {
  redis: Redis;
  prefix: string;
  store: UsageStore;
  clock: Clock;
  log: Logger;
}) {
  const { redis, prefix, store, clock, log } = deps;

  const endOf = (period: 'day' | 'month', now: Date): number =>
    period === 'day'
      ? Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() + 1)
      : Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1);
  const startOf = (period: 'day' | 'month', now: Date): string =>
    period === 'day' ? now.toISOString().slice(0, 10) : `${now.toISOString().slice(0, 7)}-01`;

  async function take(principal: string, period: 'day' | 'month', limit: number): Promise<QuotaVerdict> {
    const now = new Date(clock.now());
    const start = startOf(period, now);
    const end = endOf(period, now);
    const key = `${prefix}quota:${period}:${start}:${principal}`;
    const resetSeconds = Math.ceil((end - now.getTime()) / 1000);
    try {
      let used = (await redis.eval(TAKE, 1, key)) as number;
      if (used === -1) {
        const before = await store.countSince(principal, start);
        await redis.set(key, before, 'PXAT', end + 3_600_000, 'NX');
        used = await redis.incr(key);
      }
      return { period, limit, used, allowed: used <= limit, resetSeconds };
    } catch (err) {
      log.info({ err }, 'a quota could not be checked; the request passes');
      return { period, limit, used: 0, allowed: true, resetSeconds };
    }
  }

  return {
    startOf,
    endOf,
    /** The first quota that is used up, or undefined. */
    async check(
      principal: string,
      limits: { perDay?: number | null; perMonth?: number | null },
    ): Promise<QuotaVerdict | undefined> {
      for (const [period, limit] of [
        ['day', limits.perDay],
        ['month', limits.perMonth],
      ] as const) {
        if (limit === null || limit === undefined) continue;
        const verdict = await take(principal, period, limit);
        if (!verdict.allowed) return verdict;
      }
      return undefined;
    },
  };
}
