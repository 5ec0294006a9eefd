import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { z } from 'zod';
import { contextHeaders } from './context.ts';
import { AppError, ERROR_TABLE, type ErrorCode } from './errors.ts';
import type { ServiceAuth, ServiceName } from './service-auth.ts';
import { traced } from './tracing/tracer.ts';

export interface ServiceRequest<S extends z.ZodType> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly idempotencyKey?: string;
  /** True for a POST that may arrive twice: it only reads. GET, PUT, DELETE and whatever has an idempotency key may anyway. */
  readonly repeatable?: boolean;
  /** What the answer must look like; an answer that does not fit is their bug and our 502-like failure. */
  readonly schema: S;
  /** Milliseconds for the whole exchange. Default 10 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface ServiceClient {
  /** @throws AppError with the other side's code when it answered a problem, `dependency_unavailable` when it did not answer. */
  request<S extends z.ZodType>(request: ServiceRequest<S>): Promise<z.output<S>>;
  /** The raw exchange, for event streams; the caller must consume or destroy the body. */
  open(request: Omit<ServiceRequest<z.ZodType>, 'schema' | 'timeoutMs'>): Promise<{
    status: number;
    headers: Record<string, string | string[] | undefined>;
    body: AsyncIterable<Uint8Array> & { destroy(error?: Error): unknown };
  }>;
  /** Rejects unless the other side says that it is alive; for readiness checks. */
  ping(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** A connection that broke before anything was answered: a pod that was replaced, a keep-alive that ended in between. */
const BROKEN = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET', 'UND_ERR_CONNECT_TIMEOUT']);
/** Then one more try, on another connection and so perhaps on another replica, after a moment. */
const AGAIN_AFTER_MS = 50;

const mayRepeat = (request: Omit<ServiceRequest<z.ZodType>, 'schema'>): boolean =>
  request.repeatable === true ||
  request.idempotencyKey !== undefined ||
  !['POST', 'PATCH'].includes(request.method);

const DEFAULT_TIMEOUT_MS = 10_000;
/** Answers between our services are small; a larger one is a mistake that must not fill our memory. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

const problemSchema = z.looseObject({
  code: z.string(),
  detail: z.string(),
  errors: z.array(z.object({ pointer: z.string(), rule: z.string(), detail: z.string() })).optional(),
});

function withQuery(path: string, query: ServiceRequest<z.ZodType>['query']): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query ?? {}))
    if (value !== undefined) params.set(key, String(value));
  return params.size > 0 ? `${path}?${params}` : path;
}

async function readJson(body: AsyncIterable<Uint8Array>): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) throw new Error(`answer larger than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  return text === '' ? undefined : JSON.parse(text);
}

/** Calls another of our services: signed, traced, with a deadline, its problems handed on as our errors. */
export function createServiceClient(options: {
  baseUrl: string;
  audience: ServiceName;
  auth: Pick<ServiceAuth, 'sign'>;
  connections?: number;
}): ServiceClient {
  const { baseUrl, audience, auth, connections = 64 } = options;
  const base = new URL(baseUrl);
  const prefix = base.pathname.replace(/\/+$/, '');
  const pool = new Pool(base.origin, { connections, connect: { timeout: 3_000 }, keepAliveTimeout: 30_000 });
  const unavailable = (cause: unknown): AppError =>
    new AppError(
      'dependency_unavailable',
      `The ${audience} service did not answer; try again in a few seconds.`,
      {
        retryAfterSeconds: 1,
        cause,
      },
    );

  const send = (request: Omit<ServiceRequest<z.ZodType>, 'schema'>, signal: AbortSignal | undefined) =>
    traced(
      `${request.method} ${audience}`,
      {
        kind: 'client',
        attributes: {
          'http.request.method': request.method,
          'peer.service': audience,
          'server.address': base.hostname,
        },
      },
      async (span) => {
        const answer = await exchange(request, signal);
        span?.set({ 'http.response.status_code': answer.statusCode });
        return answer;
      },
    );

  const exchange = async (
    request: Omit<ServiceRequest<z.ZodType>, 'schema'>,
    signal: AbortSignal | undefined,
  ) =>
    pool.request({
      method: request.method,
      path: prefix + withQuery(request.path, request.query),
      headers: {
        accept: 'application/json',
        ...contextHeaders(),
        ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(request.idempotencyKey ? { 'idempotency-key': request.idempotencyKey } : {}),
        ...request.headers,
        authorization: `Bearer ${await auth.sign(audience)}`,
      },
      body: request.body === undefined ? null : JSON.stringify(request.body),
      signal: signal ?? null,
      headersTimeout: 0,
      bodyTimeout: 0,
    });

  return {
    async request(request) {
      const timeout = AbortSignal.timeout(request.timeoutMs ?? DEFAULT_TIMEOUT_MS);
      const signal = request.signal ? AbortSignal.any([request.signal, timeout]) : timeout;
      let status: number;
      let retryAfter: string | undefined;
      let body: unknown;
      try {
        const answer = await send(request, signal).catch(async (error: unknown) => {
          const { code } = error as { code?: string };
          if (signal.aborted || !mayRepeat(request) || code === undefined || !BROKEN.has(code)) throw error;
          await sleep(AGAIN_AFTER_MS, undefined, { signal });
          return send(request, signal);
        });
        status = answer.statusCode;
        retryAfter = answer.headers['retry-after']?.toString();
        body = await readJson(answer.body);
      } catch (error) {
        if (request.signal?.aborted) throw error;
        throw unavailable(error);
      }
      if (status >= 400) throw fromProblem(body, status, retryAfter, audience);
      const parsed = request.schema.safeParse(body);
      if (!parsed.success) {
        throw new Error(
          `${audience} answered ${request.method} ${request.path} with an unexpected body: ${parsed.error.message}`,
        );
      }
      return parsed.data as z.output<typeof request.schema>;
    },
    async open(request) {
      try {
        const answer = await send(
          { ...request, headers: { accept: 'text/event-stream', ...request.headers } },
          request.signal,
        );
        if (answer.statusCode >= 400) {
          throw fromProblem(
            await readJson(answer.body),
            answer.statusCode,
            answer.headers['retry-after']?.toString(),
            audience,
          );
        }
        return { status: answer.statusCode, headers: answer.headers, body: answer.body };
      } catch (error) {
        if (error instanceof AppError || request.signal?.aborted) throw error;
        throw unavailable(error);
      }
    },
    async ping(signal) {
      const answer = await pool.request({ method: 'GET', path: `${prefix}/livez`, signal });
      await answer.body.dump();
      if (answer.statusCode !== 200) throw new Error(`/livez answered ${answer.statusCode}`);
    },
    close: () => pool.destroy(),
  };
}

/** Their problem as ours. A 401/403 between services is our misconfiguration, never the end user's fault. */
function fromProblem(
  body: unknown,
  status: number,
  retryAfter: string | undefined,
  audience: ServiceName,
): AppError {
  const parsed = problemSchema.safeParse(body);
  const code = parsed.success ? parsed.data.code : undefined;
  if (
    code === undefined ||
    !(code in ERROR_TABLE) ||
    status >= 500 ||
    code === 'invalid_token' ||
    code === 'unauthenticated'
  ) {
    const passes = code !== undefined && code in ERROR_TABLE && status === 503;
    return new AppError(
      passes ? (code as ErrorCode) : 'dependency_unavailable',
      parsed.success && passes
        ? parsed.data.detail
        : `The ${audience} service could not answer (${status}${code ? ` ${code}` : ''}).`,
      {
        retryAfterSeconds: Number(retryAfter) || 1,
        cause: body,
      },
    );
  }
  return new AppError(code as ErrorCode, parsed.success ? parsed.data.detail : '', {
    errors: parsed.success ? parsed.data.errors : undefined,
    retryAfterSeconds: retryAfter === undefined ? undefined : Number(retryAfter) || undefined,
  });
}
