import { createHash } from 'node:crypto';

/** A block of the virtual chain. */
export interface VirtualBlock {
  readonly number: number;
  readonly hash: string;
  readonly parentHash: string;
  /** Virtual milliseconds when it became the head. */
  readonly minedAt: number;
}

const FINAL_DEPTH = 12;

function hashOf(text: string): string {
  return `0x${createHash('sha256').update(text).digest('hex')}`;
}

/**
 * A chain that exists only in virtual time. What it answers is a function of the block alone, so a simulation can
 * tell a right answer from a wrong one without a second implementation.
 */
export interface VirtualChain {
  readonly chainId: number;
  head(): VirtualBlock;
  block(number: number): VirtualBlock | undefined;
  finalized(): number;
  mine(): VirtualBlock;
  /** Replaces the newest `depth` blocks by as many others and adds one, so that the new branch is the longer one. */
  reorg(depth: number): void;
  /** The right answer for a balance at a block. */
  balance(address: string, block: VirtualBlock): string;
  json(block: VirtualBlock): string;
}

export function createVirtualChain(options: {
  chainId: number;
  now: () => number;
  blocks?: number;
}): VirtualChain {
  const blocks: VirtualBlock[] = [];
  let branch = 0;
  const append = (): VirtualBlock => {
    const parent = blocks.at(-1);
    const number = blocks.length;
    const block = {
      number,
      hash: hashOf(`${branch}:${number}:${parent?.hash ?? 'genesis'}`),
      parentHash: parent?.hash ?? `0x${'0'.repeat(64)}`,
      minedAt: options.now(),
    };
    blocks.push(block);
    return block;
  };
  for (let i = 0; i <= (options.blocks ?? 50); i++) append();

  const chain: VirtualChain = {
    chainId: options.chainId,
    head: () => blocks.at(-1) as VirtualBlock,
    block: (number) => blocks[number],
    finalized: () => Math.max(0, blocks.length - 1 - FINAL_DEPTH),
    mine: append,
    reorg(depth) {
      branch++;
      blocks.length = Math.max(1, blocks.length - Math.min(depth, FINAL_DEPTH - 1));
      for (let i = 0; i <= depth; i++) append();
    },
    balance: (address, block) => `0x${BigInt(hashOf(`${address}@${block.hash}`).slice(0, 18)).toString(16)}`,
    json: (block) =>
      JSON.stringify({
        number: `0x${block.number.toString(16)}`,
        hash: block.hash,
        parentHash: block.parentHash,
        timestamp: `0x${Math.floor(block.minedAt / 1_000).toString(16)}`,
        transactions: [],
      }),
  };
  return chain;
}
