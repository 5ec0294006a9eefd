import type { Logger } from '../../../lib/log.ts';
import { CursorMovedError, type Finality, type IndexCursor, type IndexStore } from '../store/index-store.ts';
import type { BlockHeader, ChainReader } from './chain-reader.ts';
import type { BlockWithEvents, IndexedBlock, IndexedEvent } from './index-types.ts';

export interface FollowObserver {
  applied(block: IndexedBlock, events: number, seq: number): void;
  reorg(depth: number): void;
}

export interface FollowDeps {
  readonly reader: ChainReader;
  readonly store: IndexStore;
  readonly log: Logger;
  /** First block with anything of ours. */
  readonly startBlock: number;
  readonly observer?: Partial<FollowObserver>;
  /** Blocks per request while far behind. */
  readonly rangeBlocks?: number;
}

/** Stopped on purpose: going on could write something false. A person decides (docs/runbooks/indexer-halted.md). */
export class IndexerHaltedError extends Error {
  override readonly name = 'IndexerHaltedError';
}

export interface ChainFollower {
  /** Brings the index as far as the chain is now. @returns true when it is at the head. */
  step(signal: AbortSignal): Promise<boolean>;
}

/** Blocks read at the same time near the head. */
const AHEAD = 8;
/** Further behind the final block than this, ranges are faster than single blocks. */
const RANGE_THRESHOLD = 64;
const DEFAULT_RANGE = 500;
const PARALLEL_RANGES = 4;

