import { MAX_UINT256, parseAmount } from '../../../lib/amount.ts';
import { AppError } from '../../../lib/errors.ts';

/**
 * A price or a reward: more than nothing, and no more than a token can have.
 * @throws AppError invalid_argument
 */
export function parsePositive(text: string, decimals: number, pointer: string): bigint {
  const raw = parseAmount(text, decimals, pointer);
  if (raw > 0n && raw <= MAX_UINT256) return raw;
  throw new AppError('invalid_argument', `${pointer}: expected an amount above 0 that a token can have.`, {
    errors: [{ pointer, rule: 'range', detail: 'above 0, below 2^256 units' }],
  });
}
