import { describe, expect, it } from '@jest/globals';
import { Interface } from 'ethers';
import { AppError } from '../../../lib/errors.ts';
import { createContractBook } from './contract-book.ts';
import { decodeRevert, revertData } from './decode-revert.ts';
import { encodeCall } from './encode-call.ts';

const abi = [
  'function transfer(address to, uint256 amount) returns (bool)',
  'function mint(address to, uint256 amount)',
  'function mint(address to, bytes data)',
  'function balanceOf(address) view returns (uint256)',
  'error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed)',
];
const token = '0x02c3296C6eb50249f290AE596F2bE9454bFfadaB';
const book = createContractBook(31337, [{ name: 'RejuveToken', address: token, abi, deployedBlock: 1 }]);
const refusal = (call: { contract: string; function: string; args: unknown[] }): AppError => {
  try {
    encodeCall(book, call);
  } catch (error) {
    if (error instanceof AppError) return error;
  }
  throw new Error('was not refused');
};

describe('encodeCall', () => {
  it('encodes a call by name', () => {
    const call = encodeCall(book, { contract: 'RejuveToken', function: 'transfer', args: [token, '100'] });
    expect(call).toMatchObject({ to: token, signature: 'transfer(address,uint256)', selector: '0xa9059cbb' });
    expect(call.data).toBe(new Interface(abi).encodeFunctionData('transfer', [token, 100n]));
  });
  it('names the nearest contract and function', () => {
    expect(refusal({ contract: 'RejuvToken', function: 'transfer', args: [] }).message).toContain(
      'did you mean RejuveToken',
    );
    expect(refusal({ contract: 'RejuveToken', function: 'transfr', args: [] }).message).toContain(
      'did you mean transfer',
    );
  });
  it('does not send views', () => {
    expect(
      refusal({ contract: 'RejuveToken', function: 'balanceOf', args: [token] }).errors?.[0]?.pointer,
    ).toBe('/function');
  });
  it('says which argument is wrong and what was expected', () => {
    const error = refusal({ contract: 'RejuveToken', function: 'transfer', args: ['0x12', 'ten'] });
    expect(error.errors?.map((e) => e.pointer)).toEqual(['/args/0', '/args/1']);
    expect(error.message).toContain('expected address');
    expect(error.message).toContain('expected uint256');
    expect(error.message).not.toContain('ten,');
  });
  it('wants large integers as strings', () => {
    expect(refusal({ contract: 'RejuveToken', function: 'transfer', args: [token, 1e21] }).message).toContain(
      'as strings',
    );
  });
  it('says how many arguments it takes and asks for the full name of an overload', () => {
    expect(refusal({ contract: 'RejuveToken', function: 'transfer', args: [token] }).message).toContain(
      'takes 2 arguments',
    );
    expect(refusal({ contract: 'RejuveToken', function: 'mint', args: [token, '1'] }).message).toContain(
      'overloaded',
    );
    expect(
      encodeCall(book, { contract: 'RejuveToken', function: 'mint(address,uint256)', args: [token, '1'] })
        .data,
    ).toHaveLength(138);
  });
});

describe('decodeRevert', () => {
  const iface = new Interface(abi);
  it('reads custom errors with their arguments', () => {
    const data = iface.encodeErrorResult('ERC20InsufficientBalance', [token, 1, 5]);
    expect(decodeRevert(data, book.errors)).toEqual({
      name: 'ERC20InsufficientBalance',
      message: `ERC20InsufficientBalance(sender=${token}, balance=1, needed=5)`,
    });
  });
  it('reads Error(string) and Panic', () => {
    expect(decodeRevert(iface.encodeErrorResult('Error(string)', ['paused']), book.errors).message).toBe(
      'paused',
    );
    expect(decodeRevert(iface.encodeErrorResult('Panic(uint256)', [0x11]), book.errors).message).toContain(
      'overflow',
    );
  });
  it('tells no story about what it cannot read', () => {
    expect(decodeRevert('0xdeadbeef', book.errors).name).toBe('unknown');
    expect(decodeRevert('0x', book.errors).message).toContain('without a reason');
    expect(decodeRevert(`0x08c379a0${'ff'.repeat(8)}`, book.errors).name).toBe('unknown');
  });
  it('finds the bytes wherever a node put them', () => {
    expect(revertData('0x12ab')).toBe('0x12ab');
    expect(revertData('Reverted 0x12ab')).toBe('0x12ab');
    expect(revertData({ originalError: { data: '0x12ab' } })).toBe('0x12ab');
    expect(revertData({ message: 'no' })).toBeUndefined();
  });
});
