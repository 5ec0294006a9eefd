import type { BlockRef } from './chain-view.ts';

const field = (name: string): RegExp => new RegExp(`"${name}"\\s*:\\s*"(0x[0-9a-fA-F]+)"`);
const NUMBER = field('number');
const HASH = field('hash');
const PARENT = field('parentHash');
const TIMESTAMP = field('timestamp');
const BLOCK_NUMBER = field('blockNumber');
const BLOCK_HASH = field('blockHash');

/**
 * Reads a header out of the JSON text of a block that was asked for without transaction bodies (with them, the first
 * `hash` could be a transaction's). @returns undefined for null or anything that is not a block.
 */
export function blockRefOf(text: string): BlockRef | undefined {
  const number = NUMBER.exec(text)?.[1];
  const hash = HASH.exec(text)?.[1];
  const parentHash = PARENT.exec(text)?.[1];
  if (number === undefined || hash === undefined || parentHash === undefined) return undefined;
  const value = Number(number);
  if (!Number.isSafeInteger(value)) return undefined;
  return { number: value, hash, parentHash, timestamp: Number(TIMESTAMP.exec(text)?.[1] ?? 0) };
}

/** The block that a transaction, receipt or log belongs to; undefined while it is in none. */
export function blockOfTransaction(text: string): { number: number; hash: string } | undefined {
  const number = BLOCK_NUMBER.exec(text)?.[1];
  const hash = BLOCK_HASH.exec(text)?.[1];
  if (number === undefined || hash === undefined) return undefined;
  const value = Number(number);
  return Number.isSafeInteger(value) ? { number: value, hash } : undefined;
}
