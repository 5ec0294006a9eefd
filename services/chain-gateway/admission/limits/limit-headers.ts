import type { Principal } from '../principal.ts';
import type { LimitStanding } from './unit-limiter.ts';

const policies = new WeakMap<Principal, string>();

/**
 * `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10). The bucket as a policy: a quota of one
 * burst in the time that the bucket takes to fill; `r` is what is left of it, `t` when all of it is there again.
 */
export function describeLimit(
  headers: Record<string, string | number>,
  principal: Principal,
  standing: LimitStanding | undefined,
): void {
  if (standing === undefined) return;
  const { limit, remaining } = standing;
  let policy = policies.get(principal);
  if (policy === undefined) {
    const window = Math.max(1, Math.ceil(limit.burst / limit.unitsPerSecond));
    policy = `"units";q=${Math.floor(limit.burst)};qu="compute-units";w=${window}`;
    policies.set(principal, policy);
  }
  headers['ratelimit-policy'] = policy;
  const reset = Math.ceil((limit.burst - remaining) / limit.unitsPerSecond);
  headers.ratelimit = `"units";r=${remaining};t=${Math.max(0, reset)}`;
}
