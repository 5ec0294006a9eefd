/** The parts of a block that following a chain needs; the rest is passed on as it came. */
export interface BlockHeader {
  readonly number: number;
  readonly hash: string;
  readonly parentHash: string;
  /** JSON text of the block as `newHeads` reports it: the header, without the block's contents. */
  readonly json: string;
}

const QUANTITY = /^0x[0-9a-f]{1,13}$/i;
const HASH = /^0x[0-9a-f]{64}$/i;

/**
 * Reads a block answered by a node.
 * @returns null for null and for anything that is not a block: a provider's nonsense is treated as "not there".
 */
export function parseBlockHeader(value: unknown): BlockHeader | null {
  if (typeof value !== 'object' || value === null) return null;
  const block = value as Record<string, unknown>;
  const { number, hash, parentHash } = block;
  if (typeof number !== 'string' || !QUANTITY.test(number)) return null;
  if (typeof hash !== 'string' || !HASH.test(hash)) return null;
  if (typeof parentHash !== 'string' || !HASH.test(parentHash)) return null;
  const {
    transactions: _transactions,
    uncles: _uncles,
    withdrawals: _withdrawals,
    size: _size,
    ...header
  } = block;
  return {
    number: Number(number),
    hash: hash.toLowerCase(),
    parentHash: parentHash.toLowerCase(),
    json: JSON.stringify(header),
  };
}
