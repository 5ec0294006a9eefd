import { expectEqual } from '../demo-failure.ts';
import type { HttpAnswer } from '../http-client.ts';
import type { Step } from '../story.ts';
import { blockOnChain, rjvBalance } from '../wallet-reads.ts';

/** 3. The API answers her RJV balance and an empty history, as of a block. */
export const emptyWalletStep: Step = {
  id: 'empty-wallet',
  title: 'Her balance is zero and her history empty',
  needs: ['sign-in'],
  async run(story) {
    const { api } = story;
    const { accessToken: token, wallet } = story.fact('person');
    const balance = await rjvBalance(story, wallet.address);
    expectEqual(balance.raw, '0', 'her RJV balance', 'api');
    expectEqual(balance.decimals, 6, 'the decimals of RJV', 'api');

    const { body: history }: HttpAnswer = await api.get(`/v1/wallets/${wallet.address}/transfers`, { token });
    expectEqual(history.data.length, 0, 'the length of her history', 'api');

    // Both answers speak of blocks that the chain itself has.
    for (const { blockNumber, blockHash } of [balance.asOf, history.asOf]) {
      const block = await blockOnChain(story, blockNumber);
      expectEqual(blockHash, block?.hash, `the hash of block ${blockNumber} in asOf`, 'api');
    }
    return {
      did: `0 RJV as of block ${balance.asOf.blockNumber}, no transfers as of block ${history.asOf.blockNumber}; the chain has both blocks`,
      look: `${api.baseUrl}/v1/wallets/${wallet.address}/balances`,
    };
  },
};
