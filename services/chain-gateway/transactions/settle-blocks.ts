import type { Head, LaneChain, LaneStore } from './lane-types.ts';

/** What settling did, for metrics. */
export interface Settled {
  confirmed: number;
  finalized: number;
  reorged: number;
}

/**
 * Moves what is included along as blocks come: confirmed at depth N, finalized when the chain says so, back to
 * submitted when a reorg took the block. Works per block, so that a burst costs one look and not one per transaction.
 */
export async function settleBlocks(
  deps: { store: LaneStore; chain: LaneChain; confirmations: number },
  head: Head,
): Promise<Settled> {
  const { store, chain, confirmations } = deps;
  const settled: Settled = { confirmed: 0, finalized: 0, reorged: 0 };
  const blocks = await store.includedBlocks(chain.chainId);
  if (blocks.length === 0) return settled;
  const finalized = await chain.finalizedNumber();
  for (const { number, hash } of blocks) {
    // Above the head we were given: a provider that lags says nothing about a reorg.
    if (number > head.number) continue;
    const canonical = await chain.blockHash(number);
    if (canonical === null) continue;
    if (canonical !== hash) {
      const slots = await store.includedSlots(chain.chainId, number, hash);
      await store.uninclude(chain.chainId, number, hash, slots);
      settled.reorged += slots.length;
      continue;
    }
    const depth = head.number - number + 1;
    if (depth >= confirmations) {
      await store.confirm(chain.chainId, number, hash, depth);
      settled.confirmed += 1;
    }
    if (number <= finalized && depth >= confirmations) {
      const result = await finalizeBlock(deps, number, hash);
      settled.finalized += result.finalized;
      settled.reorged += result.reorged;
    }
  }
  return settled;
}

/** The last look is a fresh one: a receipt that a provider made up is found out here, before anything is called final. */
async function finalizeBlock(
  { store, chain }: { store: LaneStore; chain: LaneChain },
  number: number,
  hash: string,
): Promise<{ finalized: number; reorged: number }> {
  const slots = await store.includedSlots(chain.chainId, number, hash);
  const checked = await Promise.all(
    slots.map(async (slot) => ({ slot, receipt: await chain.receipt(slot.hash) })),
  );
  const good = checked.filter(({ receipt }) => receipt?.blockHash === hash).map(({ slot }) => slot);
  const bad = checked.filter(({ receipt }) => receipt?.blockHash !== hash).map(({ slot }) => slot);
  if (good.length > 0) await store.finalize(chain.chainId, number, hash, good);
  if (bad.length > 0) await store.uninclude(chain.chainId, number, hash, bad);
  return { finalized: good.length, reorged: bad.length };
}
