import { createHmac } from 'node:crypto';
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

/**
 * Where a request came from. Each trusted proxy appends the address it saw, so the one that counts stands that many
 * places from the end; what a client wrote before it is hearsay.
 */
export function addressOf(req: Pick<Request, 'headers' | 'socket'>, trustedProxies: number): string {
  const seen = req.socket.remoteAddress ?? 'unknown';
  if (trustedProxies === 0) return seen;
  const forwarded = String(req.headers['x-forwarded-for'] ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  return forwarded.at(-trustedProxies) ?? forwarded[0] ?? seen;
}

const pseudonym = (address: string, secret: string): string =>
  createHmac('sha256', secret).update(`address\n${address}`).digest('base64url').slice(0, 22);

export function createGuard(deps: {
  limiter: RateLimiter;
  quotas: Quotas;
  recorder: UsageRecorder;
  clock: Pick<Clock, 'monotonic'>;
  requestsPerMinute: number;
  /** Of all callers behind one address together. */
  requestsPerMinutePerAddress: number;
  /** Proxies of ours in front, each of which adds to X-Forwarded-For. */
  trustedProxies: number;
  /** Addresses are kept only as pseudonyms under it. */
  secret: string;
}) {
  const { limiter, quotas, recorder, clock, requestsPerMinute, requestsPerMinutePerAddress } = deps;
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
    const address = `address:${pseudonym(addressOf(req, deps.trustedProxies), deps.secret)}`;
    const caller = anonymous ? address : principalKey(principal);

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
    const verdict = await limiter.take([
      { key: `${routeClass}:${caller}`, perMinute: limit },
      { key: `all:${address}`, perMinute: requestsPerMinutePerAddress },
    ]);
    const policy = verdict.bucket.key.startsWith('all:') ? 'address' : routeClass;
    res.setHeader(
      'ratelimit-policy',
      `"${routeClass}";q=${limit};w=60, "address";q=${requestsPerMinutePerAddress};w=60`,
    );
    res.setHeader('ratelimit', `"${policy}";r=${verdict.remaining};t=${verdict.resetSeconds}`);
    if (!verdict.allowed) {
      throw new AppError(
        'rate_limited',
        policy === 'address'
          ? `At most ${verdict.limit} requests a minute are allowed from one network address; wait ${verdict.retryAfterSeconds} s.`
          : `At most ${verdict.limit} ${routeClass} requests a minute are allowed; wait ${verdict.retryAfterSeconds} s.`,
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
