import type { Clock } from '../../../lib/time.ts';
import { type SharedFloor, servedHead, strictMajorityHead, UNCONFIRMED_SHARED_MS } from './served-head.ts';

/** A block header, as far as following a chain needs it. */
export interface BlockRef {
  readonly number: number;
  readonly hash: string;
  readonly parentHash: string;
  /** Seconds since the epoch. */
  readonly timestamp: number;
}

export interface HeadChange {
  readonly head: number;
}

export interface Reorg {
  /** Last block that both chains share; every block above it may have changed. */
  readonly commonAncestor: number;
}

/** Blocks whose hashes are remembered: deeper than any reorg that chains with finality have. */
const REMEMBERED = 512;
/** Blocks by which another replica may be ahead of our own majority and be believed. */
const MAX_SHARED_LEAD = 32;
/** How long the others are not listened to after a floor of theirs that nobody could confirm, milliseconds. */
const DISTRUST_MS = 30_000;

/** What this replica believes about the chain: the head it serves, finality, and the canonical hash of recent blocks. */
export interface ChainView {
  readonly chainId: number;
  /** The block that `latest` means; undefined until a majority is known. */
  head(): number | undefined;
  /** The highest block at or below the served head that one of our own providers has: what may be told to other replicas. */
  confirmedHead(): number | undefined;
  safe(): number | undefined;
  finalized(): number | undefined;
  /** The canonical hash of a recent block, when known. */
  hashOf(number: number): string | undefined;
  /** Wall-clock milliseconds when the head last moved. */
  headMovedAt(): number;
  /** Average seconds between blocks, learned; undefined before two blocks were seen. */
  blockTimeMs(): number | undefined;
  onHead(listener: (change: HeadChange) => void): () => void;
  onReorg(listener: (reorg: Reorg) => void): () => void;
}

export interface ChainViewControl extends ChainView {
  /** New head numbers of the providers that count. */
  update(input: { heads: readonly number[]; safe: readonly number[]; finalized: readonly number[] }): void;
  /** Another replica served this head. */
  heard(number: number): void;
  /** The canonical chain grew by a block whose parent is known, or starts with it. */
  extend(block: BlockRef): void;
  /** Everything above `commonAncestor` is no longer canonical. */
  rollBack(commonAncestor: number): void;
  /** Forgets all hashes: the chain moved further than can be followed. */
  reset(commonAncestor: number): void;
}

export function createChainView(deps: {
  chainId: number;
  clock: Clock;
  floorMaxAgeMs: number;
}): ChainViewControl {
  const { clock } = deps;
  let own: { number: number; confirmedAt: number } | undefined;
  let shared: SharedFloor | undefined;
  /** The first of the others' heads that none of our providers has had yet: later ones do not renew its credit. */
  let firstUnconfirmed = 0;
  let distrustUntil = Number.NEGATIVE_INFINITY;
  let safe: number | undefined;
  let finalized: number | undefined;
  let movedAt = 0;
  let blockTime: number | undefined;
  const hashes = new Map<number, string>();
  let newest: BlockRef | undefined;
  const headListeners = new Set<(change: HeadChange) => void>();
  const reorgListeners = new Set<(reorg: Reorg) => void>();
  let heads: readonly number[] = [];

  const recompute = (): void => {
    const now = clock.monotonic();
    if (shared !== undefined) {
      if (heads.some((head) => head >= firstUnconfirmed)) {
        shared = { number: shared.number, heardAt: now };
        firstUnconfirmed = shared.number;
      } else if (now - shared.heardAt > UNCONFIRMED_SHARED_MS) {
        shared = undefined;
        distrustUntil = now + DISTRUST_MS;
      }
    }
    const next = servedHead({ heads, own, shared, now, floorMaxAgeMs: deps.floorMaxAgeMs });
    if (next === undefined) return;
    const confirmed = heads.some((number) => number >= next);
    const before = own?.number;
    own = {
      number: next,
      confirmedAt: confirmed || own === undefined ? now : own.confirmedAt,
    };
    if (next === before) return;
    if (before !== undefined && next > before) {
      const each = (clock.now() - movedAt) / (next - before);
      blockTime = blockTime === undefined ? each : blockTime * 0.8 + each * 0.2;
    }
    movedAt = clock.now();
    for (const listener of headListeners) listener({ head: next });
  };

  const view: ChainViewControl = {
    chainId: deps.chainId,
    head: () => own?.number,
    confirmedHead() {
      const best = Math.max(...heads);
      return own === undefined || heads.length === 0 ? undefined : Math.min(own.number, best);
    },
    safe: () => safe,
    finalized: () => finalized,
    hashOf: (number) => hashes.get(number),
    headMovedAt: () => movedAt,
    blockTimeMs: () => blockTime,
    onHead(listener) {
      headListeners.add(listener);
      return () => headListeners.delete(listener);
    },
    onReorg(listener) {
      reorgListeners.add(listener);
      return () => reorgListeners.delete(listener);
    },
    update(input) {
      heads = input.heads;
      recompute();
      // Safe and finalized only ever advance; a node that restarts reports old ones for a while.
      const limit = own?.number ?? Number.POSITIVE_INFINITY;
      const nextSafe = strictMajorityHead(input.safe);
      if (nextSafe !== undefined && nextSafe <= limit) safe = Math.max(safe ?? 0, nextSafe);
      const nextFinal = strictMajorityHead(input.finalized);
      if (nextFinal !== undefined && nextFinal <= limit) finalized = Math.max(finalized ?? 0, nextFinal);
    },
    heard(number) {
      if (own === undefined || number <= own.number || number > own.number + MAX_SHARED_LEAD) return;
      if (clock.monotonic() < distrustUntil) return;
      if (shared === undefined) {
        shared = { number, heardAt: clock.monotonic() };
        firstUnconfirmed = number;
      } else if (number > shared.number) shared = { number, heardAt: shared.heardAt };
      recompute();
    },
    extend(block) {
      hashes.set(block.number, block.hash);
      newest = block;
      hashes.delete(block.number - REMEMBERED);
    },
    rollBack(commonAncestor) {
      for (const number of hashes.keys()) if (number > commonAncestor) hashes.delete(number);
      if (newest !== undefined && newest.number > commonAncestor) newest = undefined;
      for (const listener of reorgListeners) listener({ commonAncestor });
    },
    reset(commonAncestor) {
      hashes.clear();
      newest = undefined;
      for (const listener of reorgListeners) listener({ commonAncestor });
    },
  };
  return view;
}
