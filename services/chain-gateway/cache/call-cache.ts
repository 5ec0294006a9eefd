import type { Clock } from '../../../lib/time.ts';
import { blockOfTransaction, blockRefOf } from '../heads/block-ref.ts';
import type { ChainView } from '../heads/chain-view.ts';
import type { BoundCall } from '../rpc/block-binding.ts';
import { type CacheEntry, createByteLru } from './byte-lru.ts';

/** Results about blocks that are not final are kept this long at most, even when no reorg is seen. */
const UNFINAL_TTL_MS = 60_000;
/** Results that hold until the next block (gas price ...), at most. */
const HEAD_TTL_MS = 15_000;
/** "There is no such transaction" holds only so long: it may be about to arrive. */
const NEGATIVE_TTL_MS = 200;
/** A block this deep is treated as final on chains whose nodes do not know the `finalized` tag. */
const DEEP_ENOUGH = 256;

export interface CallCache {
  /** The JSON text of a result that still holds, or undefined. */
  get(call: BoundCall): string | undefined;
  /** Keeps a result if it may be kept; returns the entry so that a shared cache can keep it too. */
  put(call: BoundCall, result: string): CacheEntry | undefined;
  /** Takes over an entry from a shared cache, unless it no longer holds. @returns its result */
  adopt(call: BoundCall, entry: CacheEntry): string | undefined;
  /** Forgets what is known about a transaction: somebody has just sent it. */
  forget(key: string): void;
  stats(): { bytes: number; entries: number; evictions: number; reorgEvictions: number };
}

/**
 * The finality-aware cache. Three rules: final data for ever (least recently used goes first); data of a block that
 * may still be reorganised only with that block's canonical hash, checked again on every read; "nothing there" hardly
 * ever. A read therefore never returns data of an orphaned block, even if an eviction were late.
 */
export function createCallCache(deps: {
  view: ChainView;
  clock: Pick<Clock, 'monotonic'>;
  maxBytes: number;
  maxEntryBytes: number;
}): CallCache {
  const { view, clock } = deps;
  const lru = createByteLru(deps);
  let reorgEvictions = 0;
  view.onReorg(({ commonAncestor }) => {
    reorgEvictions += lru.evictAbove(commonAncestor);
  });

  const finalBelow = (): number => view.finalized() ?? (view.head() ?? 0) - DEEP_ENOUGH;

  const holds = (entry: CacheEntry): boolean => {
    if (entry.expiresAt <= clock.monotonic()) return false;
    if (entry.blockHash === undefined || entry.blockNumber === undefined) return true;
    return view.hashOf(entry.blockNumber) === entry.blockHash;
  };

  const entryFor = (call: BoundCall, result: string): CacheEntry | undefined => {
    const now = clock.monotonic();
    if (result === 'null') {
      return call.spec.cache === 'hash'
        ? { result, blockNumber: undefined, blockHash: undefined, expiresAt: now + NEGATIVE_TTL_MS }
        : undefined;
    }
    let number: number | undefined;
    let hashInside: string | undefined;
    if (call.spec.cache === 'head') {
      number = view.head();
      if (number === undefined) return undefined;
      const hash = view.hashOf(number);
      return hash === undefined || call.boundAtHead !== number
        ? undefined
        : { result, blockNumber: number, blockHash: hash, expiresAt: now + HEAD_TTL_MS };
    }
    if (call.spec.cache === 'hash') {
      const block = call.method === 'eth_getBlockByHash' ? blockRefIn(result) : blockOfTransaction(result);
      if (block === undefined) return undefined;
      number = block.number;
      hashInside = block.hash;
    } else if (call.block.kind === 'number') {
      number = call.block.to;
      if (call.method === 'eth_getBlockByNumber') hashInside = blockRefIn(result)?.hash;
    } else return undefined;

    if (number <= finalBelow())
      return { result, blockNumber: number, blockHash: undefined, expiresAt: Number.POSITIVE_INFINITY };
    const hash = view.hashOf(number);
    if (hash === undefined || (hashInside !== undefined && hashInside !== hash)) return undefined;
    // The chain was reorganised between asking and storing: nobody knows which of the two chains answered.
    if (call.canonicalHash !== hash && hashInside === undefined) return undefined;
    return { result, blockNumber: number, blockHash: hash, expiresAt: now + UNFINAL_TTL_MS };
  };

  return {
    get(call) {
      if (call.spec.cache === 'none') return undefined;
      const entry = lru.get(call.key);
      if (entry === undefined) return undefined;
      if (holds(entry)) {
        // Gas prices are keyed by method alone, so they also have to be of the head that is served now.
        if (call.spec.cache !== 'head' || entry.blockNumber === view.head()) return entry.result;
      }
      lru.delete(call.key);
      return undefined;
    },
    put(call, result) {
      if (call.spec.cache === 'none' || !call.cacheable) return undefined;
      const entry = entryFor(call, result);
      if (entry !== undefined) lru.set(call.key, entry);
      return entry;
    },
    adopt(call, entry) {
      if (!holds(entry)) return undefined;
      lru.set(call.key, entry);
      return entry.result;
    },
    forget: (key) => lru.delete(key),
    stats: () => ({ bytes: lru.bytes, entries: lru.size, evictions: lru.evictions, reorgEvictions }),
  };
}

/** The header of a block answer, with or without full transactions. Parsed properly: a transaction has a `hash` too. */
function blockRefIn(result: string): { number: number; hash: string } | undefined {
  if (!result.includes('"transactions":[{')) return blockRefOf(result);
  try {
    const block = JSON.parse(result) as { number?: string; hash?: string };
    return typeof block.number === 'string' && typeof block.hash === 'string'
      ? { number: Number(block.number), hash: block.hash }
      : undefined;
  } catch {
    return undefined;
  }
}
