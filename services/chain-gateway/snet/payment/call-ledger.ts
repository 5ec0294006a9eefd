import type { GatewayPostgres } from '../../store/gateway-database.ts';
import { type EndedCall, endCalls, insertCalls, type NewCall } from '../store/call-store.ts';
import { type Batcher, createBatcher } from './batcher.ts';
import type { CallFailure } from './payment-mode.ts';

/** Writes calls down, many at once. Nobody gets an answer before it is written that they did. */
export interface CallLedger {
  begin(call: NewCall): Promise<void>;
  answered(id: string, answer: string | undefined): Promise<void>;
  /** @param reached the daemon took the payment and gave it back */
  failed(id: string, reached: boolean, error: string): Promise<void>;
  /** Nobody knows whether the daemon was paid. */
  lost(id: string, error: string): Promise<void>;
  idle(): Promise<void>;
}

const MAX_ERROR = 300;

export function createCallLedger(postgres: GatewayPostgres): CallLedger {
  const begins: Batcher<NewCall, void> = createBatcher(async (calls) => {
    await insertCalls(postgres.db, calls);
    return [];
  });
  const ends: Batcher<EndedCall, void> = createBatcher(async (calls) => {
    await endCalls(postgres.db, calls);
    return [];
  });
  return {
    // One with a key may meet another of the same key, and then must not take its neighbours with it.
    begin: (call) =>
      call.idempotencyKey === undefined ? begins.add(call) : insertCalls(postgres.db, [call]),
    answered: (id, answer) => ends.add({ id, state: 'answered', reached: true, error: undefined, answer }),
    failed: (id, reached, error) =>
      ends.add({ id, state: 'failed', reached, error: error.slice(0, MAX_ERROR), answer: undefined }),
    lost: (id, error) =>
      ends.add({ id, state: 'lost', reached: true, error: error.slice(0, MAX_ERROR), answer: undefined }),
    async idle() {
      await Promise.all([begins.idle(), ends.idle()]);
    },
  };
}

/** Writes down a failure as its verdict asks for. */
export async function endFailed(ledger: CallLedger, id: string, failure: CallFailure): Promise<void> {
  const text = `${failure.code}: ${failure.details}`;
  if (failure.verdict === 'unknown') await ledger.lost(id, text);
  else await ledger.failed(id, failure.verdict === 'service', text);
}
