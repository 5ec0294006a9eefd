import type { Clock, Timer } from '../../../lib/time.ts';
import {
  type ChainParameters,
  type ChainView,
  createChainView,
  type Fork,
  type SubmittedTransaction,
} from './chain-view.ts';

export interface SyntheticChainOptions extends Partial<ChainParameters> {
  readonly clock: Clock;
  /** First height visible at start when blocks are mined by hand. Default 100. */
  readonly startHeight?: number;
  /** How far `safe` and `finalized` are behind the head, in blocks. Defaults 32 and 64, as on mainnet. */
  readonly safeDistance?: number;
  readonly finalizedDistance?: number;
}

export interface HeadChange {
  /** Heights now on the chain for the first time (or again, on another branch), oldest first. */
  readonly from: number;
  readonly to: number;
  /** Set when blocks from `from` on replaced others: the branch as it was before. */
  readonly previous?: { readonly view: ChainView; readonly to: number };
}

export interface SyntheticChain {
  readonly chainId: number;
  view(): ChainView;
  head(): number;
  safe(): number;
  finalized(): number;
  /** Adds blocks at once, whatever the block time. */
  mine(blocks?: number): void;
  /** Replaces the last `depth` blocks by others. The height stays, or grows by `extend`. */
  reorg(depth: number, extend?: number): void;
  /** Takes a signed transaction into the next block. Throws what a node would say when it cannot. */
  submit(transaction: { hash: string; fields: Record<string, unknown> }): string;
  submittedBy(address: string, upTo: number): number;
  onHead(listener: (change: HeadChange) => void): () => void;
  close(): void;
}

/** All simulators of one run agree on heights without talking, because this moment is the same for all. */
const COMMON_GENESIS_MS = Date.UTC(2025, 0, 1);

export function createSyntheticChain(options: SyntheticChainOptions): SyntheticChain {
  const { clock, safeDistance = 32, finalizedDistance = 64, startHeight = 100 } = options;
  const blockTimeMs = options.blockTimeMs ?? 2_000;
  const parameters: ChainParameters = {
    chainId: options.chainId ?? 31_337,
    seed: options.seed ?? 1,
    blockTimeMs,
    genesisTimeMs:
      options.genesisTimeMs ??
      (clock.now() >= COMMON_GENESIS_MS
        ? COMMON_GENESIS_MS
        : clock.now() - startHeight * (blockTimeMs || 1_000)),
    transactionsPerBlock: options.transactionsPerBlock ?? 4,
    logsPerTransaction: options.logsPerTransaction ?? 1,
  };
  const submitted = new Map<string, SubmittedTransaction>();
  const submittedByHeight = new Map<number, SubmittedTransaction[]>();
  const listeners = new Set<(change: HeadChange) => void>();
  let forks: readonly Fork[] = [];
  let minedByHand = blockTimeMs === 0 ? startHeight : 0;
  let timer: Timer | undefined;
  let announced = 0;
  let view = makeView();

  function makeView(): ChainView {
    return createChainView(
      parameters,
      forks,
      (height) => submittedByHeight.get(height) ?? [],
      (hash) => submitted.get(hash),
    );
  }

  function head(): number {
    if (blockTimeMs === 0) return minedByHand;
    return Math.floor((clock.now() - parameters.genesisTimeMs) / blockTimeMs) + minedByHand;
  }

  function announce(change: HeadChange): void {
    announced = Math.max(announced, change.to);
    for (const listener of [...listeners]) listener(change);
  }

  function announceNewHeads(): void {
    const to = head();
    if (to > announced) announce({ from: announced + 1, to });
  }

  /** The head timer runs only while somebody listens, so an idle simulator costs nothing. */
  function schedule(): void {
    timer?.cancel();
    timer = undefined;
    if (blockTimeMs === 0 || listeners.size === 0) return;
    const untilNext = blockTimeMs - ((clock.now() - parameters.genesisTimeMs) % blockTimeMs);
    timer = clock.setTimeout(() => {
      announceNewHeads();
      schedule();
    }, untilNext + 1);
  }

  return {
    chainId: parameters.chainId,
    view: () => view,
    head,
    safe: () => Math.max(0, head() - safeDistance),
    finalized: () => Math.max(0, head() - finalizedDistance),
    mine(blocks = 1) {
      announceNewHeads();
      minedByHand += blocks;
      announceNewHeads();
    },
    reorg(depth, extend = 0) {
      announceNewHeads();
      const before = head();
      const from = Math.max(1, before - depth + 1);
      const previous = { view, to: before };
      forks = [
        ...forks.filter((fork) => fork.from < from),
        { from, salt: `${from}.${forks.length}.${before}.${submitted.size}` },
      ];
      minedByHand += extend;
      view = makeView();
      announce({ from, to: head(), previous });
    },
    submit(transaction) {
      if (submitted.has(transaction.hash)) throw new Error('already known');
      const height = head() + 1;
      const entry: SubmittedTransaction = { hash: transaction.hash, height, fields: transaction.fields };
      submitted.set(entry.hash, entry);
      submittedByHeight.set(height, [...(submittedByHeight.get(height) ?? []), entry]);
      return entry.hash;
    },
    submittedBy(address, upTo) {
      let count = 0;
      for (const entry of submitted.values()) {
        if (entry.height <= upTo && String(entry.fields.from).toLowerCase() === address.toLowerCase())
          count += 1;
      }
      return count;
    },
    onHead(listener) {
      if (listeners.size === 0) announced = head();
      listeners.add(listener);
      schedule();
      return () => {
        listeners.delete(listener);
        if (listeners.size === 0) schedule();
      };
    },
    close() {
      listeners.clear();
      timer?.cancel();
      timer = undefined;
    },
  };
}
