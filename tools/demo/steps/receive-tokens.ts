import { parseUnits } from 'ethers';
import { expectEqual } from '../demo-failure.ts';
import { openEventStream } from '../event-stream.ts';
import { CONFIRM_MS, followTransaction, isConfirmed, requireMined } from '../follow-transaction.ts';
import { requestTransfer } from '../request-transfer.ts';
import type { Step } from '../story.ts';

const AMOUNT = '100';

/** 4. She receives 100 RJV from the treasury; asked twice with one key, sent once; followed by polling and by events. */
export const receiveTokensStep: Step = {
  id: 'receive-tokens',
  title: `She receives ${AMOUNT} RJV, asked for twice`,
  needs: ['link-wallet'],
  async run(story) {
    const { api, signal, stack, facts } = story;
    const { wallet } = story.fact('person');
    const transfer = {
      to: wallet.address,
      rawAmount: parseUnits(AMOUNT, 6),
      idempotencyKey: crypto.randomUUID(),
    };
    const started = performance.now();
    const [first, second] = await Promise.all([
      requestTransfer(story, transfer),
      requestTransfer(story, transfer),
    ]);
    const { id } = first.body as { id: string };
    expectEqual(
      second.body.id,
      id,
      'the transaction of the second request with the same Idempotency-Key',
      'api',
    );

    const events = await openEventStream({
      url: `${api.baseUrl}/v1/transactions/${id}/events`,
      token: stack.credential('apiKey'),
      service: 'api',
      signal,
    });
    const [polled, event] = await Promise.all([
      followTransaction(story, id, { token: stack.credential('apiKey'), until: 'confirmed' }),
      events.waitFor({ expected: 'the state "confirmed"', withinMs: CONFIRM_MS, signal }, ({ json }) =>
        isConfirmed(json?.state ?? ''),
      ),
    ]).finally(() => events.close());
    const { hash, blockNumber } = requireMined(polled);
    expectEqual(event.json.hash, hash, 'the hash in the event stream', 'api');
    facts.transfer = { id, hash, blockNumber };
    const states = [...new Set(events.received.map(({ json }) => json?.state).filter(Boolean))].join(' → ');
    return {
      did:
        `asked twice, one transaction; confirmed in block ${blockNumber} after ` +
        `${((performance.now() - started) / 1000).toFixed(1)} s; events: ${states}`,
      look: `${api.baseUrl}/v1/transactions/${id}`,
    };
  },
};
