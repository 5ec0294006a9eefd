import { describe, expect, it } from '@jest/globals';
import type { AppError } from '../../../lib/errors.ts';
import type { ChainView } from '../heads/chain-view.ts';
import { judgeCalls } from './judge-calls.ts';

const view = {
  head: () => 100,
  safe: () => 90,
  finalized: () => 80,
  hashOf: () => undefined,
} as unknown as ChainView;

function refusalOf(calls: readonly { method: string; params?: readonly unknown[] }[]): AppError | undefined {
  try {
    judgeCalls(
      calls.map(({ method, params = [] }) => ({ method, params })),
      { view, extraMethods: new Set() },
    );
    return undefined;
  } catch (error) {
    return error as AppError;
  }
}

describe('judgeCalls', () => {
  const balance = { method: 'eth_getBalance', params: [`0x${'1'.repeat(40)}`, 'latest'] };

  it('takes 10,000 calls and refuses one more', () => {
    const many = Array.from({ length: 10_000 }, () => balance);
    expect(refusalOf(many)).toBeUndefined();
    expect(refusalOf([...many, balance])).toMatchObject({
      code: 'job_too_large',
      message: 'A job has at most 10000 calls, this one has 10001: split it into several jobs.',
    });
  });

  it.each([
    ['an unknown method', { method: 'eth getBalance' }, '/method', 'unknown'],
    ['a method that acts on the node', { method: 'admin_addPeer' }, '/method', 'unknown'],
    ['a write', { method: 'eth_sendRawTransaction', params: ['0x00'] }, '/method', 'write'],
    ['a subscription', { method: 'eth_subscribe', params: ['newHeads'] }, '/method', 'stateful'],
    ['a filter', { method: 'eth_newBlockFilter' }, '/method', 'stateful'],
    ['a block that is none', { method: 'eth_getBalance', params: ['0x1', 'newest'] }, '/params', 'params'],
    ['logs without a filter', { method: 'eth_getLogs', params: ['0x1'] }, '/params', 'params'],
    [
      'parameters that are too large',
      { method: 'eth_call', params: ['0'.repeat(200_000)] },
      '/params',
      'max',
    ],
  ])('names %s by its index', (_what, call, pointer, rule) => {
    const refusal = refusalOf([balance, balance, call]);
    expect(refusal?.code).toBe('call_refused');
    expect(refusal?.errors).toMatchObject([{ pointer: `/calls/2${pointer}`, rule }]);
  });

  it('lists the first problems and counts all', () => {
    const refusal = refusalOf(Array.from({ length: 500 }, () => ({ method: 'nonsense' })));
    expect(refusal?.errors).toHaveLength(20);
    expect(refusal?.message).toContain('500 calls');
  });
});
