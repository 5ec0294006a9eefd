import { DemoFailure } from './demo-failure.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed JSON, or the text when it is something else; undefined when there was no body. */
  // biome-ignore lint/suspicious/noExplicitAny: the demo reads answers of many shapes and checks what it uses
  readonly body: any;
}

export interface HttpRequest {
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Bearer token. */
  readonly token?: string | undefined;
  readonly idempotencyKey?: string;
  /** Status (or statuses) that the story expects; another one fails the step. Any 2xx when absent. */
  readonly expect?: number | readonly number[];
}

/** Speaks to one service as an outside client would. */
export interface HttpClient {
  readonly baseUrl: string;
  get(path: string, request?: HttpRequest): Promise<HttpAnswer>;
  post(path: string, request?: HttpRequest): Promise<HttpAnswer>;
  send(method: string, path: string, request?: HttpRequest): Promise<HttpAnswer>;
}

/** The platform answers in milliseconds; an answer that takes longer than this is a failure of the step. */
const TIMEOUT_MS = 10_000;

/** @param service name of the stack's child, for pointing at its log */
export function createHttpClient(options: {
  baseUrl: string;
  service: string;
  signal: AbortSignal;
}): HttpClient {
  const { baseUrl, service, signal } = options;

  async function send(method: string, path: string, request: HttpRequest = {}): Promise<HttpAnswer> {
    const url = new URL(path, baseUrl);
    for (const [key, value] of Object.entries(request.query ?? {})) url.searchParams.set(key, value);
    const headers: Record<string, string> = { accept: 'application/json', ...request.headers };
    if (request.body !== undefined) headers['content-type'] ??= 'application/json';
    if (request.token) headers.authorization = `Bearer ${request.token}`;
    if (request.idempotencyKey) headers['idempotency-key'] = request.idempotencyKey;
    const what = `${method} ${url.pathname}${url.search}`;
    const answer = await fetchAnswer(url, {
      method,
      headers,
      ...(request.body !== undefined && { body: JSON.stringify(request.body) }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    }).catch((cause: unknown) => {
      signal.throwIfAborted();
      const reason = (cause as { cause?: Error }).cause?.message ?? (cause as Error).message;
      throw new DemoFailure({
        expected: `${what} to be answered by ${service}`,
        seen: reason,
        service,
        cause,
      });
    });
    const wanted = request.expect === undefined ? undefined : [request.expect].flat();
    const fits = wanted ? wanted.includes(answer.status) : answer.status >= 200 && answer.status < 300;
    if (!fits) {
      throw new DemoFailure({
        expected: `${what} to answer ${wanted?.join(' or ') ?? '2xx'}`,
        seen: `${answer.status} ${typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body)}`,
        service,
      });
    }
    return answer;
  }

  return {
    baseUrl,
    send,
    get: (path, request) => send('GET', path, request),
    post: (path, request) => send('POST', path, request),
  };
}

async function fetchAnswer(url: URL, init: RequestInit): Promise<HttpAnswer> {
  const response = await fetch(url, init);
  const text = await response.text();
  const isJson = /\bjson\b/.test(response.headers.get('content-type') ?? '');
  const body = text === '' ? undefined : isJson ? JSON.parse(text) : text;
  return { status: response.status, headers: response.headers, body };
}
