/**
 * ABI encoding of Multicall3's `aggregate3((address target, bool allowFailure, bytes callData)[])` and of its answer,
 * on hex text. Written out by hand because the general encoder costs more than the call it saves.
 */

/** First four bytes of keccak256("aggregate3((address,bool,bytes)[])"). */
const AGGREGATE3 = '82ad56cb';
const WORD = 64;

function word(value: number): string {
  return value.toString(16).padStart(WORD, '0');
}

/** @param calls `to` and `data` as hex without 0x. @returns calldata with 0x; failures of single calls are allowed */
export function encodeAggregate3(calls: readonly { readonly to: string; readonly data: string }[]): string {
  let offsets = '';
  let tuples = '';
  let at = calls.length * 32;
  for (const { to, data } of calls) {
    offsets += word(at);
    const padded = data.length % WORD === 0 ? data : data.padEnd(Math.ceil(data.length / WORD) * WORD, '0');
    tuples += `${to.padStart(WORD, '0')}${word(1)}${word(96)}${word(data.length / 2)}${padded}`;
    at += 128 + padded.length / 2;
  }
  return `0x${AGGREGATE3}${word(32)}${word(calls.length)}${offsets}${tuples}`;
}

/**
 * Reads `(bool success, bytes returnData)[]`.
 * @param result JSON text of the eth_call's result
 * @returns undefined for anything that is not exactly `count` results
 */
export function decodeAggregate3(
  result: string,
  count: number,
): { success: boolean; data: string }[] | undefined {
  if (!/^"0x[0-9a-fA-F]*"$/.test(result)) return undefined;
  const hex = result.slice(3, -1);
  const read = (byteOffset: number): number => {
    const text = hex.slice(byteOffset * 2, byteOffset * 2 + WORD);
    // Offsets and lengths fit in a double long before an answer fits in memory.
    return text.length === WORD ? Number(`0x${text}`) : Number.NaN;
  };
  const array = read(0);
  if (read(array) !== count) return undefined;
  const base = array + 32;
  const results: { success: boolean; data: string }[] = [];
  for (let i = 0; i < count; i++) {
    const tuple = base + read(base + i * 32);
    const flag = read(tuple);
    const bytes = tuple + read(tuple + 32);
    const length = read(bytes);
    const from = (bytes + 32) * 2;
    const data = hex.slice(from, from + length * 2);
    if ((flag !== 0 && flag !== 1) || data.length !== length * 2) return undefined;
    results.push({ success: flag === 1, data: `0x${data}` });
  }
  return results;
}
