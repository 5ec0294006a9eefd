import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { currentContext } from '../context.ts';
import { AppError } from '../errors.ts';
import type { HttpAppOptions } from './app.ts';
import { parsePart } from './parse.ts';
import type { Principal, Reply, Route } from './route.ts';

const ANONYMOUS: Principal = { kind: 'public', id: 'anonymous', scopes: new Set() };

const DEFAULT_TIMEOUT_MS = 30_000;

/** One route as an Express handler: authenticate → authorise → guard → parse → handle → check → answer. */
export function handlerOf(route: Route, options: HttpAppOptions): RequestHandler {
  const { log, clock } = options;
  return async (req: Request, res: Response, next: NextFunction) => {
    const timeoutMs = route.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    if (timeoutMs === 0) res.locals.isStream = true;
    const abort = new AbortController();
    res.once('close', () => abort.abort(new Error('the client closed the connection')));
    let timedOut = false;
    const timer =
      timeoutMs === 0
        ? undefined
        : clock.setTimeout(() => {
            timedOut = true;
            const late = new AppError('deadline_exceeded', `No answer within ${timeoutMs} ms.`);
            abort.abort(late);
            next(late);
          }, timeoutMs);
    try {
      announceDeprecation(route, res);
      const principal = await authenticate(route, options, req);
      requireScopes(route, principal);
      await options.guard?.({ route, principal, req, res });
      const result = await route.handler({
        params: parsePart(route.params, req.params, 'path'),
        query: parsePart(route.query, req.query, 'query'),
        headers: parsePart(route.requestHeaders, req.headers, 'header'),
        body: parsePart(route.body, req.body, 'body'),
        principal,
        requestId: currentContext()?.requestId ?? '',
        signal: abort.signal,
        log,
        req,
        res,
      } as never);
      if (!timedOut && result.kind === 'reply') send(route, result, req, res);
    } catch (error) {
      if (!timedOut && !res.destroyed) next(error);
    } finally {
      timer?.cancel();
    }
  };
}

async function authenticate(route: Route, options: HttpAppOptions, req: Request): Promise<Principal> {
  let failure: unknown;
  for (const kind of route.auth) {
    if (kind === 'public') continue;
    const authenticator = options.authenticate?.[kind];
    if (!authenticator)
      throw new Error(`${route.operationId} wants ${kind}, and no authenticator for it was given`);
    try {
      const principal = await authenticator(req);
      if (principal) return principal;
    } catch (error) {
      failure ??= error;
    }
  }
  if (failure) throw failure;
  if (route.auth.includes('public')) return ANONYMOUS;
  throw new AppError(
    'unauthenticated',
    `Send credentials: Authorization: Bearer <token> (${route.auth.join(' or ')}).`,
  );
}

function requireScopes(route: Route, principal: Principal): void {
  const missing = (route.scopes ?? []).filter((scope) => !principal.scopes.has(scope));
  if (missing.length > 0 && principal.kind !== 'public') {
    throw new AppError(
      'insufficient_scope',
      `This needs the scope ${missing.join(' and ')}, which the credential does not have.`,
    );
  }
}

/** RFC 9745 (Deprecation) and RFC 8594 (Sunset). */
function announceDeprecation(route: Route, res: Response): void {
  if (!route.deprecated) return;
  res.setHeader('deprecation', `@${Math.floor(Date.parse(route.deprecated.since) / 1000)}`);
  if (route.deprecated.sunset) res.setHeader('sunset', new Date(route.deprecated.sunset).toUTCString());
  if (route.deprecated.successor)
    res.setHeader('link', `<${route.deprecated.successor}>; rel="successor-version"`);
}

function send(route: Route, result: Reply, req: Request, res: Response): void {
  const spec = route.responses[result.status];
  if (!spec) throw new Error(`${route.operationId} answered ${result.status}, which it does not document`);
  for (const [name, value] of Object.entries(result.headers ?? {})) res.setHeader(name, value);
  res.status(result.status);
  if (result.body === undefined) {
    res.end();
    return;
  }
  if (spec.contentType && !spec.contentType.endsWith('json')) {
    res.type(spec.contentType).send(result.body);
    return;
  }
  // What we promise is what we send: a body that does not fit its schema is our bug, found here and not by a client.
  const checked = spec.schema
    ? spec.schema.safeParse(result.body)
    : { success: true as const, data: result.body };
  if (!checked.success) {
    throw new Error(
      `${route.operationId} answered a body that does not fit its schema: ${checked.error.message}`,
    );
  }
  res.type(spec.contentType ?? 'application/json');
  res.send(req.method === 'HEAD' ? undefined : JSON.stringify(checked.data));
}
