/** An answer of the API that is not a success; `code` is stable, `retry` says what helps. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly code: string;
  readonly retry: string;
  readonly requestId: string | undefined;
  readonly errors: readonly { pointer: string; rule: string; detail: string }[];
  readonly retryAfterSeconds: number | undefined;
  constructor(status: number, problem: Record<string, unknown>, retryAfterSeconds: number | undefined) {
    super(String(problem.detail ?? `The API answered ${status}`));
    this.status = status;
    this.code = String(problem.code ?? 'unknown');
    this.retry = String(problem.retry ?? 'never');
    this.requestId = typeof problem.requestId === 'string' ? problem.requestId : undefined;
    this.errors = Array.isArray(problem.errors) ? problem.errors : [];
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export interface ClientOptions {
  readonly baseUrl: string;
  /** An API key or access token, or a function that yields a fresh one. */
  readonly token?: string | (() => string | Promise<string>);
  /** OAuth client credentials; the token is fetched and renewed by itself. */
  readonly clientCredentials?: { readonly id: string; readonly secret: string; readonly scope?: string };
  /** Attempts after the first; default 3. */
  readonly maxRetries?: number;
  /** Milliseconds for one attempt; default 30 000. */
  readonly timeoutMs?: number;
  readonly fetch?: typeof fetch;
  /** For tests. */
  readonly sleep?: (ms: number) => Promise<void>;
}

export interface RequestOptions {
  readonly signal?: AbortSignal;
  /** Of your own, to retry over a restart of your program; otherwise one is made. */
  readonly idempotencyKey?: string;
}

export interface StreamOptions {
  readonly signal?: AbortSignal;
  /** Id of the last event that was seen before; the stream goes on after it. */
  readonly lastEventId?: string;
}

/** One server-sent event, its data parsed. */
export interface StreamEvent<T> {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: T;
}

export interface CallSpec {
  readonly method: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, unknown>> | undefined;
  readonly body?: unknown;
  /** Creates something: an Idempotency-Key goes along, so that a retry cannot act twice. */
  readonly idempotent?: boolean;
}

const BASE_DELAY_MS = 250;
const MAX_DELAY_MS = 8_000;
/** A longer wait is the caller's decision, not ours. */
const MAX_RETRY_AFTER_MS = 60_000;
const RETRYABLE = new Set([429, 502, 503, 504]);
/** Renew before the end, so that no request is refused on the way. */
const RENEW_EARLY_MS = 30_000;

const retryAfterMs = (header: string | null): number | undefined => {
  if (header === null) return undefined;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return seconds * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
};

