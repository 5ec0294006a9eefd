/** A value in the cache with the block that it depends on. */
export interface CacheEntry {
  /** JSON text of the result. */
  readonly result: string;
  /** The block whose state the result describes; undefined when it holds whatever happens. */
  readonly blockNumber: number | undefined;
  /** The canonical hash of that block when the result was stored; undefined once final. */
  readonly blockHash: string | undefined;
  /** Monotonic milliseconds after which it is not used; Infinity for final data. */
  readonly expiresAt: number;
}

/** Bytes that an entry costs beyond its key and value: map slot, objects, index. Measured roughly, on the high side. */
const ENTRY_OVERHEAD_BYTES = 250;

export interface ByteLru {
  get(key: string): CacheEntry | undefined;
  set(key: string, entry: CacheEntry): void;
  delete(key: string): void;
  /** Removes every entry of a block above this one that is not final. @returns how many */
  evictAbove(blockNumber: number): number;
  readonly bytes: number;
  readonly size: number;
  readonly evictions: number;
}

/** A least-recently-used cache bounded in bytes. Strings are counted as one byte a character: JSON of chains is ASCII. */
export function createByteLru(options: { maxBytes: number; maxEntryBytes: number }): ByteLru {
  // A Map iterates in insertion order; moving a key to the end makes the first one the least recently used.
  const entries = new Map<string, CacheEntry>();
  const byBlock = new Map<number, Set<string>>();
  let bytes = 0;
  let evictions = 0;

  const sizeOf = (key: string, entry: CacheEntry): number =>
    key.length + entry.result.length + ENTRY_OVERHEAD_BYTES;

  const unlink = (key: string, entry: CacheEntry): void => {
    if (entry.blockHash === undefined || entry.blockNumber === undefined) return;
    const keys = byBlock.get(entry.blockNumber);
    if (keys === undefined) return;
    keys.delete(key);
    if (keys.size === 0) byBlock.delete(entry.blockNumber);
  };
  const remove = (key: string): void => {
    const entry = entries.get(key);
    if (entry === undefined) return;
    entries.delete(key);
    bytes -= sizeOf(key, entry);
    unlink(key, entry);
  };

  return {
    get(key) {
      const entry = entries.get(key);
      if (entry === undefined) return undefined;
      entries.delete(key);
      entries.set(key, entry);
      return entry;
    },
    set(key, entry) {
      remove(key);
      const size = sizeOf(key, entry);
      if (size > options.maxEntryBytes || size > options.maxBytes) return;
      entries.set(key, entry);
      bytes += size;
      if (entry.blockHash !== undefined && entry.blockNumber !== undefined) {
        const keys = byBlock.get(entry.blockNumber);
        if (keys === undefined) byBlock.set(entry.blockNumber, new Set([key]));
        else keys.add(key);
      }
      while (bytes > options.maxBytes) {
        const oldest = entries.keys().next().value as string;
        remove(oldest);
        evictions++;
      }
    },
    delete: remove,
    evictAbove(blockNumber) {
      let count = 0;
      for (const [number, keys] of byBlock) {
        if (number <= blockNumber) continue;
        for (const key of [...keys]) {
          remove(key);
          count++;
        }
      }
      return count;
    },
    get bytes() {
      return bytes;
    },
    get size() {
      return entries.size;
    },
    get evictions() {
      return evictions;
    },
  };
}
