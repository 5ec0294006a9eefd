/**
 * Bends a real node's view of its chain: hides the newest blocks (lag) and gives the caller other hashes from a
 * height on (fork). The node behind is untouched; forged hashes that come back in parameters are turned round.
 */
import { hash as digest } from 'node:crypto';
import type { ChainLens, RpcCall, RpcOutcome } from './backend.ts';

/** Position of the block reference among the parameters. */
const BLOCK_PARAMETER: Readonly<Record<string, number>> = {
  eth_call: 1,
  eth_estimateGas: 1,
  eth_createAccessList: 1,
  eth_getBalance: 1,
  eth_getCode: 1,
  eth_getTransactionCount: 1,
  eth_getStorageAt: 2,
  eth_getProof: 2,
  eth_feeHistory: 1,
  eth_getBlockByNumber: 0,
  eth_getBlockReceipts: 0,
  eth_getBlockTransactionCountByNumber: 0,
  eth_getTransactionByBlockNumberAndIndex: 0,
};

/** These answer null for a block that is not there; state reads answer an error instead. */
const NULL_WHEN_ABSENT = /^eth_(getBlock|getTransactionByBlock)/;
const HEAD_TAGS: ReadonlySet<unknown> = new Set([undefined, null, 'latest', 'pending']);
/** Forged hashes remembered, to be turned round when a caller asks for one. */
const MAX_REMEMBERED = 20_000;

export interface ProxyLens {
  /** The call to make instead, or the answer when none is needed. */
  before(call: RpcCall, lens: ChainLens): { call: RpcCall } | { answer: RpcOutcome };
  after(call: RpcCall, outcome: RpcOutcome, lens: ChainLens): RpcOutcome;
}

type Json = unknown;
const heightOf = (value: Json): number | undefined =>
  typeof value === 'string' && /^0x[0-9a-f]{1,13}$/i.test(value) ? Number(value) : undefined;
const isObject = (value: Json): value is Record<string, Json> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function createProxyLens(): ProxyLens {
  const realOf = new Map<string, string>();

  function forge(real: string, salt: string): string {
    const forged = `0x${digest('sha256', `${salt}|${real}`, 'hex')}`;
    if (!realOf.has(forged)) {
      if (realOf.size >= MAX_REMEMBERED) realOf.delete(realOf.keys().next().value as string);
      realOf.set(forged, real);
    }
    return forged;
  }

  /** Replaces forged hashes by real ones, at any depth of the parameters. */
  function unforge(value: Json): Json {
    if (typeof value === 'string') return realOf.get(value) ?? value;
    if (Array.isArray(value)) return value.map(unforge);
    if (isObject(value))
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, unforge(inner)]));
    return value;
  }

  /** Gives blocks, transactions, receipts and logs from `forkFrom` on the hashes of another branch. */
  function forgeHashes(value: Json, from: number, salt: string): Json {
    if (Array.isArray(value)) return value.map((item) => forgeHashes(item, from, salt));
    if (!isObject(value)) return value;
    const copy: Record<string, Json> = {};
    for (const [key, inner] of Object.entries(value)) copy[key] = forgeHashes(inner, from, salt);
    const number = heightOf(value.number);
    if (number !== undefined && typeof value.parentHash === 'string') {
      if (number >= from && typeof value.hash === 'string') copy.hash = forge(value.hash, salt);
      if (number - 1 >= from) copy.parentHash = forge(value.parentHash, salt);
    }
    const blockNumber = heightOf(value.blockNumber);
    if (blockNumber !== undefined && blockNumber >= from && typeof value.blockHash === 'string') {
      copy.blockHash = forge(value.blockHash, salt);
    }
    return copy;
  }

  function limitParams(
    { method, params }: RpcCall,
    maxHeight: number,
  ): { call: RpcCall } | { answer: RpcOutcome } {
    if (method === 'eth_getLogs') {
      const filter = isObject(params[0]) ? params[0] : {};
      if (filter.blockHash !== undefined) return { call: { method, params } };
      const bound = (reference: Json): Json => {
        if (HEAD_TAGS.has(reference)) return `0x${maxHeight.toString(16)}`;
        const height = heightOf(reference);
        return height !== undefined && height > maxHeight ? `0x${maxHeight.toString(16)}` : reference;
      };
      const from = heightOf(filter.fromBlock);
      if (from !== undefined && from > maxHeight) return { answer: { result: [] } };
      return {
        call: {
          method,
          params: [{ ...filter, fromBlock: bound(filter.fromBlock), toBlock: bound(filter.toBlock) }],
        },
      };
    }
    const position = BLOCK_PARAMETER[method];
    if (position === undefined) return { call: { method, params } };
    const reference = params[position];
    if (HEAD_TAGS.has(reference)) {
      const next = [...params];
      next[position] = `0x${maxHeight.toString(16)}`;
      return { call: { method, params: next } };
    }
    const height = heightOf(reference);
    if (height === undefined || height <= maxHeight) return { call: { method, params } };
    return {
      answer: NULL_WHEN_ABSENT.test(method)
        ? { result: null }
        : { error: { code: -32000, message: 'header not found' } },
    };
  }

  function hideAbove(method: string, result: Json, maxHeight: number): Json {
    if (method === 'eth_blockNumber') {
      const height = heightOf(result);
      return height === undefined ? result : `0x${Math.min(height, maxHeight).toString(16)}`;
    }
    if (Array.isArray(result) && method === 'eth_getLogs') {
      return result.filter((log) => !isObject(log) || (heightOf(log.blockNumber) ?? 0) <= maxHeight);
    }
    if (isObject(result)) {
      const height =
        heightOf(result.blockNumber) ??
        (result.parentHash === undefined ? undefined : heightOf(result.number));
      if (height !== undefined && height > maxHeight) return null;
    }
    return result;
  }

  return {
    before(call, lens) {
      const params = lens.forkFrom === undefined ? call.params : (unforge(call.params) as unknown[]);
      const next = { method: call.method, params };
      return lens.maxHeight === undefined ? { call: next } : limitParams(next, lens.maxHeight);
    },
    after(call, outcome, lens) {
      if (!('result' in outcome)) return outcome;
      let { result } = outcome;
      if (lens.maxHeight !== undefined) result = hideAbove(call.method, result, lens.maxHeight);
      if (lens.forkFrom !== undefined) result = forgeHashes(result, lens.forkFrom, lens.forkSalt ?? 'fork');
      return { result };
    },
  };
}
