import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from '../../../lib/log.ts';
import type { Metrics } from '../../../lib/metrics.ts';
import type { Random } from '../../../lib/random.ts';
import type { Clock } from '../../../lib/time.ts';
import { callerFrom } from '../admission/asked.ts';
import type { ChainView } from '../heads/chain-view.ts';
import type { RpcCall } from '../rpc/call-path.ts';
import { gatewayError, httpStatusOf, RPC_ERROR } from '../rpc/errors.ts';
import { type EthereumRpc, RpcCallError } from '../rpc/ethereum-rpc.ts';
import type { Caller, FrontDoor } from '../rpc/front-door.ts';
import type { Identified } from '../rpc/http-handler.ts';
import type { LocalMethods } from '../rpc/local-methods.ts';
import { failure, type RpcOutcome, success } from '../rpc/outcome.ts';
import {
  createSubscriptions,
  DEFAULT_SUBSCRIPTION_LIMITS,
  type SubscriptionLimits,
} from './create-subscriptions.ts';
import type { FilterStore } from './filter-store.ts';
import type { LocalMethod, RpcContext, WebSocketSession } from './local-method.ts';
import { createRpcWebSocketServer } from './ws-server.ts';

export interface MountedSubscriptions {
  /** For the HTTP server's `upgrade` event. Paths that are not JSON-RPC are refused with 404. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Sends every client away (1001) and stops following the chain. */
  close(deadlineMs: number): Promise<void>;
  /** WebSocket URL of the provider that pushes heads just now; undefined while they are polled. */
  pushedBy(): string | undefined;
}

const PATH = /^\/rpc(?:\/([^/?#]*))?\/?(?:[?#].*)?$/;
/** With a head tracker telling of every head, polling is only the net below. */
const NET_POLL_MS = 2_000;

function outcomeOf(method: string, error: unknown, log: Pick<Logger, 'error'>): RpcOutcome {
  if (error instanceof RpcCallError) {
    return failure(error.code, error.message, error.retry, {
      data: error.data === undefined ? undefined : JSON.stringify(error.data),
      retryAfterSeconds: error.retryAfterSeconds,
    });
  }
  log.error({ err: error, method }, 'a local method failed in an unforeseen way');
  return gatewayError(RPC_ERROR.internal, 'internal error');
}

const refusedWith = (status: number, message: string): Error => Object.assign(new Error(message), { status });

/** A browser cannot set headers when it opens a WebSocket: `?priority=` and `?timeout-ms=` say the same. */
function withQuery(request: IncomingMessage): IncomingMessage['headers'] {
  const at = request.url?.indexOf('?') ?? -1;
  if (at < 0) return request.headers;
  const query = new URLSearchParams(request.url?.slice(at));
  const headers = { ...request.headers };
  for (const name of ['priority', 'timeout-ms']) {
    const value = query.get(name);
    if (value !== null) headers[`x-${name}`] ??= value;
  }
  return headers;
}

/**
 * Puts subscriptions and filters into the gateway: their methods into the front door's table, the front door behind
 * a WebSocket server, the served head as the source of all news.
 */
export function mountSubscriptions(deps: {
  rpc: EthereumRpc;
  door: FrontDoor;
  local: LocalMethods;
  view: Pick<ChainView, 'onHead' | 'onReorg'>;
  /** Asks all providers for their heads now. */
  pokeHeads: () => void;
  identify: (request: IncomingMessage) => Identified | Promise<Identified>;
  /** WebSocket URLs of the providers in use, best first. */
  webSocketUrls?: () => readonly string[];
  chainId: number;
  callTimeoutMs: number;
  clock: Clock;
  random: Random;
  log: Pick<Logger, 'info' | 'warn' | 'error'>;
  metrics: Metrics;
  limits?: Partial<SubscriptionLimits>;
  /** Where filters live when several processes share one address. */
  filterStore?: FilterStore;
}): MountedSubscriptions {
  const { door, local, view, log, chainId, callTimeoutMs } = deps;
  const limits: SubscriptionLimits = {
    ...DEFAULT_SUBSCRIPTION_LIMITS,
    headPollMs: NET_POLL_MS,
    ...deps.limits,
  };
  const subscriptions = createSubscriptions({
    rpc: deps.rpc,
    clock: deps.clock,
    random: deps.random,
    log,
    metrics: deps.metrics,
    chainId,
    limits,
    ...(deps.filterStore === undefined ? {} : { filterStore: deps.filterStore }),
    nudgeHeads: deps.pokeHeads,
    onServedHead(listener) {
      const stop = [view.onHead(listener), view.onReorg(listener)];
      return () => {
        for (const each of stop) each();
      };
    },
    ...(deps.webSocketUrls === undefined ? {} : { webSocketUrls: deps.webSocketUrls }),
  });

  /** Messages being answered, by request id: how a call finds back to the connection it came over. */
  const contexts = new Map<string, RpcContext>();

  const handlerFor =
    (name: string, method: LocalMethod) =>
    async (call: RpcCall): Promise<RpcOutcome> => {
      const context = contexts.get(call.requestId) ?? {
        principal: call.principal,
        requestId: call.requestId,
      };
      try {
        return success(JSON.stringify(await method(call.params, context)));
      } catch (error) {
        return outcomeOf(name, error, log);
      }
    };
  for (const [name, method] of subscriptions.localMethods) local.register(name, handlerFor(name, method));

  const sockets = createRpcWebSocketServer({
    limits,
    metrics: subscriptions.webSocketMetrics,
    clock: deps.clock,
    random: deps.random,
    log,
    async authenticate(request) {
      const identified = await deps.identify(request);
      if (!('principal' in identified)) throw refusedWith(identified.status, identified.message);
      const { principal } = identified;
      if (request.headers['x-deadline-ms'] !== undefined)
        throw refusedWith(400, 'x-deadline-ms is for one call over HTTP; a WebSocket takes x-timeout-ms');
      const asked = callerFrom(withQuery(request), principal, '', callTimeoutMs, deps.clock);
      if (asked.refusal !== undefined) throw refusedWith(httpStatusOf(asked.refusal), asked.refusal.message);
      return { principal: principal.id, session: asked };
    },
    async answer(body, context) {
      const requestId = context.requestId as string;
      const { principal, priority, timeoutMs } = context.session as WebSocketSession;
      const caller: Caller = { requestId, principal, priority, timeoutMs };
      contexts.set(requestId, context);
      try {
        return (await door.handle(body, caller)).body;
      } finally {
        contexts.delete(requestId);
      }
    },
  });

  return {
    pushedBy: subscriptions.pushedBy,
    upgrade(request, socket, head) {
      const match = PATH.exec(request.url ?? '');
      const chain = match?.[1] ?? '';
      if (match === null || (chain !== '' && Number(chain) !== chainId)) {
        socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
        return;
      }
      sockets.upgrade(request, socket, head);
    },
    async close(deadlineMs) {
      await sockets.close(deadlineMs);
      subscriptions.close();
    },
  };
}
