import { type Dispatcher, Pool } from 'undici';
import type { Clock } from '../../../lib/time.ts';
import type { RunningAttempt, TransportFault, TransportReply, UpstreamTransport } from './attempt.ts';

export interface UndiciTransportOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Sockets kept to the provider. */
  readonly connections: number;
  readonly http2: boolean;
  readonly connectTimeoutMs: number;
  /** Largest answer that is read, in bytes; a longer one is a malformed answer. */
  readonly maxResponseBytes: number;
  readonly clock: Clock;
}

const CONNECT_CODES = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);

/**
 * Posts to one provider over its own keep-alive pool. Works on undici's dispatch interface: no stream objects, no
 * promises per request, because this is where the gateway spends most of its time.
 */
export function createUndiciTransport(options: UndiciTransportOptions): UpstreamTransport {
  const target = new URL(options.url);
  const path = `${target.pathname}${target.search}`;
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    accept: 'application/json',
    ...options.headers,
  };
  if (target.username !== '' || target.password !== '') {
    const credentials = `${decodeURIComponent(target.username)}:${decodeURIComponent(target.password)}`;
    headers.authorization ??= `Basic ${Buffer.from(credentials).toString('base64')}`;
  }
  const pool = new Pool(target.origin, {
    connections: options.connections,
    allowH2: options.http2,
    pipelining: options.http2 ? 100 : 1,
    keepAliveTimeout: 30_000,
    keepAliveMaxTimeout: 300_000,
    // Our own timer below covers the whole exchange; undici's would be a second one per request.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { timeout: options.connectTimeoutMs },
  });

  return {
    post(body, timeoutMs, done) {
      const exchange = new Exchange(options.maxResponseBytes, done);
      const timer = options.clock.setTimeout(
        () => exchange.giveUp('timeout', `no complete answer within ${Math.round(timeoutMs)} ms`),
        timeoutMs,
      );
      exchange.onSettled = () => timer.cancel();
      try {
        pool.dispatch({ path, method: 'POST', headers, body }, exchange);
      } catch (error) {
        exchange.giveUp('connect', (error as Error).message);
      }
      return exchange;
    },
    close: () => pool.destroy(),
  };
}

/** One request on the wire. Answers once; what arrives later is dropped. */
class Exchange implements Dispatcher.DispatchHandler, RunningAttempt {
  onSettled: () => void = () => undefined;
  readonly #maxBytes: number;
  readonly #done: (reply: TransportReply) => void;
  #settled = false;
  #controller: Dispatcher.DispatchController | undefined;
  #status = 0;
  #retryAfter: string | undefined;
  #first: Buffer | undefined;
  #rest: Buffer[] | undefined;
  #bytes = 0;

  constructor(maxBytes: number, done: (reply: TransportReply) => void) {
    this.#maxBytes = maxBytes;
    this.#done = done;
  }

  cancel(): void {
    if (this.#settled) return;
    this.#settled = true;
    this.onSettled();
    this.#controller?.abort(new Error('no longer needed'));
  }

  giveUp(fault: TransportFault, message: string): void {
    if (this.#settled) return;
    this.#settle({ ok: false, fault, message });
    this.#controller?.abort(new Error(message));
  }

  #settle(reply: TransportReply): void {
    this.#settled = true;
    this.onSettled();
    this.#done(reply);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#settled) controller.abort(new Error('no longer needed'));
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    this.#status = status;
    const retryAfter = headers['retry-after'];
    this.#retryAfter = Array.isArray(retryAfter) ? retryAfter[0] : retryAfter;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#settled) return;
    this.#bytes += chunk.length;
    if (this.#bytes > this.#maxBytes) {
      this.giveUp('malformed', `answer is larger than ${this.#maxBytes} bytes`);
      return;
    }
    if (this.#first === undefined) this.#first = chunk;
    else if (this.#rest === undefined) this.#rest = [this.#first, chunk];
    else this.#rest.push(chunk);
  }

  onResponseEnd(): void {
    if (this.#settled) return;
    const body =
      this.#rest !== undefined ? Buffer.concat(this.#rest).toString() : (this.#first?.toString() ?? '');
    this.#settle({ ok: true, status: this.#status, retryAfter: this.#retryAfter, body });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error & { code?: string }): void {
    if (this.#settled) return;
    const fault: TransportFault =
      error.code !== undefined && CONNECT_CODES.has(error.code) ? 'connect' : 'reset';
    this.#settle({ ok: false, fault, message: error.message || error.code || 'connection failed' });
  }
}
