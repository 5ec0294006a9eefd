import { expectEqual } from './demo-failure.ts';
import { eventually } from './eventually.ts';
import type { HttpAnswer } from './http-client.ts';
import type { Story } from './story.ts';

/** Accepting is one write to the database. */
const ACCEPT_MS = 5_000;

/**
 * Asks the platform to send RJV from the development treasury. While an equal request is still being written the
 * answer is "in progress, later": then it is asked again, as every client should.
 */
export async function requestTransfer(
  story: Story,
  transfer: { to: string; rawAmount: bigint; idempotencyKey: string },
): Promise<HttpAnswer> {
  const { api, stack, signal } = story;
  return eventually(
    { expected: 'POST /v1/transactions to be accepted', withinMs: ACCEPT_MS, signal },
    async () => {
      const answer = await api.post('/v1/transactions', {
        token: stack.credential('apiKey'),
        idempotencyKey: transfer.idempotencyKey,
        body: {
          signer: 'treasury',
          contract: 'RejuveToken',
          function: 'transfer',
          args: [transfer.to, transfer.rawAmount.toString()],
          purpose: 'demo',
        },
        expect: [202, 409],
      });
      if (answer.status === 202) return answer;
      expectEqual(answer.body?.code, 'idempotency_in_progress', 'the code of a 409', 'api');
      return undefined;
    },
  );
}
