import type { Clock, Timer } from '../../../lib/time.ts';
import type { EthereumRpc } from '../rpc/ethereum-rpc.ts';
import { type BlockHeader, parseBlockHeader } from './block-header.ts';

/** One step of the canonical chain, in the order in which a client must hear of it. */
export type ChainStep =
  | { readonly type: 'added'; readonly block: BlockHeader }
  /** A block that was added before and is no longer canonical; newest first. */
  | { readonly type: 'removed'; readonly block: BlockHeader }
  /** Blocks that could not be told one by one: too many, or older than what is remembered. */
  | { readonly type: 'gap'; readonly from: number; readonly to: number };

export interface ChainFollowerOptions {
  readonly rpc: EthereumRpc;
  readonly clock: Clock;
  /** How often the head is looked at when nothing else says that there is a new one. */
  readonly pollMs: number;
  /** Blocks told one by one after an outage; a longer gap is told as a gap. */
  readonly maxBackfill: number;
  readonly onFailure: (error: unknown) => void;
}

export interface ChainFollower {
  /** Follows the chain from the head as it is now; the first listener starts it, the last to go stops it. */
  listen(listener: (step: ChainStep) => void): () => void;
  /** Something says that there may be a new head: look now. Cheap to call too often. */
  nudge(): void;
  /** The newest block told, undefined before the first look. */
  tip(): BlockHeader | undefined;
  /** Resolves when a first head is known. Rejects with the read path's error when it cannot be read. */
  ready(): Promise<BlockHeader>;
}

/** Longer than any reorg seen on a public chain since the merge, and than the simulator's deepest fork. */
const REMEMBERED_BLOCKS = 256;
/** A read that takes longer is given up and made again: news of the head must not wait behind a call that is stuck. */
const READ_DEADLINE_MS = 1_500;
/** Backfilled headers asked for at once. */
const BACKFILL_CONCURRENCY = 8;

/**
 * Turns "what is the latest block?" into an unbroken story. It asks the read path, so heads are the served heads:
 * no client hears of a block that a read would not find. Providers come and go behind the read path; a failover shows
 * here only as a late answer, and what was missed is filled in from the last block told.
 */
export function createChainFollower(options: ChainFollowerOptions): ChainFollower {
  const { rpc, clock, pollMs, maxBackfill, onFailure } = options;
  const listeners = new Set<(step: ChainStep) => void>();
  /** Ascending and linked: each block is the parent of the next. */
  let recent: BlockHeader[] = [];
  let timer: Timer | undefined;
  let looking: Promise<void> | undefined;
  let lookAgain = false;
  /** Grows when following stops: a look that was under way then must not speak into the next run. */
  let run = 0;

  const getBlock = async (method: string, reference: string): Promise<BlockHeader | null> =>
    parseBlockHeader(
      await rpc.request(method, [reference, false], {
        priority: 'standard',
        principal: 'subscriptions',
        deadlineMs: READ_DEADLINE_MS,
      }),
    );
  const byNumber = (height: number): Promise<BlockHeader | null> =>
    getBlock('eth_getBlockByNumber', `0x${height.toString(16)}`);
  const tip = (): BlockHeader | undefined => recent.at(-1);

  const remembered = (height: number): BlockHeader | undefined => {
    const first = recent[0];
    return first === undefined ? undefined : recent[height - first.number];
  };

  function tell(step: ChainStep): void {
    for (const listener of [...listeners]) listener(step);
  }

  function add(block: BlockHeader): void {
    recent.push(block);
    if (recent.length > REMEMBERED_BLOCKS) recent.shift();
    tell({ type: 'added', block });
  }

  /** Blocks `from`..`to`, ascending; null when one is not there (the head moved under us: look again later). */
  async function fetchRange(from: number, to: number): Promise<BlockHeader[] | null> {
    const blocks: BlockHeader[] = [];
    for (let start = from; start <= to; start += BACKFILL_CONCURRENCY) {
      const count = Math.min(BACKFILL_CONCURRENCY, to - start + 1);
      const batch = await Promise.all(Array.from({ length: count }, (_, index) => byNumber(start + index)));
      for (const block of batch) {
        if (block === null) return null;
        blocks.push(block);
      }
    }
    return blocks;
  }

  function startOver(head: BlockHeader, from: number): void {
    for (const block of recent.filter((each) => each.number >= from).reverse())
      tell({ type: 'removed', block });
    recent = [];
    tell({ type: 'gap', from, to: head.number - 1 });
    add(head);
  }

  async function look(): Promise<void> {
    const started = run;
    const head = await getBlock('eth_getBlockByNumber', 'latest');
    const last = tip();
    if (head === null || started !== run) return;
    if (last === undefined) {
      recent = [head];
      return;
    }
    // The same block, or an older one of the branch we are on: nothing new (a replica a moment behind).
    if (remembered(head.number)?.hash === head.hash) return;

    if (head.number - last.number > maxBackfill) {
      startOver(head, last.number + 1);
      return;
    }
    const between = head.number > last.number + 1 ? await fetchRange(last.number + 1, head.number - 1) : [];
    if (between === null || started !== run) return;
    const branch = [...between, head];
    for (let index = branch.length - 1; index > 0; index -= 1) {
      // Read while a reorg was going on: the pieces are of two branches. The next look finds one.
      if (branch[index]?.parentHash !== branch[index - 1]?.hash) {
        lookAgain = true;
        return;
      }
    }

    // Walk down by parent hash until the branch meets what was told.
    let lowest = branch[0] as BlockHeader;
    while (remembered(lowest.number - 1)?.hash !== lowest.parentHash) {
      const first = recent[0] as BlockHeader;
      if (lowest.number <= first.number) {
        startOver(head, first.number);
        return;
      }
      const parent = await getBlock('eth_getBlockByHash', lowest.parentHash);
      if (parent === null || started !== run) return;
      branch.unshift(parent);
      lowest = parent;
    }
    while ((tip()?.number ?? -1) >= lowest.number)
      tell({ type: 'removed', block: recent.pop() as BlockHeader });
    for (const block of branch) add(block);
  }

  function nudge(): void {
    if (listeners.size === 0) return;
    if (looking !== undefined) {
      lookAgain = true;
      return;
    }
    timer?.cancel();
    lookAgain = false;
    looking = look()
      .catch(onFailure)
      .finally(() => {
        looking = undefined;
        if (listeners.size === 0) return;
        timer = clock.setTimeout(nudge, lookAgain ? Math.min(50, pollMs) : pollMs);
      });
  }

  function stop(): void {
    run += 1;
    timer?.cancel();
    timer = undefined;
    recent = [];
  }

  return {
    tip,
    nudge,
    listen(listener) {
      listeners.add(listener);
      if (listeners.size === 1) nudge();
      return () => {
        if (listeners.delete(listener) && listeners.size === 0) stop();
      };
    },
    async ready() {
      const known = tip();
      if (known !== undefined) return known;
      const head = await getBlock('eth_getBlockByNumber', 'latest');
      // Whoever is first sets the point from which the story is told.
      if (head !== null && tip() === undefined && listeners.size > 0) recent = [head];
      const first = tip() ?? head;
      if (first === null) throw new Error('the chain has no latest block');
      return first;
    },
  };
}
