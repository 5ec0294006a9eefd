import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { AbiCoder, id } from 'ethers';
import { WALLET } from '../docs/examples.ts';
import { type ApiHarness, startApiHarness } from '../testing/api-harness.ts';

const word = (type: string, value: unknown): string => AbiCoder.defaultAbiCoder().encode([type], [value]);
const selector = (signature: string): string => id(signature).slice(0, 10);

let h: ApiHarness;
beforeAll(async () => {
  h = await startApiHarness();
  h.user.owners.set(WALLET, 'ada');
}, 60_000);
afterAll(() => h?.stop());

it('does not tell an owner that nobody owns what the index knows and the providers do not yet', async () => {
  const token = await h.user.accessToken('ada');
  const dataHash = `0x${'cd'.repeat(32)}`;
  const ask = () =>
    h.call('GET', `/v1/permissions/effective?dataHash=${dataHash}&productId=7&requesterId=1`, { token });
  const row = {
    key: 'k',
    stage: 'pending',
    blockNumber: '101',
    blockHash: `0x${'ab'.repeat(32)}`,
    blockTime: '2026-06-01T12:00:00.000Z',
    logIndex: 0,
    transactionHash: `0x${'ef'.repeat(32)}`,
    dataOwner: WALLET,
    dataOwnerId: '5',
    dataHash,
  };
  h.gateway.submissions.push(row);
  // The chain that answers is at block 100; a moment later it has block 101 and its data.
  setTimeout(() => {
    h.gateway.views.set(selector('getDataOwnerId(bytes)'), word('uint256', 5n));
    h.gateway.views.set(selector('ownerOf(uint256)'), word('address', WALLET));
  }, 500);
  const { status, body } = await ask();
  expect([status, body.ownerIdentity]).toEqual([200, '5']);

  // What the index has at a height that the chain has, too, is not waited for.
  h.gateway.views.clear();
  h.gateway.submissions.splice(0, 1, { ...row, blockNumber: '99' });
  expect((await ask()).status).toBe(403);
});