/** Follows one chain: forward by blocks, back by reorgs. Pure of timers: whoever calls `step` sets the pace. */
export function createChainFollower(deps: FollowDeps): ChainFollower {
  const { reader, store, log, observer = {} } = deps;
  const rangeBlocks = deps.rangeBlocks ?? DEFAULT_RANGE;

  async function start(): Promise<IndexCursor> {
    const below = await reader.header(Math.max(0, deps.startBlock - 1));
    if (!below)
      throw new IndexerHaltedError(
        `the chain has no block ${deps.startBlock - 1}; is this the chain of the contracts manifest?`,
      );
    await store.start(below);
    const cursor = await store.cursor();
    if (!cursor) throw new Error('the cursor that was just written is gone');
    return cursor;
  }

  async function load(header: BlockHeader): Promise<BlockWithEvents> {
    const own = await store.ownHashes(header.transactions);
    const [logs, native] = await Promise.all([reader.events(header), reader.native(header, own)]);
    return { block: header, events: sortEvents([...native, ...logs]) };
  }

  /** The newest block that both the index and the chain have. */
  async function findAncestor(cursor: IndexCursor): Promise<number> {
    for (let number = cursor.number; number >= cursor.finalized; number--) {
      const [ours, theirs] = await Promise.all([store.hashAt(number), reader.header(number)]);
      if (ours !== undefined && theirs?.hash === ours) return number;
      if (ours === undefined) break;
    }
    const reason = `the chain no longer has block ${cursor.finalized}, which was final when it was indexed; every provider must be checked before "indexer resume"`;
    await store.halt(reason);
    throw new IndexerHaltedError(reason);
  }

  async function rollback(cursor: IndexCursor): Promise<void> {
    const ancestor = await findAncestor(cursor);
    const { seq } = await store.rollback(ancestor);
    observer.reorg?.(cursor.number - ancestor);
    log.info(
      { from: cursor.number, to: ancestor, depth: cursor.number - ancestor, seq },
      'reorg: blocks were taken back',
    );
  }

  /** One range of final blocks; only blocks with events need their header. */
  async function loadRange(
    from: number,
    to: number,
  ): Promise<{ blocks: BlockWithEvents[]; last: IndexedBlock }> {
    const [logs, own, last] = await Promise.all([
      reader.range(from, to),
      store.ownInRange(from, to),
      reader.header(to),
    ]);
    if (!last) throw new Error(`the provider has no block ${to}, which it calls final`);
    const numbers = [
      ...new Set([...logs.map((event) => event.blockNumber), ...own.map((tx) => tx.blockNumber)]),
    ].sort((a, b) => a - b);
    const blocks: BlockWithEvents[] = [];
    for (let i = 0; i < numbers.length; i += AHEAD) {
      const part = await Promise.all(
        numbers.slice(i, i + AHEAD).map(async (number) => {
          const block = number === to ? last : await reader.header(number);
          if (!block) throw new Error(`the provider has no block ${number}`);
          const native = await reader.native(
            block,
            own.filter((tx) => tx.blockNumber === number).map((tx) => tx.hash),
          );
          const events = logs.filter((event) => event.blockNumber === number);
          const stray = events.find((event) => event.blockHash !== block.hash);
          if (stray)
            throw new Error(
              `logs of block ${number} carry another block hash; the providers disagree about a final block`,
            );
          return { block, events: sortEvents([...native, ...events]) };
        }),
      );
      blocks.push(...part);
    }
    return { blocks, last };
  }

  async function catchUp(cursor: IndexCursor, finality: Finality, signal: AbortSignal): Promise<void> {
    let from = cursor.number + 1;
    while (from <= finality.finalized && !signal.aborted) {
      const ranges: [number, number][] = [];
      for (
        let start = from;
        start <= finality.finalized && ranges.length < PARALLEL_RANGES;
        start += rangeBlocks
      ) {
        ranges.push([start, Math.min(start + rangeBlocks - 1, finality.finalized)]);
      }
      // Read in parallel, written in order: the cursor never jumps over a range that failed.
      const loading = ranges.map(([a, b]) => loadRange(a, b));
      for (const promise of loading) promise.catch(() => undefined);
      for (const promise of loading) {
        const { blocks, last } = await promise;
        const { seq, events } = await store.applyFinalRange(blocks, last, finality);
        observer.applied?.(last, events, seq);
        from = last.number + 1;
      }
    }
  }

  async function follow(
    cursor: IndexCursor,
    head: BlockHeader,
    finality: Finality,
    signal: AbortSignal,
  ): Promise<boolean> {
    let at = { number: cursor.number, hash: cursor.hash };
    while (at.number < head.number && !signal.aborted) {
      const numbers = Array.from(
        { length: Math.min(AHEAD, head.number - at.number) },
        (_, i) => at.number + 1 + i,
      );
      const headers = await Promise.all(
        numbers.map((number) => (number === head.number ? head : reader.header(number))),
      );
      const linked = linkedPrefix(at.hash, headers);
      if (linked.length === 0) {
        // A missing block is a provider that lags; one with another parent is a reorg.
        if (headers[0])
          await rollback(cursor.number === at.number ? cursor : ((await store.cursor()) ?? cursor));
        return false;
      }
      const loading = linked.map((header) => load(header));
      for (const promise of loading) promise.catch(() => undefined);
      for (const promise of loading) {
        const loaded = await promise;
        const { seq, events } = await store.applyBlock(loaded, finality);
        observer.applied?.(loaded.block, events, seq);
        at = loaded.block;
      }
    }
    return at.number >= head.number;
  }

  return {
    async step(signal) {
      const cursor = (await store.cursor()) ?? (await start());
      if (cursor.haltedReason !== null) throw new IndexerHaltedError(cursor.haltedReason);
      const [head, safe, final] = await Promise.all([
        reader.header('latest'),
        reader.header('safe'),
        reader.header('finalized'),
      ]);
      if (!head) return false;
      const finality = { safe: safe?.number ?? 0, finalized: final?.number ?? 0 };
      try {
        if (head.number <= cursor.number) {
          const ours = head.number === cursor.number ? cursor.hash : await store.hashAt(head.number);
          if (ours !== undefined && ours !== head.hash) {
            await rollback(cursor);
            return false;
          }
          if (finality.finalized > cursor.finalized && cursor.finalized < cursor.confirmed)
            await store.settle(finality);
          return true;
        }
        if (finality.finalized - cursor.number > RANGE_THRESHOLD) {
          await catchUp(cursor, finality, signal);
          return false;
        }
        return await follow(cursor, head, finality, signal);
      } catch (error) {
        if (error instanceof CursorMovedError) return false;
        throw error;
      }
    },
  };
}

/** The headers that follow `parent` one after the other. */
function linkedPrefix(parent: string, headers: readonly (BlockHeader | null)[]): BlockHeader[] {
  const linked: BlockHeader[] = [];
  let last = parent;
  for (const header of headers) {
    if (!header || header.parentHash !== last) break;
    linked.push(header);
    last = header.hash;
  }
  return linked;
}

const sortEvents = (events: IndexedEvent[]): IndexedEvent[] =>
  events.sort((a, b) => a.logIndex - b.logIndex || a.item - b.item);
