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

/** A filter as it was read; `version` says whether somebody changed it since. */
export interface VersionedFilter {
  readonly state: FilterState;
  readonly version: number;
}

/**
 * Where filters live between two polls. One process needs the memory store only; workers and replicas behind one
 * address share a store, and a filter made at one is polled at another.
 */
export interface FilterStore {
  /** @returns false when there is no room for another filter. */
  create(id: string, state: FilterState): Promise<boolean>;
  /** Reads the filter and keeps it alive. */
  get(id: string): Promise<VersionedFilter | undefined>;
  /** Writes the filter if it is still as it was read. @returns false when it is not: another poll was faster. */
  replace(id: string, state: FilterState, version: number): Promise<boolean>;
  delete(id: string): Promise<boolean>;
}

export interface FilterStoreLimits {
  readonly maxFilters: number;
  /** A filter that nobody polls for so long is gone, milliseconds. */
  readonly ttlMs: number;
}

/** Filters in this process. Beyond `maxFilters` new ones are refused: silently dropping an old one would be a lie. */
export function createMemoryFilterStore({
  clock,
  maxFilters,
  ttlMs,
}: FilterStoreLimits & { clock: Clock }): FilterStore {
  const filters = new LRUCache<string, VersionedFilter>({
    max: maxFilters,
    ttl: ttlMs,
    updateAgeOnGet: true,
    ttlResolution: 0,
    perf: { now: () => clock.monotonic() },
  });
  return {
    async create(id, state) {
      if (filters.size >= maxFilters) filters.purgeStale();
      if (filters.size >= maxFilters) return false;
      filters.set(id, { state, version: 1 });
      return true;
    },
    get: async (id) => filters.get(id),
    async replace(id, state, version) {
      if (filters.get(id)?.version !== version) return false;
      filters.set(id, { state, version: version + 1 });
      return true;
    },
    delete: async (id) => filters.delete(id),
  };
}
