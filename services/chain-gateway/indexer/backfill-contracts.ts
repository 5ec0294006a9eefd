import { applyBackfill, type PendingBackfill, pendingBackfills } from '../store/backfill-store.ts';
import type { GatewayPostgres } from '../store/gateway-database.ts';
import type { ChainReader } from './chain-reader.ts';
import type { BlockWithEvents, FollowedContract } from './index-types.ts';

const PARALLEL_RANGES = 4;

/**
 * Indexes the past of contracts that were added later, range by range, while live indexing goes on: everything below
 * the block at which live indexing took the contract over, and only what is final.
 * @returns true when there is more to do at once.
 */
export async function backfillContracts(deps: {
  postgres: GatewayPostgres;
  reader: ChainReader;
  contracts: readonly FollowedContract[];
  chainId: number;
  rangeBlocks: number;
  finalized: number;
}): Promise<boolean> {
  const { postgres, contracts, chainId, finalized } = deps;
  let more = false;
  for (const pending of await pendingBackfills(postgres, chainId)) {
    const contract = contracts.find((candidate) => candidate.address === pending.address);
    if (!contract) continue;
    const ranges = rangesOf(pending, deps.rangeBlocks, finalized);
    // Read side by side, written one after the other: `next` never jumps over a range that failed.
    const loading = ranges.map((range) => load(deps.reader, contract, range));
    for (const promise of loading) promise.catch(() => undefined);
    for (const [i, range] of ranges.entries()) {
      if (!(await applyBackfill(postgres, chainId, contract, (await loading[i]) ?? [], range))) break;
    }
    more ||= ranges.length === PARALLEL_RANGES;
  }
  return more;
}

function rangesOf(
  { next, below }: PendingBackfill,
  size: number,
  finalized: number,
): { from: number; to: number }[] {
  const last = Math.min(below - 1, finalized);
  const ranges: { from: number; to: number }[] = [];
  for (let from = next; from <= last && ranges.length < PARALLEL_RANGES; from += size)
    ranges.push({ from, to: Math.min(from + size - 1, last) });
  return ranges;
}

async function load(
  reader: ChainReader,
  contract: FollowedContract,
  range: { from: number; to: number },
): Promise<BlockWithEvents[]> {
  const events = await reader.range(range.from, range.to, [contract]);
  const blocks: BlockWithEvents[] = [];
  for (const number of [...new Set(events.map((event) => event.blockNumber))]) {
    const block = await reader.header(number);
    const own = events.filter((event) => event.blockNumber === number);
    if (!block || own.some((event) => event.blockHash !== block.hash))
      throw new Error(`the providers disagree about the final block ${number}`);
    blocks.push({ block, events: own });
  }
  return blocks;
}
