import { expectEqual, expectThat } from '../demo-failure.ts';
import { eventually } from '../eventually.ts';
import type { HttpAnswer } from '../http-client.ts';
import type { Step } from '../story.ts';
import { rjvBalance } from '../wallet-reads.ts';

/** 3. The API answers her RJV balance and an empty history, as of a block. */
export const emptyWalletStep: Step = {
  id: 'empty-wallet',
  title: 'Her balance is zero and her history empty',
  needs: ['sign-in'],
  async run(story) {
    const { api, signal } = story;
    const { accessToken: token, wallet } = story.fact('person');
    const balance = await rjvBalance(story, wallet.address);
    expectEqual(balance.raw, '0', 'her RJV balance', 'api');
    expectEqual(balance.decimals, 6, 'the decimals of RJV', 'api');

    const { body: history }: HttpAnswer = await api.get(`/v1/wallets/${wallet.address}/transfers`, { token });
    expectEqual(history.data.length, 0, 'the length of her history', 'api');
    expectThat(
      /^0x[0-9a-f]{64}$/.test(history.asOf?.blockHash),
      'asOf with a block hash',
      history.asOf,
      'api',
    );

    // asOf is the chain's own block, and it moves with it.
    const first: number = balance.asOf.blockNumber;
    const later = await eventually(
      { expected: `asOf to move on from block ${first}`, withinMs: 8_000, signal },
      async () => {
        const { asOf } = await rjvBalance(story, wallet.address);
        return asOf.blockNumber > first ? asOf : undefined;
      },
    );
    return {
      did: `0 RJV and no transfers as of block ${first}, then of block ${later.blockNumber} (${later.finality})`,
      look: `${api.baseUrl}/v1/wallets/${wallet.address}/balances`,
    };
  },
};
