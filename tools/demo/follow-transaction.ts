import { DemoFailure, expectThat } from './demo-failure.ts';
import { eventually } from './eventually.ts';
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

/** Two confirmations at two seconds a block, and the time to notice. */
export const CONFIRM_MS = 20_000;

export interface Follow {
  /** Bearer token of whoever asked for the transaction. */
  readonly token: string;
  /** Wait until it is in a block, or until it is confirmed. */
  readonly until: 'included' | 'confirmed';
  readonly withinMs?: number;
}

/** Polls until the transaction is as far as asked. Fails the step when it ends otherwise or takes too long. */
export async function followTransaction(story: Story, id: string, follow: Follow): Promise<TransactionView> {
  const { token, until, withinMs = CONFIRM_MS } = follow;
  const options = { expected: `transaction ${id} to be ${until}`, withinMs, signal: story.signal };
  return eventually({ ...options, service: 'gateway-worker' }, async () => {
    const { body } = await story.api.get(`/v1/transactions/${id}`, { token });
    const transaction = body as TransactionView;
    if (FAILED_STATES.includes(transaction.state)) throw new TransactionEnded(transaction);
    if (isConfirmed(transaction.state) || transaction.state === until) return transaction;
    throw new DemoFailure({ expected: until, seen: `state ${transaction.state}` });
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
