import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestChain, type TestChain } from './test-chain.ts';
import { deployTestContracts, testAccounts } from './test-contracts.ts';

describe('deployTestContracts', () => {
  let chain: TestChain;
  beforeAll(async () => {
    chain = await startTestChain();
  });
  afterAll(() => chain.stop());

  it('puts every contract on the chain, with the roles of the development stack', async () => {
    const manifest = await deployTestContracts(chain);
    for (const { address } of Object.values(manifest.contracts)) {
      expect(await chain.rpc('eth_getCode', [address, 'latest'])).not.toBe('0x');
    }
    expect(manifest.accounts.treasury?.address).toBe(testAccounts.treasury.address);
  });
});
