import { getAddress } from 'ethers';
import { z } from 'zod';

/** An Ethereum address with its EIP-55 checksum. */
export type Address = `0x${string}`;

/** @throws Error when `text` is not an address. */
export const toChecksum = (text: string): Address => getAddress(text.toLowerCase()) as Address;

/** Compares two addresses whatever their case. */
export const sameAddress = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

/**
 * Accepts an address in lower case, in upper case, or with a right checksum (EIP-55), and yields the checksummed form.
 * A mixed-case address with a wrong checksum is a typing error: refused, naming the right spelling.
 */
export const addressSchema = z
  .string()
  .superRefine((text, ctx) => {
    if (!/^0x[0-9a-fA-F]{40}$/.test(text)) {
      ctx.addIssue({ code: 'custom', message: 'expected an address: 0x and 40 hexadecimal digits' });
      return;
    }
    const digits = text.slice(2);
    const right = toChecksum(text);
    if (digits !== digits.toLowerCase() && digits !== digits.toUpperCase() && text !== right) {
      ctx.addIssue({
        code: 'custom',
        message: `the checksum (EIP-55) is wrong; if the digits are right it is ${right}`,
      });
    }
  })
  .transform((text) => toChecksum(text) as string)
  .meta({
    description: 'Ethereum address; EIP-55 checksum when in mixed case',
    pattern: '^0x[0-9a-fA-F]{40}$',
    examples: ['0x02c3296C6eb50249f290AE596F2bE9454bFfadaB'],
  });

/** A 32-byte hash in lower case. */
export const hashSchema = z
  .string()
  .regex(/^0x[0-9a-fA-F]{64}$/, 'expected 0x and 64 hexadecimal digits')
  .transform((text) => text.toLowerCase());

/** Bytes as 0x-prefixed hex, at most `maxBytes`. */
export const hexSchema = (maxBytes: number) =>
  z
    .string()
    .regex(/^0x([0-9a-fA-F]{2})*$/, 'expected bytes as 0x and an even number of hexadecimal digits')
    .refine((text) => (text.length - 2) / 2 <= maxBytes, `at most ${maxBytes} bytes`)
    .transform((text) => text.toLowerCase());
