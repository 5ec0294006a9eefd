import { describe, expect, it } from '@jest/globals';
import { AbiCoder, Interface } from 'ethers';
import fc from 'fast-check';
import { decodeAggregate3, encodeAggregate3 } from './multicall-codec.ts';

const abi = new Interface([
  'function aggregate3((address target, bool allowFailure, bytes callData)[] calls) returns ((bool success, bytes returnData)[])',
]);
const hexBytes = (max: number) =>
  fc.uint8Array({ maxLength: max }).map((bytes) => Buffer.from(bytes).toString('hex'));
const address = fc
  .uint8Array({ minLength: 20, maxLength: 20 })
  .map((bytes) => Buffer.from(bytes).toString('hex'));

describe('Multicall3 encoding', () => {
  it('equals the general ABI encoder for any calls', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ to: address, data: hexBytes(200) }), { minLength: 1, maxLength: 12 }),
        (calls) => {
          const expected = abi.encodeFunctionData('aggregate3', [
            calls.map(({ to, data }) => ({ target: `0x${to}`, allowFailure: true, callData: `0x${data}` })),
          ]);
          expect(encodeAggregate3(calls)).toBe(expected);
        },
      ),
    );
  });

  it('reads back what the general encoder wrote', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.boolean(), hexBytes(200)), { minLength: 1, maxLength: 12 }),
        (results) => {
          const answer = AbiCoder.defaultAbiCoder().encode(
            ['tuple(bool,bytes)[]'],
            [results.map(([success, data]) => [success, `0x${data}`])],
          );
          expect(decodeAggregate3(`"${answer}"`, results.length)).toEqual(
            results.map(([success, data]) => ({ success, data: `0x${data}` })),
          );
        },
      ),
    );
  });

  it('refuses anything that is not exactly the results asked for', () => {
    fc.assert(
      fc.property(hexBytes(400), fc.integer({ min: 1, max: 5 }), (junk, count) => {
        const decoded = decodeAggregate3(`"0x${junk}"`, count);
        expect(decoded === undefined || decoded.length === count).toBe(true);
      }),
    );
    expect(decodeAggregate3('"0x"', 1)).toBeUndefined();
    expect(decodeAggregate3('null', 1)).toBeUndefined();
  });
});
