import express, {
  type ErrorRequestHandler,
  type Express,
  type NextFunction,
  type Request,
  type Response,
} from 'express';
import { createContext, currentContext, runWithContext } from '../context.ts';
import { AppError, toAppError, toProblem } from '../errors.ts';
import { leaving } from '../leaving.ts';
import type { Logger } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { Random } from '../random.ts';
import type { Clock } from '../time.ts';
import { openServerSpan } from '../tracing/server-span.ts';
import { handlerOf } from './handler.ts';
import { buildOpenApi, type OpenApiDocument, type OpenApiInfo } from './openapi.ts';
import { checkReadiness, type ReadinessCheck } from './readiness.ts';
import type { AuthKind, Principal, Route } from './route.ts';

/** Verifies one kind of credential; throws AppError `unauthenticated`, `invalid_token` … */
export type Authenticator = (req: Request) => Promise<Principal | undefined>;

export interface HttpAppOptions {
  readonly service: string;
  readonly version: string;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: Random;
  readonly routes: readonly Route[];
  /** Tried in the order in which a route lists its kinds; the first that yields a principal wins. */
  readonly authenticate?: Partial<Record<AuthKind, Authenticator>>;
  readonly readiness: readonly ReadinessCheck[];
  readonly openapi: OpenApiInfo;
  /** Largest body in bytes; a larger one is answered with 413. Default 256 KiB. */
  readonly bodyLimitBytes?: number;
  /** Runs after authentication and before the handler of every route: rate limits, audit. */
  readonly guard?: (context: {
    route: Route;
    principal: Principal;
    req: Request;
    res: Response;
  }) => Promise<void>;
  /** Mounts what is not a Route (a proxy, static files) before the not-found handler. */
  readonly extend?: (app: Express) => void;
}

export interface HttpApp {
  readonly app: Express;
  readonly openapi: OpenApiDocument;
  /** From now on `/readyz` answers 503, so that load balancers stop sending. */
  setDraining(): void;
}

const DEFAULT_BODY_LIMIT = 256 * 1024;

const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cache-control': 'no-store',
};

/** Builds the Express application that every service shares: one behaviour for limits, errors, health and metrics. */
export function createHttpApp(options: HttpAppOptions): HttpApp {
  const { log, metrics, clock, random, routes } = options;
  const app = express();
  let draining = false;

  const duration = metrics.histogram({
    name: 'http_request_duration_seconds',
    help: 'Time from the first byte of a request to the end of its answer; streams are not included.',
    labels: ['method', 'route', 'status'],
  });
  const inFlight = metrics.gauge({ name: 'http_requests_in_flight', help: 'Requests being answered now.' });

  app.disable('x-powered-by');
  app.disable('etag');
  app.set('query parser', 'simple');
  app.set('case sensitive routing', true);

  app.use((req: Request, res: Response, next: NextFunction) => {
    const started = clock.monotonic();
    const { context, span } = openServerSpan(
      createContext({
        requestId: req.get('x-request-id'),
        traceparent: req.get('traceparent'),
        newId: () => random.uuid(),
      }),
      req,
    );
    res.setHeader('x-request-id', context.requestId);
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) res.setHeader(name, value);
    inFlight.inc();
    let counted = false;
    res.once('close', () => {
      if (counted) return;
      counted = true;
      inFlight.dec();
      const route: string = res.locals.route ?? 'unmatched';
      const seconds = (clock.monotonic() - started) / 1000;
      // 499: the client went away before we could answer; not our error.
      const status = res.writableFinished || res.headersSent ? String(res.statusCode) : '499';
      span?.finish(route, status);
      const level =
        route.startsWith('/livez') || route.startsWith('/readyz') || route === '/metrics' ? 'debug' : 'info';
      runWithContext(context, () => {
        if (!res.locals.isStream) duration.observe({ method: req.method, route, status }, seconds);
        log[level](
          { method: req.method, route, status: Number(status), ms: Math.round(seconds * 1000) },
          'request',
        );
      });
    });
    runWithContext(context, next);
  });

  app.get('/livez', (_req, res) => {
    res.locals.route = '/livez';
    res.json({ status: 'alive' });
  });
  app.get('/readyz', async (_req, res) => {
    res.locals.route = '/readyz';
    const report = await checkReadiness(options.readiness, clock, draining || leaving.aborted);
    res.status(report.status === 'ready' ? 200 : 503).json(report);
  });
  app.get('/metrics', async (_req, res) => {
    res.locals.route = '/metrics';
    res.type(metrics.registry.contentType).send(await metrics.registry.metrics());
  });

  const openapi = buildOpenApi(routes, options.openapi);
  app.get('/openapi.json', (_req, res) => {
    res.locals.route = '/openapi.json';
    res.json(openapi);
  });

  mountRoutes(app, options);
  options.extend?.(app);

  app.use((req: Request, _res: Response, next: NextFunction) => {
    next(
      new AppError(
        'not_found',
        `There is nothing at ${req.method} ${req.path.slice(0, 200)}. /openapi.json lists what there is.`,
      ),
    );
  });
  const onError: ErrorRequestHandler = (error, req, res, _next) => answerError(error, req, res, log);
  app.use(onError);

  return {
    app,
    openapi,
    setDraining: () => {
      draining = true;
    },
  };
}

