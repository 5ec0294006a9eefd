/** EIP-1559 fees: what to offer by urgency, and how much more a replacement must offer. Amounts in wei. */
export type Urgency = 'slow' | 'standard' | 'fast';

export interface Fees {
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
}

/** The part of `eth_feeHistory` that we use; rewards are per block, one per asked percentile. */
export interface FeeHistory {
  readonly baseFeePerGas: readonly bigint[];
  readonly reward: readonly (readonly bigint[])[];
  readonly gasUsedRatio: readonly number[];
}

/** Blocks looked back on; about four minutes on Ethereum: long enough to ride over one empty or full block. */
export const FEE_HISTORY_BLOCKS = 20;

/**
 * Per urgency: the percentile of tips paid lately, and how many consecutive full blocks the fee cap survives.
 * The base fee grows at most 12.5 % per block (EIP-1559), so 1.125^6 ≈ 2.03 is the usual "twice the base fee".
 */
export const URGENCY: Readonly<Record<Urgency, { percentile: number; fullBlocks: number }>> = {
  slow: { percentile: 10, fullBlocks: 3 },
  standard: { percentile: 50, fullBlocks: 6 },
  fast: { percentile: 90, fullBlocks: 10 },
};
export const URGENCIES: readonly Urgency[] = ['slow', 'standard', 'fast'];
export const FEE_PERCENTILES = URGENCIES.map((urgency) => URGENCY[urgency].percentile);

/** A tip below this is not worth a validator's while on a quiet chain (0.01 gwei). */
const MINIMUM_TIP = 10_000_000n;

/** The smaller of two amounts. */
export const smaller = (a: bigint, b: bigint): bigint => {
  if (a < b) return a;
  return b;
};
const larger = (a: bigint, b: bigint): bigint => {
  if (a > b) return a;
  return b;
};

const median = (values: readonly bigint[]): bigint => {
  const sorted = [...values].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return sorted[Math.floor(sorted.length / 2)] ?? 0n;
};

/** The base fee after `blocks` full blocks. */
export function baseFeeAfter(baseFee: bigint, blocks: number): bigint {
  let fee = baseFee;
  for (let i = 0; i < blocks; i++) fee += fee / 8n + 1n;
  return fee;
}

/** What to offer now. Empty blocks are left out: the node reports a tip of 0 for them, which says nothing. */
export function suggestFees(history: FeeHistory, urgency: Urgency): Fees {
  const { percentile, fullBlocks } = URGENCY[urgency];
  const column = FEE_PERCENTILES.indexOf(percentile);
  const tips = history.reward.flatMap((block, i) => {
    const tip = block[column];
    return tip !== undefined && (history.gasUsedRatio[i] ?? 0) > 0 ? [tip] : [];
  });
  const seen = median(tips);
  const tip = seen > MINIMUM_TIP ? seen : MINIMUM_TIP;
  const next = history.baseFeePerGas.at(-1) ?? 0n;
  return { maxFeePerGas: baseFeeAfter(next, fullBlocks) + tip, maxPriorityFeePerGas: tip };
}

/** The base fee of the next block: the last entry of the history. */
export const nextBaseFee = (history: FeeHistory): bigint => history.baseFeePerGas.at(-1) ?? 0n;

/** 10 % more, rounded up, and at least 1 wei more: the least that nodes accept as a replacement. */
export const bumped = (fee: bigint): bigint => {
  const more = (fee * 110n + 99n) / 100n;
  return more > fee ? more : fee + 1n;
};

/** Keeps both fees at or below `cap` per gas, the tip never above the total. */
export function capFees(fees: Fees, cap: bigint): Fees {
  const maxFeePerGas = smaller(fees.maxFeePerGas, cap);
  return { maxFeePerGas, maxPriorityFeePerGas: smaller(fees.maxPriorityFeePerGas, maxFeePerGas) };
}

/**
 * Fees of a replacement: what is right now, but both at least 10 % above the attempt it replaces.
 * @returns undefined when the cap leaves no room: the old bytes are broadcast again instead.
 */
export function replacementFees(previous: Fees, suggestion: Fees, cap: bigint): Fees | undefined {
  const least = {
    maxFeePerGas: bumped(previous.maxFeePerGas),
    maxPriorityFeePerGas: bumped(previous.maxPriorityFeePerGas),
  };
  if (least.maxFeePerGas > cap) return undefined;
  const wanted = capFees(suggestion, cap);
  const maxFeePerGas = larger(wanted.maxFeePerGas, least.maxFeePerGas);
  const tip = larger(wanted.maxPriorityFeePerGas, least.maxPriorityFeePerGas);
  return tip > maxFeePerGas ? undefined : { maxFeePerGas, maxPriorityFeePerGas: tip };
}
