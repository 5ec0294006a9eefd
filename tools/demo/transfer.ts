import { DemoFailure, expectEqual, expectThat } from './demo-failure.ts';
import { eventually } from './eventually.ts';
import type { HttpAnswer } from './http-client.ts';
import type { Story } from './story.ts';

/** A transaction as the API tells it; the fields that the story uses. */
export interface TransactionView {
  readonly id: string;
  readonly state: string;
  readonly hash: string | null;
  readonly blockNumber: number | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

/** States that a transaction never leaves for a better one. */
const FAILED_STATES = ['rejected', 'failed', 'cancelled'];
const CONFIRMED_STATES = ['confirmed', 'finalized'];

export const isConfirmed = (state: string) => CONFIRMED_STATES.includes(state);

/** Accepting is one write to the database. */
const ACCEPT_MS = 5_000;
/** Two confirmations at two seconds a block, and the time to notice. */
export const CONFIRM_MS = 20_000;

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

/** Polls until the transaction is confirmed. Fails the step when it fails or takes longer than `withinMs`. */
export async function untilConfirmed(
  story: Story,
  id: string,
  withinMs = CONFIRM_MS,
): Promise<TransactionView> {
  const options = { expected: `transaction ${id} to be confirmed`, withinMs, signal: story.signal };
  return eventually({ ...options, service: 'gateway-worker' }, async () => {
    const { body } = await story.api.get(`/v1/transactions/${id}`, {
      token: story.stack.credential('apiKey'),
    });
    const transaction = body as TransactionView;
    if (FAILED_STATES.includes(transaction.state)) throw new TransactionEnded(transaction);
    if (!isConfirmed(transaction.state)) {
      throw new DemoFailure({ expected: 'confirmed', seen: `state ${transaction.state}` });
    }
    return transaction;
  });
}

/** Not a {@link DemoFailure} inside `eventually`: waiting any longer is of no use. */
class TransactionEnded extends Error {
  constructor({ id, state, error }: TransactionView) {
    super(`transaction ${id} is ${state}: ${error?.code} ${error?.message}`);
  }
}

/** Fails the step unless the transaction has what a mined one has. */
export function requireMined(transaction: TransactionView): { hash: string; blockNumber: number } {
  const { hash, blockNumber } = transaction;
  expectThat(hash && blockNumber !== null, 'a hash and a block', transaction, 'gateway');
  return { hash, blockNumber: Number(blockNumber) };
}
