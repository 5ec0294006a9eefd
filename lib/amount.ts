import { z } from 'zod';
import { AppError } from './errors.ts';

/** An amount of a token as every answer shows it: exact, with what is needed to display it. */
export const amountSchema = z
  .object({
    raw: z
      .string()
      .regex(/^-?\d+$/)
      .describe('Whole number of the smallest unit'),
    decimals: z.number().int().min(0).max(255).describe('Digits after the decimal point'),
    formatted: z.string().describe('raw ÷ 10^decimals, exact, without trailing zeros'),
  })
  .meta({ id: 'Amount' });

export type Amount = z.output<typeof amountSchema>;

/** 100000000 with 6 decimals → "100"; never goes through a floating point number. */
export function formatAmount(raw: bigint, decimals: number): Amount {
  const negative = raw < 0n;
  const digits = (negative ? -raw : raw).toString().padStart(decimals + 1, '0');
  const whole = digits.slice(0, digits.length - decimals);
  const fraction = decimals === 0 ? '' : digits.slice(-decimals).replace(/0+$/, '');
  const formatted = `${negative ? '-' : ''}${whole}${fraction ? `.${fraction}` : ''}`;
  return { raw: raw.toString(), decimals, formatted };
}

/**
 * "100.5" with 6 decimals → 100500000n.
 * @throws AppError `invalid_argument` for anything but a plain non-negative decimal with at most `decimals` digits.
 */
export function parseAmount(text: string, decimals: number, pointer = '/amount'): bigint {
  const match = /^(\d{1,78})(?:\.(\d+))?$/.exec(text);
  const refuse = (detail: string): AppError =>
    new AppError('invalid_argument', `${pointer}: ${detail}`, {
      errors: [{ pointer, rule: 'amount', detail }],
    });
  if (!match) throw refuse('Expected a decimal number such as "12.5", without sign or exponent.');
  const fraction = match[2] ?? '';
  if (fraction.length > decimals)
    throw refuse(`Has ${fraction.length} decimals; this token has ${decimals}.`);
  return BigInt((match[1] ?? '0') + fraction.padEnd(decimals, '0'));
}

/** The largest uint256; an amount above it cannot exist on chain. */
export const MAX_UINT256 = 2n ** 256n - 1n;

/** A uint256 as a decimal string, as our interfaces carry it. */
export const uint256String = z
  .string()
  .regex(/^(0|[1-9]\d{0,77})$/, { error: 'expected a whole number as a decimal string', abort: true })
  .refine((text) => BigInt(text) <= MAX_UINT256, 'larger than a uint256');
