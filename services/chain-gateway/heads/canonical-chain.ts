import type { Logger } from '../../../lib/log.ts';
import type { Provider } from '../providers/provider.ts';
import type { ProviderPool } from '../providers/provider-pool.ts';
import type { BlockRef, ChainViewControl } from './chain-view.ts';

/** How far back a fork is followed. Deeper, everything that is not final is forgotten. */
const MAX_WALK = 128;

/** What the word of a stale witness counts, next to 1 for a fresh one and ½ for what was canonical so far. */
const STALE_WEIGHT = 0.25;

export interface CanonicalChain {
  /** Brings the remembered hashes up to the reference provider's head. Calls made meanwhile are one. */
  follow(): Promise<void>;
}

/**
 * Follows the canonical chain by parent hashes. The reference is the best provider in good standing whose head block
 * is the one that most others name at that height; others on another block are marked as forked.
 */
export function createCanonicalChain(deps: {
  view: ChainViewControl;
  pool: ProviderPool;
  fetchBlock: (provider: Provider, number: number) => Promise<BlockRef | undefined>;
  log: Logger;
  /** A head seen this much earlier than the newest is old news, milliseconds. */
  staleAfterMs: number;
}): CanonicalChain {
  const { view, pool, log } = deps;
  let tip: BlockRef | undefined;
  let busy: Promise<void> | undefined;

  /** Whose head to follow, and whether its word is enough to take back what was told before. */
  const reference = (): { provider: Provider; mayRewrite: boolean } | undefined => {
    const ranked = pool
      .ranking()
      .filter(
        ({ provider, excluded }) =>
          provider.head !== undefined && (excluded === undefined || excluded === 'forked'),
      );
    const candidates =
      ranked.length > 0
        ? ranked
        : pool
            .ranking()
            .filter(({ provider }) => provider.head !== undefined && provider.chainId === pool.chainId);
    // Who is out of favour for being slow or failing has still seen the chain, and bears witness to it.
    const witnesses = pool
      .ranking()
      .filter(
        ({ provider, excluded }) =>
          provider.head !== undefined &&
          provider.chainId === pool.chainId &&
          excluded !== 'cordoned' &&
          excluded !== 'unauthorized',
      );
    const newest = Math.max(...witnesses.map(({ provider }) => provider.head?.seenAt ?? 0));
    // A witness who has not been heard for several polls says how the chain was, not how it is.
    const weight = (provider: Provider): number =>
      newest - (provider.head?.seenAt ?? 0) > deps.staleAfterMs ? STALE_WEIGHT : 1;
    const onKnownChain = (head: BlockRef): boolean =>
      view.hashOf(head.number) === head.hash || view.hashOf(head.number - 1) === head.parentHash;
    let best: Provider | undefined;
    let bestVotes = 0;
    let known = 0;
    for (const { provider } of witnesses)
      if (onKnownChain(provider.head as BlockRef)) known += weight(provider);
    for (const { provider } of candidates) {
      const head = provider.head as BlockRef;
      // What was canonical so far has a say when witnesses are even; a head further ahead may well stand on it.
      const ahead = tip !== undefined && head.number > tip.number + 1;
      let votes = ahead || onKnownChain(head) ? 0.5 : 0;
      for (const other of witnesses)
        if (agrees(other.provider.head as BlockRef, head)) votes += weight(other.provider);
      if (votes > bestVotes || (votes === bestVotes && head.number > (best?.head?.number ?? 0))) {
        best = provider;
        bestVotes = votes;
      }
    }
    // One provider alone cannot rewrite the past while others stand by it.
    return best === undefined ? undefined : { provider: best, mayRewrite: bestVotes > known };
  };

  const markForks = (): void => {
    for (const provider of pool.providers()) {
      const head = provider.head;
      if (head === undefined) continue;
      const known = view.hashOf(head.number);
      const parent = view.hashOf(head.number - 1);
      // A head that nothing is known about proves nothing: a forked provider that runs ahead stays forked.
      let { forked } = provider;
      if (known !== undefined) forked = known !== head.hash;
      else if (parent !== undefined) forked = parent !== head.parentHash;
      if (forked === provider.forked) continue;
      provider.forked = forked;
      pool.invalidate();
      log.warn(
        { provider: provider.id, block: head.number, hash: head.hash, canonical: known },
        forked ? 'provider is on another fork' : 'provider is back on the canonical chain',
      );
    }
  };

  const advance = async (): Promise<void> => {
    const chosen = reference();
    const head = chosen?.provider.head;
    if (chosen === undefined || head === undefined) return;
    const { provider, mayRewrite } = chosen;
    if (tip !== undefined && head.hash === tip.hash) {
      markForks();
      return;
    }
    // A reference that is merely behind on the same chain tells nothing new.
    if (tip !== undefined && view.hashOf(head.number) === head.hash) {
      markForks();
      return;
    }

    const refuse = (): void => {
      if (provider.forked) return;
      provider.forked = true;
      pool.invalidate();
      log.warn(
        { provider: provider.id, block: head.number, hash: head.hash },
        'provider is alone on another fork',
      );
    };
    if (!mayRewrite && view.hashOf(head.number) !== undefined) {
      refuse();
      return;
    }
    const fresh: BlockRef[] = [head];
    let lowest: BlockRef = head;
    while (view.hashOf(lowest.number - 1) !== lowest.parentHash) {
      const known = view.hashOf(lowest.number - 1);
      if (!mayRewrite && known !== undefined) {
        refuse();
        return;
      }
      if (tip === undefined || fresh.length >= MAX_WALK || lowest.number === 0) break;
      if (known === undefined && lowest.number - 1 < tip.number - MAX_WALK) break;
      const parent = await deps.fetchBlock(provider, lowest.number - 1);
      // The node changed its mind while we walked, or failed: the next poll starts again.
      if (parent === undefined || parent.hash !== lowest.parentHash) return;
      fresh.push(parent);
      lowest = parent;
    }
    const ancestor = lowest.number - 1;
    const linked = view.hashOf(ancestor) === lowest.parentHash;
    if (tip !== undefined && !linked) {
      log.warn(
        { from: tip.number, to: head.number },
        'the chain moved further than can be followed; everything not final is forgotten',
      );
      view.reset(Math.min(view.finalized() ?? -1, ancestor));
    } else if (tip !== undefined && ancestor < tip.number) {
      log.warn(
        { commonAncestor: ancestor, depth: tip.number - ancestor, newHead: head.number },
        'chain reorganised',
      );
      view.rollBack(ancestor);
    }
    for (const block of fresh.reverse()) view.extend(block);
    tip = head;
    markForks();
  };

  return {
    follow() {
      busy ??= advance().finally(() => {
        busy = undefined;
      });
      return busy;
    },
  };
}

/** True when two heads can be of one chain as far as the two headers tell. */
function agrees(a: BlockRef, b: BlockRef): boolean {
  if (a.number === b.number) return a.hash === b.hash;
  if (a.number === b.number + 1) return a.parentHash === b.hash;
  if (b.number === a.number + 1) return b.parentHash === a.hash;
  return false;
}
