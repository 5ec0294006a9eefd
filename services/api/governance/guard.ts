import type { Request, Response } from 'express';
import { currentContext } from '../../../lib/context.ts';
import { AppError } from '../../../lib/errors.ts';
import type { Principal, Route } from '../../../lib/http/route.ts';
import type { Clock } from '../../../lib/time.ts';
import type { Quotas } from '../telemetry/quota.ts';
import type { UsageRecorder } from '../telemetry/usage-recorder.ts';
import { principalKey } from './authorise.ts';
import type { RateLimiter } from './rate-limit.ts';

interface Limits {
  readonly perMinute?: number | null;
  readonly perDay?: number | null;
  readonly perMonth?: number | null;
}

/** Reading is cheap; what changes the chain or the books costs money and locks, so it has a smaller share. */
const WRITE_SHARE = 0.25;
/** Guessing secrets and asking for tokens is slower than anything honest. */
const PUBLIC_PER_MINUTE = 60;

/**
 * Before every handler: counts the request against its caller and class (headers as in
 * draft-ietf-httpapi-ratelimit-headers), then against its quotas; afterwards records how it went.
 */
/** Postgres keeps no NUL in text, and nobody means one. */
function holdsNul(value: unknown): boolean {
  if (typeof value === 'string') return value.includes('\0');
  if (Array.isArray(value)) return value.some(holdsNul);
  if (value !== null && typeof value === 'object' && !(value instanceof Uint8Array)) {
    return Object.entries(value).some(([key, inner]) => key.includes('\0') || holdsNul(inner));
  }
  return false;
}

export function createGuard(deps: {
  limiter: RateLimiter;
  quotas: Quotas;
  recorder: UsageRecorder;
  clock: Pick<Clock, 'monotonic'>;
  requestsPerMinute: number;
}) {
  const { limiter, quotas, recorder, clock, requestsPerMinute } = deps;
  return async (context: {
    route: Route;
    principal: Principal;
    req: Request;
    res: Response;
  }): Promise<void> => {
    const { route, principal, req, res } = context;
    const started = clock.monotonic();
    const limits = (principal.claims?.limits ?? {}) as Limits;
    const anonymous = principal.kind === 'public';
    // Anonymous callers are told apart by address; behind a proxy all of them share one limit on purpose.
    const caller = anonymous ? `address:${req.socket.remoteAddress ?? 'unknown'}` : principalKey(principal);

    const requestId = currentContext()?.requestId ?? '';
    res.once('close', () => {
      recorder.record({
        // An address is personal data: unknown callers are counted together.
        principal: anonymous ? 'anonymous' : caller,
        kind: anonymous ? 'anonymous' : principal.kind === 'user' ? 'person' : 'client',
        credential: typeof principal.claims?.credentialId === 'string' ? principal.claims.credentialId : null,
        operationId: route.operationId,
        method: req.method,
        requestId,
        status: res.headersSent ? res.statusCode : 499,
        durationMs: clock.monotonic() - started,
      });
    });

    const routeClass = anonymous ? 'public' : route.method === 'get' ? 'read' : 'write';
    const base = limits.perMinute ?? requestsPerMinute;
    const limit = anonymous
      ? PUBLIC_PER_MINUTE
      : routeClass === 'write'
        ? Math.max(1, Math.round(base * WRITE_SHARE))
        : base;
    const verdict = await limiter.take(`${routeClass}:${caller}`, limit);
    res.setHeader('ratelimit-policy', `"${routeClass}";q=${verdict.limit};w=60`);
    res.setHeader('ratelimit', `"${routeClass}";r=${verdict.remaining};t=${verdict.resetSeconds}`);
    if (!verdict.allowed) {
      throw new AppError(
        'rate_limited',
        `At most ${verdict.limit} ${routeClass} requests a minute are allowed; wait ${verdict.retryAfterSeconds} s.`,
        { retryAfterSeconds: verdict.retryAfterSeconds },
      );
    }
    if (holdsNul(req.params) || holdsNul(req.query) || holdsNul(req.body)) {
      throw new AppError('invalid_request', 'Text must not contain the character U+0000.', {
        errors: [{ pointer: '/', rule: 'characters', detail: 'text without U+0000' }],
      });
    }
    const spent = anonymous ? undefined : await quotas.check(caller, limits);
    if (spent) {
      throw new AppError(
        'rate_limited',
        `The quota of ${spent.limit} requests a ${spent.period} is used up.`,
        {
          retryAfterSeconds: spent.resetSeconds,
          extra: { quota: { period: spent.period, limit: spent.limit } },
        },
      );
    }
  };
}
