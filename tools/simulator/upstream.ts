/**
 * The heart of the simulator, free of sockets: bytes of a JSON-RPC request in, a `Delivery` out that says what the
 * wire shall do with it. The HTTP and WebSocket servers carry it out; a test in virtual time can call it directly.
 */

import type { Random } from '../../lib/random.ts';
import type { Clock } from '../../lib/time.ts';
import type { Backend, ChainLens, RpcCall, RpcOutcome } from './backend.ts';
import type { FaultEngine, FaultStrike, Transport } from './fault-engine.ts';
import type { Fault, FaultOf } from './faults.ts';
import type { Stats } from './stats.ts';

export type Delivery =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: Buffer;
      /** Send only so many bytes of the body and end as if that were all. */
      readonly truncateTo?: number;
      /** Send so many bytes, then reset the connection. */
      readonly resetAfter?: number;
      readonly drip?: { readonly chunkBytes: number; readonly intervalMs: number };
    }
  | { readonly kind: 'reset' }
  | { readonly kind: 'hang' };

interface RpcItem {
  readonly id?: unknown;
  readonly method: string;
  readonly params?: unknown;
}

/** Answers `eth_subscribe` and `eth_unsubscribe`, which belong to a connection and not to the node. */
export type ConnectionCalls = (call: RpcCall) => Promise<RpcOutcome> | undefined;

export interface Upstream {
  exchange(
    body: Buffer,
    transport: Transport,
    signal: AbortSignal,
    connection?: ConnectionCalls,
  ): Promise<Delivery>;
  /** The chain as a subscriber on this provider sees it now. */
  lensFor(method: string, transport: Transport, signal: AbortSignal): Promise<ChainLens | undefined>;
}

const JSON_HEADERS = { 'content-type': 'application/json' } as const;
/** Methods whose honest answer may be empty: what `wrong-empty` says instead of the truth. */
const EMPTY_LIST = /^eth_(getLogs|getFilterLogs|getFilterChanges|getBlockReceipts|accounts)$/;
const EMPTY_BYTES = /^eth_(call|getCode)$/;

function emptyAnswer(method: string): unknown {
  if (EMPTY_LIST.test(method)) return [];
  return EMPTY_BYTES.test(method) ? '0x' : null;
}

function isItem(value: unknown): value is RpcItem {
  return typeof value === 'object' && value !== null && typeof (value as RpcItem).method === 'string';
}

function retryAfterHeader(value: number | string | undefined): Record<string, string> {
  return value === undefined ? {} : { 'retry-after': String(value) };
}

