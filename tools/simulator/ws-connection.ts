import type { WebSocket } from 'ws';
import type { Clock, Timer } from '../../lib/time.ts';
import type { Backend, ChainLens, RpcCall, RpcOutcome } from './backend.ts';
import type { FaultEngine } from './fault-engine.ts';
import type { Stats } from './stats.ts';
import type { Upstream } from './upstream.ts';

/** How often notifications held back by a lag fault are looked at again. */
const HELD_CHECK_MS = 100;
/** Notifications held back at most; older ones are lost, as on a node that is far behind. */
const MAX_HELD = 10_000;

interface Subscription {
  readonly id: string;
  readonly kind: string;
  readonly filter: unknown;
  /** Notifications that may not leave before the answer to `eth_subscribe` did, or that a lag holds back. */
  readonly held: unknown[];
  answered: boolean;
  stop: (() => void) | undefined;
}

const heightOf = (result: unknown): number | undefined => {
  const { number, blockNumber } = (typeof result === 'object' && result !== null ? result : {}) as Record<
    string,
    unknown
  >;
  const text = blockNumber ?? number;
  return typeof text === 'string' ? Number(text) : undefined;
};

/** One WebSocket caller: its messages, its subscriptions, and the faults on both. */
export function serveWebSocket(
  socket: WebSocket,
  deps: {
    upstream: Upstream;
    backend: Backend;
    faults: FaultEngine;
    stats: Stats;
    clock: Clock;
    newId: () => string;
  },
): void {
  const { upstream, backend, faults, stats, clock } = deps;
  const subscriptions = new Map<string, Subscription>();
  const gone = new AbortController();
  let heldTimer: Timer | undefined;

  function send(text: string | Buffer): void {
    if (socket.readyState !== socket.OPEN) return;
    stats.sent(text.length);
    socket.send(text, { binary: false });
  }

  /** Faults on notifications must name `eth_subscription`: faults on calls leave the stream alone. */
  function deliver(subscription: Subscription, result: unknown): void {
    const text = JSON.stringify({
      jsonrpc: '2.0',
      method: 'eth_subscription',
      params: { subscription: subscription.id, result },
    });
    const strikes = faults.any()
      ? faults
          .strikeExchange(['eth_subscription'], 'ws')
          .filter(({ fault }) => fault.methods?.includes('eth_subscription'))
      : [];
    let delay = 0;
    for (const { fault } of strikes) {
      stats.fault(fault.type);
      if (fault.type === 'timeout') return;
      if (fault.type === 'reset') {
        socket.terminate();
        return;
      }
      if (fault.type === 'truncated') {
        send(text.slice(0, Math.floor(text.length * fault.keep)));
        return;
      }
      if (fault.type === 'latency') delay += fault.ms;
    }
    if (delay > 0) clock.setTimeout(() => send(text), delay);
    else send(text);
  }

  /** On a fork the subscriber is told of its own branch: ask the bent chain for the same height. */
  async function bend(subscription: Subscription, result: unknown, lens: ChainLens): Promise<unknown[]> {
    const height = heightOf(result);
    if (lens.forkFrom === undefined || height === undefined || height < lens.forkFrom) return [result];
    const number = `0x${height.toString(16)}`;
    if (subscription.kind === 'newHeads') {
      const outcome = await backend.call(
        { method: 'eth_getBlockByNumber', params: [number, false] },
        lens,
        gone.signal,
      );
      if (!('result' in outcome) || outcome.result === null) return [];
      const {
        transactions: _transactions,
        uncles: _uncles,
        ...header
      } = outcome.result as Record<string, unknown>;
      return [header];
    }
    const { logIndex } = result as { logIndex?: string };
    const filter = { ...(subscription.filter as object), fromBlock: number, toBlock: number };
    const outcome = await backend.call({ method: 'eth_getLogs', params: [filter] }, lens, gone.signal);
    const logs = 'result' in outcome ? (outcome.result as { logIndex?: string }[]) : [];
    return logs.filter((log) => log.logIndex === logIndex);
  }

  async function flush(subscription: Subscription): Promise<void> {
    if (!subscription.answered || subscription.held.length === 0) return;
    const lens = faults.any()
      ? await upstream.lensFor(
          subscription.kind === 'logs' ? 'eth_getLogs' : 'eth_getBlockByNumber',
          'ws',
          gone.signal,
        )
      : undefined;
    while (subscription.held.length > 0) {
      const result = subscription.held[0];
      const height = heightOf(result);
      if (lens?.maxHeight !== undefined && height !== undefined && height > lens.maxHeight) {
        heldTimer ??= clock.setTimeout(() => {
          heldTimer = undefined;
          for (const each of subscriptions.values()) pump(each);
        }, HELD_CHECK_MS);
        return;
      }
      subscription.held.shift();
      for (const bent of lens === undefined ? [result] : await bend(subscription, result, lens))
        deliver(subscription, bent);
    }
  }

  const pumping = new Map<string, Promise<void>>();
  /** One flush at a time per subscription keeps the order; a failure (node gone) ends the connection, as nodes do. */
  function pump(subscription: Subscription): void {
    if (
      subscription.answered &&
      subscription.held.length > 0 &&
      !faults.any() &&
      !pumping.has(subscription.id)
    ) {
      for (const result of subscription.held.splice(0)) deliver(subscription, result);
      return;
    }
    const previous = pumping.get(subscription.id) ?? Promise.resolve();
    const next = previous.then(() => flush(subscription)).catch(() => socket.terminate());
    pumping.set(subscription.id, next);
    void next.then(() => {
      if (pumping.get(subscription.id) === next) pumping.delete(subscription.id);
    });
  }

  async function subscribe(params: readonly unknown[]): Promise<RpcOutcome> {
    const [kind, filter] = params;
    const subscription: Subscription = {
      id: deps.newId(),
      kind: String(kind),
      filter,
      held: [],
      answered: false,
      stop: undefined,
    };
    try {
      subscription.stop = await backend.subscribe(
        subscription.kind,
        filter,
        (result) => {
          subscription.held.push(result);
          if (subscription.held.length > MAX_HELD) subscription.held.shift();
          pump(subscription);
        },
        () => socket.terminate(),
      );
    } catch (error) {
      return { error: { code: -32602, message: (error as Error).message } };
    }
    if (gone.signal.aborted) subscription.stop();
    subscriptions.set(subscription.id, subscription);
    stats.subscription(1);
    return { result: subscription.id };
  }

  function unsubscribe(id: unknown): RpcOutcome {
    const subscription = subscriptions.get(String(id));
    if (subscription === undefined) return { error: { code: -32000, message: 'subscription not found' } };
    subscriptions.delete(subscription.id);
    subscription.stop?.();
    stats.subscription(-1);
    return { result: true };
  }

  function connectionCalls({ method, params }: RpcCall): Promise<RpcOutcome> | undefined {
    if (method === 'eth_subscribe') return subscribe(params);
    return method === 'eth_unsubscribe' ? Promise.resolve(unsubscribe(params[0])) : undefined;
  }

  async function answer(body: Buffer): Promise<void> {
    const delivery = await upstream.exchange(body, 'ws', gone.signal, connectionCalls);
    if (delivery.kind === 'hang') return;
    if (delivery.kind === 'reset') {
      socket.terminate();
      return;
    }
    const length = delivery.truncateTo ?? delivery.resetAfter ?? delivery.body.length;
    send(delivery.body.subarray(0, length));
    if (delivery.resetAfter !== undefined) socket.terminate();
    for (const subscription of subscriptions.values()) {
      if (subscription.answered) continue;
      subscription.answered = true;
      pump(subscription);
    }
  }

  stats.webSocket(1);
  socket.on('message', (data) => {
    stats.flight(1);
    answer(data as Buffer)
      // Only a node that cannot be reached ends here; its callers see a broken connection.
      .catch(() => socket.terminate())
      .finally(() => stats.flight(-1));
  });
  socket.on('error', () => socket.terminate());
  socket.on('close', () => {
    gone.abort();
    heldTimer?.cancel();
    stats.webSocket(-1);
    stats.subscription(-subscriptions.size);
    for (const subscription of subscriptions.values()) subscription.stop?.();
    subscriptions.clear();
  });
}