/** Express paths of our OpenAPI paths: `/v1/{id}` → `/v1/:id`. */
const expressPath = (path: string): string => path.replace(/\{([^}]+)\}/g, ':$1');

function mountRoutes(app: Express, options: HttpAppOptions): void {
  // A literal segment goes before a parameter, whatever the order of the list: /me before /{id}.
  const ordered = [...options.routes].sort((a, b) => (sortKey(a.path) < sortKey(b.path) ? -1 : 1));
  for (const [path, routes] of Map.groupBy(ordered, (route) => expressPath(route.path))) {
    const methods = new Set(routes.map((route) => route.method.toUpperCase()));
    for (const route of routes) {
      const limit = route.bodyLimitBytes ?? options.bodyLimitBytes ?? DEFAULT_BODY_LIMIT;
      const raw = route.bodyType !== undefined && !route.bodyType.endsWith('json');
      const parser = raw
        ? express.raw({ type: () => true, limit })
        : express.json({ type: isJson, limit, strict: false, verify: keepRawBody });
      app[route.method](
        path,
        (_req: Request, res: Response, next: NextFunction) => {
          res.locals.route = route.path;
          next();
        },
        ...(route.body ? [requireType(route), parser] : []),
        handlerOf(route, options),
      );
    }
    // Before the next path is mounted: DELETE /me is a wrong method there, and no id called "me".
    const allow = [...methods].sort().join(', ');
    app.all(path, (req, res, next) => {
      if (req.method === 'HEAD' && methods.has('GET')) return next();
      res.locals.route = path.replace(/:([A-Za-z0-9_]+)/g, '{$1}');
      res.setHeader('allow', allow);
      next(new AppError('method_not_allowed', `${req.method} is not supported here; use ${allow}.`));
    });
  }
}

const sortKey = (path: string): string => path.replace(/\{/g, '\uffff');

const isJson = (req: { headers: Record<string, string | string[] | undefined> }): boolean =>
  /^application\/(json|[\w.+-]+\+json)\s*(;|$)/i.test(String(req.headers['content-type'] ?? ''));

/** Webhook signatures and idempotency compare bytes, not parsed values. */
function keepRawBody(req: object, _res: unknown, buffer: Buffer): void {
  (req as { rawBody?: Buffer }).rawBody = buffer;
}

function requireType(route: Route) {
  const expected = route.bodyType ?? 'application/json';
  return (req: Request, _res: Response, next: NextFunction): void => {
    const hasBody =
      req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0;
    const fits = expected.endsWith('json')
      ? isJson(req)
      : (req.get('content-type') ?? '').startsWith(expected);
    if (hasBody && !fits) {
      next(new AppError('unsupported_media_type', `Send the body as ${expected}.`));
      return;
    }
    next();
  };
}

/** What body parsers throw, in our words. */
function fromParser(error: { type?: string; limit?: number; status?: number }): AppError | undefined {
  switch (error.type) {
    case 'entity.parse.failed':
      return new AppError('malformed_json', 'The body is not valid JSON.', { cause: error });
    case 'entity.too.large':
      return new AppError(
        'body_too_large',
        `The body may have at most ${error.limit ?? DEFAULT_BODY_LIMIT} bytes.`,
      );
    case 'encoding.unsupported':
    case 'charset.unsupported':
      return new AppError('unsupported_media_type', 'Send the body as UTF-8 without exotic encodings.');
    case 'request.aborted':
    case 'request.size.invalid':
      return new AppError('invalid_request', 'The body ended before its announced length.');
    default:
      return error.status === 400
        ? new AppError('invalid_request', 'The request could not be read.', { cause: error })
        : undefined;
  }
}

function answerError(raw: unknown, req: Request, res: Response, log: Logger): void {
  const parserError =
    raw && typeof raw === 'object' && !(raw instanceof AppError) ? fromParser(raw) : undefined;
  const error = parserError ?? toAppError(raw);
  if (error.code === 'internal_error')
    log.error({ err: raw, method: req.method, route: res.locals.route }, 'request failed');
  else if (error.kind.status >= 500)
    log.warn({ err: error, code: error.code }, 'request could not be served');
  if (res.headersSent) {
    res.destroy();
    return;
  }
  if (error.retryAfterSeconds !== undefined)
    res.setHeader('retry-after', String(Math.ceil(error.retryAfterSeconds)));
  if (error.kind.status === 401) res.setHeader('www-authenticate', 'Bearer');
  if (error.kind.status === 413) res.setHeader('connection', 'close');
  res.status(error.kind.status).type('application/problem+json');
  res.send(JSON.stringify(toProblem(error, currentContext()?.requestId)));
}