/** What every operation goes through: credentials, idempotency, retries, errors. */
export class Transport {
  readonly #options: ClientOptions;
  #granted: { token: string; until: number } | undefined;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  async #token(): Promise<string | undefined> {
    const { token, clientCredentials } = this.#options;
    if (typeof token === 'function') return token();
    if (!clientCredentials) return token;
    if (this.#granted && this.#granted.until > Date.now()) return this.#granted.token;
    const send = this.#options.fetch ?? fetch;
    const answer = await send(`${this.#options.baseUrl}/v1/oauth/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: clientCredentials.id,
        client_secret: clientCredentials.secret,
        ...(clientCredentials.scope ? { scope: clientCredentials.scope } : {}),
      }).toString(),
    });
    const body = (await answer.json()) as Record<string, unknown>;
    if (!answer.ok) throw new ApiError(answer.status, body, undefined);
    const life = Number(body.expires_in) * 1000;
    this.#granted = { token: String(body.access_token), until: Date.now() + life - RENEW_EARLY_MS };
    return this.#granted.token;
  }

  async call<T>(spec: CallSpec, options: RequestOptions = {}): Promise<T> {
    const { baseUrl, maxRetries = 3, timeoutMs = 30_000 } = this.#options;
    const send = this.#options.fetch ?? fetch;
    const sleep = this.#options.sleep ?? ((ms: number) => new Promise((resolve) => setTimeout(resolve, ms)));
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(spec.query ?? {}))
      if (value !== undefined) query.set(name, String(value));
    const url = `${baseUrl}${spec.path}${query.size > 0 ? `?${query}` : ''}`;
    const key = spec.idempotent ? (options.idempotencyKey ?? crypto.randomUUID()) : undefined;
    // Without a key a repeated POST could act twice; reading, replacing and deleting cannot.
    const repeatable = spec.method !== 'POST' || key !== undefined;

    for (let attempt = 0; ; attempt++) {
      const last = attempt >= maxRetries || !repeatable;
      let answer: Response;
      try {
        const token = await this.#token();
        const timeout = AbortSignal.timeout(timeoutMs);
        answer = await send(url, {
          method: spec.method,
          headers: {
            accept: 'application/json',
            ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
            ...(spec.body === undefined ? {} : { 'content-type': 'application/json' }),
            ...(key === undefined ? {} : { 'idempotency-key': key }),
          },
          ...(spec.body === undefined ? {} : { body: JSON.stringify(spec.body) }),
          signal: options.signal ? AbortSignal.any([options.signal, timeout]) : timeout,
        });
      } catch (error) {
        if (error instanceof ApiError || options.signal?.aborted || last) throw error;
        await sleep(backoff(attempt));
        continue;
      }
      if (answer.ok) {
        const text = await answer.text();
        return (text === '' ? undefined : JSON.parse(text)) as T;
      }
      const wait = retryAfterMs(answer.headers.get('retry-after'));
      const problem = (await answer.json().catch(() => ({}))) as Record<string, unknown>;
      const inProgress = problem.code === 'idempotency_in_progress';
      if (last || !(RETRYABLE.has(answer.status) || inProgress) || (wait ?? 0) > MAX_RETRY_AFTER_MS) {
        throw new ApiError(answer.status, problem, wait === undefined ? undefined : wait / 1000);
      }
      await sleep(wait ?? backoff(attempt));
    }
  }

  /** Events of a stream, over lost connections, until the server has no more. Leave the loop to stop. */
  async *stream<T>(spec: CallSpec, options: StreamOptions = {}): AsyncGenerator<StreamEvent<T>, void> {
    const { baseUrl, maxRetries = 3 } = this.#options;
    const send = this.#options.fetch ?? fetch;
    const sleep = this.#options.sleep ?? ((ms: number) => new Promise((resolve) => setTimeout(resolve, ms)));
    let last = options.lastEventId;
    for (let failures = 0; ; ) {
      const left = new AbortController();
      const signal = options.signal ? AbortSignal.any([options.signal, left.signal]) : left.signal;
      const from = Date.now();
      let seen = 0;
      let ended = false;
      try {
        const token = await this.#token();
        const answer = await send(`${baseUrl}${spec.path}`, {
          headers: {
            accept: 'text/event-stream',
            ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
            ...(last === undefined ? {} : { 'last-event-id': last }),
          },
          signal,
        });
        if (!answer.ok) {
          const problem = (await answer.json().catch(() => ({}))) as Record<string, unknown>;
          const wait = retryAfterMs(answer.headers.get('retry-after'));
          throw new ApiError(answer.status, problem, wait === undefined ? undefined : wait / 1000);
        }
        const ready: StreamEvent<T>[] = [];
        const push = eventParser(({ data, ...event }) =>
          ready.push({ ...event, data: JSON.parse(data) as T }),
        );
        const decoder = new TextDecoder();
        for await (const chunk of answer.body ?? []) {
          push(decoder.decode(chunk as Uint8Array, { stream: true }));
          for (const event of ready.splice(0)) {
            last = event.id ?? last;
            seen++;
            failures = 0;
            yield event;
          }
        }
        ended = true;
      } catch (error) {
        const retryable = !(error instanceof ApiError) || RETRYABLE.has(error.status);
        if (options.signal?.aborted || !retryable || failures >= maxRetries) throw error;
        failures++;
        await sleep(
          (error instanceof ApiError ? (error.retryAfterSeconds ?? 0) * 1000 : 0) || backoff(failures),
        );
      } finally {
        // Also when the caller leaves its loop: the connection goes with it.
        left.abort();
      }
      if (ended && seen === 0 && last !== undefined && Date.now() - from < OVER_WITHIN_MS) return;
    }
  }
}

/** A stream that the server ends at once and without news, when asked to go on after the last event, is over. */
const OVER_WITHIN_MS = 1_000;

/** Reads `text/event-stream` (HTML Living Standard, section 9.2.6); calls back for each whole event. */
function eventParser(onEvent: (event: { id: string | undefined; event: string; data: string }) => void) {
  let rest = '';
  let id: string | undefined;
  let name = 'message';
  let data: string[] = [];
  return (text: string): void => {
    const lines = (rest + text).split(/\r\n|\n|\r/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) onEvent({ id, event: name, data: data.join('\n') });
        name = 'message';
        data = [];
        continue;
      }
      const colon = line.indexOf(':');
      const field = colon === -1 ? line : line.slice(0, colon);
      const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (field === 'data') data.push(value);
      else if (field === 'event') name = value;
      else if (field === 'id') id = value;
    }
  };
}

/** Exponential with full jitter, so that many clients do not come back at once. */
const backoff = (attempt: number): number =>
  Math.random() * Math.min(MAX_DELAY_MS, BASE_DELAY_MS * 2 ** attempt);

export interface Page<T> {
  readonly data: readonly T[];
  readonly page: { readonly next: string | null; readonly hasMore: boolean };
}

/**
 * Every item of a list, page after page:
 * `for await (const offer of paginate((cursor) => client.listPartnerOffers({ cursor }))) …`
 */
export async function* paginate<T>(
  read: (cursor: string | undefined) => Promise<Page<T>>,
): AsyncGenerator<T, void> {
  let cursor: string | undefined;
  do {
    const { data, page } = await read(cursor);
    yield* data;
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
}