function answerText(id: unknown, outcome: RpcOutcome): string {
  const tail =
    'result' in outcome
      ? `"result":${JSON.stringify(outcome.result ?? null)}`
      : `"error":${JSON.stringify(outcome.error)}`;
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id ?? null)},${tail}}`;
}

const rpcError = (code: number, message: string, data?: unknown): RpcOutcome => ({
  error: { code, message, ...(data === undefined ? {} : { data }) },
});

export function createUpstream(deps: {
  backend: Backend;
  faults: FaultEngine;
  stats: Stats;
  clock: Clock;
  random: Random;
}): Upstream {
  const { backend, faults, stats, clock, random } = deps;

  function latencyMs({ ms, jitterMs, distribution }: FaultOf<'latency'>): number {
    if (jitterMs === 0) return ms;
    if (distribution === 'exponential') return ms - jitterMs * Math.log(1 - random.float());
    return Math.max(0, ms + (random.float() * 2 - 1) * jitterMs);
  }

  /** Lag and forks are states of the provider: every call they match is answered from the same bent chain. */
  async function lensOf(
    strikes: readonly FaultStrike[],
    signal: AbortSignal,
  ): Promise<ChainLens | undefined> {
    let lens: { maxHeight?: number; forkFrom?: number; forkSalt?: string } | undefined;
    for (const strike of strikes) {
      const { fault } = strike;
      if (fault.type === 'block-lag') {
        const maxHeight = Math.max(0, (await backend.head(signal)) - fault.blocks);
        lens = { ...lens, maxHeight: Math.min(maxHeight, lens?.maxHeight ?? maxHeight) };
      } else if (fault.type === 'frozen-head') {
        const now = await backend.head(signal);
        const maxHeight = strike.anchor(() => now);
        lens = { ...lens, maxHeight: Math.min(maxHeight, lens?.maxHeight ?? maxHeight) };
      } else if (fault.type === 'fork') {
        const now = await backend.head(signal);
        const forkFrom = strike.anchor(() => Math.max(1, now - fault.depth + 1));
        lens = { ...lens, forkFrom, forkSalt: strike.id };
      }
    }
    return lens;
  }

  function logLimit(
    fault: FaultOf<'log-limit'>,
    call: RpcCall,
    outcome: RpcOutcome | undefined,
  ): RpcOutcome | undefined {
    if (call.method !== 'eth_getLogs') return undefined;
    const filter = (call.params[0] ?? {}) as { fromBlock?: string; toBlock?: string };
    const from = Number(filter.fromBlock);
    const to = Number(filter.toBlock);
    if (fault.maxBlocks !== undefined && to - from + 1 > fault.maxBlocks) {
      return rpcError(-32005, `query exceeds max block range ${fault.maxBlocks}`);
    }
    const found =
      outcome !== undefined && 'result' in outcome && Array.isArray(outcome.result)
        ? outcome.result.length
        : 0;
    return fault.maxResults !== undefined && found > fault.maxResults
      ? rpcError(-32005, `query returned more than ${fault.maxResults} results`)
      : undefined;
  }

  async function answerCall(
    item: RpcItem,
    transport: Transport,
    signal: AbortSignal,
    connection: ConnectionCalls | undefined,
  ): Promise<RpcOutcome> {
    const call: RpcCall = { method: item.method, params: Array.isArray(item.params) ? item.params : [] };
    const ask = (lens: ChainLens | undefined): Promise<RpcOutcome> =>
      connection?.(call) ?? backend.call(call, lens, signal);
    if (!faults.anyCallFaults()) return ask(undefined);
    const strikes = faults.strikeCall(call.method, transport);
    for (const { fault } of strikes) {
      const refusal = refuse(fault, call);
      if (refusal !== undefined) {
        stats.fault(fault.type);
        return refusal;
      }
    }
    const lens = await lensOf(strikes, signal);
    if (lens !== undefined) for (const { fault } of strikes) if (isView(fault)) stats.fault(fault.type);
    const outcome = await ask(lens);
    for (const { fault } of strikes) {
      const limited = fault.type === 'log-limit' ? logLimit(fault, call, outcome) : undefined;
      if (limited === undefined) continue;
      stats.fault(fault.type);
      return limited;
    }
    return outcome;
  }

  const isView = (fault: Fault): boolean =>
    fault.type === 'block-lag' || fault.type === 'frozen-head' || fault.type === 'fork';

  /** Faults that answer in place of the node. */
  function refuse(fault: Fault, call: RpcCall): RpcOutcome | undefined {
    switch (fault.type) {
      case 'error':
        return rpcError(fault.code, fault.message, fault.data);
      case 'too-many-requests-in-body':
        return rpcError(fault.code, fault.message);
      case 'unsupported':
        return rpcError(-32601, `the method ${call.method} does not exist/is not available`);
      case 'wrong-empty':
        return { result: emptyAnswer(call.method) };
      case 'wrong-chain-id':
        if (call.method === 'eth_chainId') return { result: `0x${fault.chainId.toString(16)}` };
        return call.method === 'net_version' ? { result: String(fault.chainId) } : undefined;
      case 'log-limit':
        return logLimit(fault, call, undefined);
      default:
        return undefined;
    }
  }

  function tooMany(
    items: readonly RpcItem[],
    batch: boolean,
    retryAfter: number | string | undefined,
    message: string,
  ): Delivery {
    const id = batch ? null : items[0]?.id;
    return {
      kind: 'answer',
      status: 429,
      headers: { ...JSON_HEADERS, ...retryAfterHeader(retryAfter) },
      body: Buffer.from(answerText(id, rpcError(429, message))),
    };
  }

  /** A fault that decides the whole exchange, or undefined to go on. */
  function overall(
    strikes: readonly FaultStrike[],
    items: readonly RpcItem[],
    batch: boolean,
  ): Delivery | undefined {
    for (const { id, fault } of strikes) {
      if (fault.type === 'rate-limit') {
        const waitMs = faults.takeRate(id, items.length);
        if (waitMs === 0) continue;
        stats.fault(fault.type);
        if (fault.shape === 'http') return tooMany(items, batch, fault.retryAfter, 'rate limit exceeded');
        const refused = items.map((item) =>
          answerText(item.id, rpcError(429, `rate limit exceeded, retry in ${Math.ceil(waitMs)} ms`)),
        );
        return {
          kind: 'answer',
          status: 200,
          headers: JSON_HEADERS,
          body: Buffer.from(batch ? `[${refused.join(',')}]` : refused.join('')),
        };
      }
      if (fault.type === 'batch-limit') {
        if (items.length <= fault.maxCalls) continue;
        stats.fault(fault.type);
        return {
          kind: 'answer',
          status: 200,
          headers: JSON_HEADERS,
          body: Buffer.from(
            answerText(null, rpcError(-32600, `batch too large: at most ${fault.maxCalls} calls`)),
          ),
        };
      }
      if (fault.type === 'timeout') return counted(fault, { kind: 'hang' });
      if (fault.type === 'reset' && fault.when === 'before-answer') return counted(fault, { kind: 'reset' });
      if (fault.type === 'too-many-requests')
        return counted(fault, tooMany(items, batch, fault.retryAfter, 'too many requests'));
      if (fault.type === 'http-error') {
        const { status, body, retryAfter } = fault;
        return counted(fault, {
          kind: 'answer',
          status,
          headers: {
            'content-type': body.startsWith('{') ? 'application/json' : 'text/html',
            ...retryAfterHeader(retryAfter),
          },
          body: Buffer.from(body),
        });
      }
    }
    return undefined;
  }

  function counted(fault: Fault, delivery: Delivery): Delivery {
    stats.fault(fault.type);
    return delivery;
  }

  /** Faults of the last mile: the right answer, delivered badly. */
  function spoil(strikes: readonly FaultStrike[], delivery: Delivery): Delivery {
    if (delivery.kind !== 'answer') return delivery;
    let spoiled: Delivery & { kind: 'answer' } = delivery;
    for (const { fault } of strikes) {
      if (fault.type === 'truncated')
        spoiled = { ...spoiled, truncateTo: Math.floor(spoiled.body.length * fault.keep) };
      else if (fault.type === 'reset' && fault.when === 'mid-body')
        spoiled = { ...spoiled, resetAfter: Math.ceil(spoiled.body.length / 2) };
      else if (fault.type === 'slow-drip')
        spoiled = { ...spoiled, drip: { chunkBytes: fault.chunkBytes, intervalMs: fault.intervalMs } };
      else continue;
      stats.fault(fault.type);
    }
    return spoiled;
  }

  async function answerItems(
    body: Buffer,
    items: readonly RpcItem[],
    batch: boolean,
    transport: Transport,
    signal: AbortSignal,
    connection: ConnectionCalls | undefined,
  ): Promise<Delivery> {
    if (backend.forward !== undefined && transport === 'http' && !faults.anyCallFaults()) {
      const forwarded = await backend.forward(body, signal);
      return { kind: 'answer', status: forwarded.status, headers: JSON_HEADERS, body: forwarded.body };
    }
    if (!batch) {
      const [item] = items;
      const outcome = await answerCall(item as RpcItem, transport, signal, connection);
      return {
        kind: 'answer',
        status: 200,
        headers: JSON_HEADERS,
        body: Buffer.from(answerText(item?.id, outcome)),
      };
    }
    const outcomes = await Promise.all(items.map((item) => answerCall(item, transport, signal, connection)));
    const texts = outcomes.map((outcome, index) => answerText(items[index]?.id, outcome));
    return { kind: 'answer', status: 200, headers: JSON_HEADERS, body: Buffer.from(`[${texts.join(',')}]`) };
  }

  function malformed(message: string): Delivery {
    stats.malformed();
    return {
      kind: 'answer',
      status: 400,
      headers: JSON_HEADERS,
      body: Buffer.from(answerText(null, rpcError(-32700, message))),
    };
  }

  return {
    async exchange(body, transport, signal, connection) {
      let parsed: unknown;
      try {
        parsed = JSON.parse(body.toString('utf8'));
      } catch {
        return malformed('parse error');
      }
      const batch = Array.isArray(parsed);
      const items: unknown[] = batch ? (parsed as unknown[]) : [parsed];
      if (items.length === 0 || !items.every(isItem)) return malformed('invalid request');
      const methods = items.map((item) => item.method);
      stats.exchange(
        methods,
        transport,
        body.length,
        items.map((item) => item.params),
      );
      if (!faults.any()) return answerItems(body, items, batch, transport, signal, connection);

      const strikes = faults.strikeExchange(methods, transport);
      let delay = 0;
      for (const { id, fault } of strikes) {
        if (fault.type !== 'latency' && fault.type !== 'capacity') continue;
        stats.fault(fault.type);
        delay += fault.type === 'latency' ? latencyMs(fault) : faults.takeSlots(id, items.length);
      }
      if (delay > 0) await clock.sleep(delay, signal);
      return (
        overall(strikes, items, batch) ??
        spoil(strikes, await answerItems(body, items, batch, transport, signal, connection))
      );
    },
    async lensFor(method, transport, signal) {
      const standing = (['block-lag', 'frozen-head', 'fork'] as const)
        .map((type) => faults.standing(type, method, transport))
        .filter((strike) => strike !== undefined);
      return lensOf(standing as FaultStrike[], signal);
    },
  };
}
