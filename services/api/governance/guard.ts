import type { Request, Response } from 'express';
import { AppError } from '../../../lib/errors.ts';
import type { Principal } from '../../../lib/http/route.ts';
import { principalKey } from './authorise.ts';
import type { RateLimiter } from './rate-limit.ts';

const limitOf = (principal: Principal, fallback: number): number => {
  const limits = principal.claims?.limits as { perMinute?: number | null } | undefined;
  return limits?.perMinute ?? fallback;
};

/** Counts each request against its caller, and says in the headers what is left (draft-ietf-httpapi-ratelimit-headers). */
export function createGuard(deps: { limiter: RateLimiter; requestsPerMinute: number }) {
  return async ({
    principal,
    req,
    res,
  }: {
    principal: Principal;
    req: Request;
    res: Response;
  }): Promise<void> => {
    // Anonymous callers are told apart by address; behind a proxy all of them share one limit on purpose.
    const caller =
      principal.kind === 'public'
        ? `address:${req.socket.remoteAddress ?? 'unknown'}`
        : principalKey(principal);
    const verdict = await deps.limiter.take(caller, limitOf(principal, deps.requestsPerMinute));
    res.setHeader('ratelimit-policy', `"default";q=${verdict.limit};w=60`);
    res.setHeader('ratelimit', `"default";r=${verdict.remaining};t=${verdict.resetSeconds}`);
    if (!verdict.allowed) {
      throw new AppError(
        'rate_limited',
        `At most ${verdict.limit} requests a minute are allowed; wait ${verdict.retryAfterSeconds} s.`,
        {
          retryAfterSeconds: verdict.retryAfterSeconds,
        },
      );
    }
  };
}
