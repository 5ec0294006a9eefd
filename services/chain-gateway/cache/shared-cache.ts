import type { BoundCall } from '../rpc/block-binding.ts';
import type { CacheEntry } from './byte-lru.ts';

/** A cache that several replicas share. Slow or away, it must never be noticed by a caller. */
export interface SharedCache {
  /** @returns undefined when this call is not kept there, or the cache is away: then nobody waits. Never rejects. */
  get(call: BoundCall): Promise<CacheEntry | undefined> | undefined;
  put(call: BoundCall, entry: CacheEntry): void;
}
