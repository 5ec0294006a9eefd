import { LRUCache } from 'lru-cache';
import type { Clock } from '../../../lib/time.ts';

/** A log that was handed to the client, kept so that it can be taken back. */
export interface HandedOutLog {
  readonly blockHash: string;
  readonly log: Record<string, unknown>;
}

/** Everything a filter is; plain JSON, so that it can live outside the process. */
export interface FilterState {
  readonly kind: 'logs' | 'blocks' | 'pending';
  /** The client's own filter object, for kind `logs`. */
  readonly filter: Record<string, unknown>;
  readonly principal: string | undefined;
  /** Hashes of the last blocks told, ascending by height; the last one is the cursor. */
  readonly chain: readonly { readonly number: number; readonly hash: string }[];
  readonly handedOut: readonly HandedOutLog[];
  /** Pending transaction hashes told, for kind `pending`. */
  readonly seen: readonly string[];
}

/**
 * Where filters live between two polls. One process needs the memory store only; replicas behind one address share a
 * store, and a filter made at one is polled at another.
 */
export interface FilterStore {
  /** @returns false when there is no room for another filter. */
  create(id: string, state: FilterState): Promise<boolean>;
  /** Reads the filter and keeps it alive. */
  get(id: string): Promise<FilterState | undefined>;
  set(id: string, state: FilterState): Promise<void>;
  delete(id: string): Promise<boolean>;
}

/** Filters in this process. Beyond `maxFilters` new ones are refused: silently dropping an old one would be a lie. */
export function createMemoryFilterStore(options: {
  clock: Clock;
  maxFilters: number;
  ttlMs: number;
}): FilterStore {
  const filters = new LRUCache<string, FilterState>({
    max: options.maxFilters,
    ttl: options.ttlMs,
    updateAgeOnGet: true,
    ttlResolution: 0,
    perf: { now: () => options.clock.monotonic() },
  });
  return {
    async create(id, state) {
      if (filters.size >= options.maxFilters) filters.purgeStale();
      if (filters.size >= options.maxFilters) return false;
      filters.set(id, state);
      return true;
    },
    get: async (id) => filters.get(id),
    set: async (id, state) => void filters.set(id, state),
    delete: async (id) => filters.delete(id),
  };
}
