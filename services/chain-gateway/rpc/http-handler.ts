import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../../lib/time.ts';
import { callerFrom } from '../admission/asked.ts';
import { describeLimit } from '../admission/limits/limit-headers.ts';
import type { LimitStanding } from '../admission/limits/unit-limiter.ts';
import type { Principal } from '../admission/principal.ts';
import type { RpcCall } from './call-path.ts';
import { RPC_ERROR } from './errors.ts';
import { type FrontDoor, type Reply, refusal } from './front-door.ts';

/** What authentication says about a request: who it is, or why not. */
export type Identified =
  | { readonly principal: Principal }
  | { readonly status: number; readonly message: string };

export interface HttpHandlerDeps {
  readonly door: FrontDoor;
  readonly chainId: number;
  readonly maxBodyBytes: number;
  /** Default and longest time a client waits for a call, milliseconds. A client shortens it (see admission/asked.ts). */
  readonly callTimeoutMs: number;
  readonly identify: (request: IncomingMessage) => Identified | Promise<Identified>;
  readonly clock: Pick<Clock, 'now'>;
  /** Where a principal stands in its rate limit. */
  readonly standing?: (principal: Principal) => LimitStanding | undefined;
  readonly newRequestId: () => string;
  readonly draining: () => boolean;
}

/**
 * A refused body up to this size is read and thrown away: a client that still writes when the connection is closed sees
 * a broken pipe and never our answer.
 */
const MAX_DISCARDED_BYTES = 64 * 1024 * 1024;
const REQUEST_ID = /^[A-Za-z0-9._:-]{4,128}$/;
const PATH = /^\/rpc(?:\/([^/?#]*))?\/?(?:[?#].*)?$/;

/** True for requests that `createRpcHttpHandler` answers; everything else belongs to the REST application. */
export function isRpcPath(url: string | undefined): boolean {
  return url?.startsWith('/rpc') === true && PATH.test(url);
}

/**
 * JSON-RPC over HTTP, directly on node:http: Express and its middleware would cost more than the call itself.
 * Answers every request, malformed or not, with a JSON-RPC body.
 */
export function createRpcHttpHandler(
  deps: HttpHandlerDeps,
): (request: IncomingMessage, response: ServerResponse) => void {
  const { door, callTimeoutMs, clock } = deps;

  function respond(response: ServerResponse, requestId: string, reply: Reply, close = false): void {
    if (response.destroyed || response.headersSent) return;
    const headers: Record<string, string | number> = { 'x-request-id': requestId };
    describe(headers, reply.calls);
    const who = reply.calls[0]?.who;
    if (who?.limit !== undefined) describeLimit(headers, who, deps.standing?.(who));
    if (reply.retryAfterSeconds !== undefined) headers['retry-after'] = reply.retryAfterSeconds;
    if (close || deps.draining()) headers.connection = 'close';
    if (reply.body === undefined) {
      response.writeHead(reply.status, headers);
      response.end();
      return;
    }
    headers['content-type'] = 'application/json';
    headers['content-length'] = Buffer.byteLength(reply.body);
    response.writeHead(reply.status, headers);
    response.end(reply.body);
  }

  function run(request: IncomingMessage, response: ServerResponse, requestId: string, body: string): void {
    const go = (identified: Identified): void => {
      if (!('principal' in identified)) {
        respond(response, requestId, refusal(identified.status, RPC_ERROR.unauthorized, identified.message));
        return;
      }
      const reply = door.handle(
        body,
        callerFrom(request.headers, identified.principal, requestId, callTimeoutMs, clock),
      );
      if (reply instanceof Promise) void reply.then((done) => respond(response, requestId, done));
      else respond(response, requestId, reply);
    };
    const identified = deps.identify(request);
    if (identified instanceof Promise) void identified.then(go);
    else go(identified);
  }

  return (request, response) => {
    const given = request.headers['x-request-id'];
    const requestId = typeof given === 'string' && REQUEST_ID.test(given) ? given : deps.newRequestId();
    const chain = PATH.exec(request.url ?? '')?.[1];
    if (chain !== undefined && chain !== '' && Number(chain) !== deps.chainId) {
      request.resume();
      respond(
        response,
        requestId,
        refusal(
          404,
          RPC_ERROR.invalidRequest,
          `chain ${chain.slice(0, 20)} is not served here; this gateway serves chain ${deps.chainId}`,
        ),
      );
      return;
    }
    if (request.method !== 'POST') {
      request.resume();
      response.setHeader('allow', 'POST');
      respond(response, requestId, refusal(405, RPC_ERROR.invalidRequest, 'JSON-RPC over HTTP uses POST'));
      return;
    }
    const tooLarge = (close: boolean): void =>
      respond(
        response,
        requestId,
        refusal(413, RPC_ERROR.invalidRequest, `the body may have at most ${deps.maxBodyBytes} bytes`),
        close,
      );
    const announced = Number(request.headers['content-length'] ?? 0);
    if (announced > deps.maxBodyBytes) {
      request.resume();
      tooLarge(announced > MAX_DISCARDED_BYTES);
      return;
    }
    let first: Buffer | undefined;
    let rest: Buffer[] | undefined;
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > deps.maxBodyBytes) {
        // Answered at once, and the connection is closed after it: a client that keeps sending fills nobody's memory.
        tooLarge(true);
        first = undefined;
        rest = undefined;
        return;
      }
      if (first === undefined) first = chunk;
      else if (rest === undefined) rest = [first, chunk];
      else rest.push(chunk);
    });
    request.on('end', () => {
      if (bytes > deps.maxBodyBytes) return;
      run(
        request,
        response,
        requestId,
        rest !== undefined ? Buffer.concat(rest).toString() : (first?.toString() ?? ''),
      );
    });
  };
}

/** Headers that tell the truth about how the answer came about. A batch is summed up. */
function describe(headers: Record<string, string | number>, calls: readonly RpcCall[]): void {
  const first = calls[0];
  if (first === undefined) return;
  if (calls.length === 1) {
    headers['x-cache'] = first.cache;
    if (first.provider !== undefined) headers['x-provider'] = first.provider;
    headers['x-attempts'] = first.attempts;
    headers['x-compute-units'] = first.units;
    return;
  }
  const verdicts = new Map<string, number>();
  const providers = new Set<string>();
  let attempts = 0;
  let units = 0;
  for (const call of calls) {
    verdicts.set(call.cache, (verdicts.get(call.cache) ?? 0) + 1);
    if (call.provider !== undefined) providers.add(call.provider);
    attempts += call.attempts;
    units += call.units;
  }
  headers['x-cache'] =
    verdicts.size === 1
      ? first.cache
      : [...verdicts].map(([verdict, count]) => `${verdict}=${count}`).join(' ');
  if (providers.size > 0) headers['x-provider'] = [...providers].join(' ');
  headers['x-attempts'] = attempts;
  headers['x-compute-units'] = units;
}
