import { parseUnits } from 'ethers';
import { requireBalance, requireBalancedEntry, requireOneInboxRow } from '../consistency.ts';
import { expectThat } from '../demo-failure.ts';
import { eventually } from '../eventually.ts';
import type { Step } from '../story.ts';
import { blockOnChain } from '../wallet-reads.ts';

/** The promise: from the block to her open stream. */
const BLOCK_TO_STREAM_MS = 3_000;
const SETTLE_MS = 5_000;

/** 5. Her stream showed the transfer; one inbox row, balanced postings, and the balance is `balanceOf`. */
export const notificationStep: Step = {
  id: 'notification',
  title: 'She is told once, and every book agrees',
  needs: ['receive-tokens'],
  async run(story) {
    const { signal, user } = story;
    const { hash, blockNumber } = story.fact('transfer');
    const { wallet } = story.fact('person');
    const event = await story
      .fact('inbox')
      .waitFor({ expected: `a notification of ${hash}`, withinMs: SETTLE_MS, signal }, ({ json }) =>
        Boolean(json?.data?.transactionHash === hash),
      );
    const block = await blockOnChain(story, blockNumber);
    expectThat(block, `block ${blockNumber} on the chain`, block, 'gateway-indexer');
    // A block's time has whole seconds and is rounded down, so this is never less than what really passed.
    const delay = event.receivedAt - Number(block.timestamp) * 1000;
    expectThat(
      delay <= BLOCK_TO_STREAM_MS,
      `the event within ${BLOCK_TO_STREAM_MS} ms of its block`,
      `${delay} ms`,
      'user',
    );

    const rawAmount = parseUnits('100', 6);
    const row = await eventually({ expected: 'one inbox row', withinMs: SETTLE_MS, signal }, () =>
      requireOneInboxRow(story, hash),
    );
    await eventually({ expected: 'one balanced ledger entry', withinMs: SETTLE_MS, signal }, async () => {
      await requireBalancedEntry(story, hash, { wallet: wallet.address, rawAmount });
      return true;
    });
    await requireBalance(story, wallet.address, rawAmount, SETTLE_MS);
    return {
      did:
        `"${event.json.title}" came ${delay} ms after the block; one inbox row (${row.stage}), postings sum to zero, ` +
        `API = ledger = balanceOf = ${rawAmount} raw`,
      look: `${user.baseUrl}/v1/notifications`,
    };
  },
};
