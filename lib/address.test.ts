import { describe, expect, it } from '@jest/globals';
import { addressSchema, hexSchema } from './address.ts';

const RJV = '0x02c3296C6eb50249f290AE596F2bE9454bFfadaB';

describe('addressSchema', () => {
  it('yields the checksummed form of lower, upper and right mixed case', () => {
    for (const text of [RJV, RJV.toLowerCase(), `0x${RJV.slice(2).toUpperCase()}`])
      expect(addressSchema.parse(text)).toBe(RJV);
  });

  it('refuses a wrong checksum and says the right one', () => {
    const wrong = RJV.replace('6eb', '6EB');
    expect(addressSchema.safeParse(wrong).error?.issues[0]?.message).toContain(RJV);
  });

  it.each(['', '0x', '0x12', RJV.slice(2), `${RJV}0`, 'vitalik.eth'])('refuses %j', (text) => {
    expect(addressSchema.safeParse(text).success).toBe(false);
  });
});

describe('hexSchema', () => {
  it('bounds the bytes and refuses half a byte', () => {
    expect(hexSchema(2).parse('0xABCD')).toBe('0xabcd');
    expect(hexSchema(2).safeParse('0xabcdef').success).toBe(false);
    expect(hexSchema(2).safeParse('0xabc').success).toBe(false);
  });
});
