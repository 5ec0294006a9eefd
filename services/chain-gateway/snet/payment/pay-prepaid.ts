import { prepaidMetadata } from '../wire/payment-metadata.ts';
import { type CallLedger, endFailed } from './call-ledger.ts';
import { CallFailure, ModeUnavailable, type PayableCall, type PaymentMode } from './payment-mode.ts';
import type { PrepaidPool } from './prepaid-pool.ts';

/** The daemon refused before the call, with different tokens: one more would not help. */
const MAX_ATTEMPTS = 4;

/** Pays from what was bought in advance: any number of calls at once on one token. */
export function createPrepaidMode(deps: {
  ledger: CallLedger;
  poolOf: (call: PayableCall) => Promise<{ channel: string; pool: PrepaidPool }>;
}): PaymentMode {
  const { ledger } = deps;
  return {
    mode: 'prepaid',
    async run(call) {
      const { channel, pool } = await deps.poolOf(call);
      const { client, monotonicDeadline } = call;
      const record = { ...call.record, channel, mode: 'prepaid' as const };
      let hold = await pool.hold(record, client, monotonicDeadline);
      for (let attempt = 1; ; attempt++) {
        try {
          await call.send(prepaidMetadata({ ...hold, mpeAddress: hold.mpe }));
          break;
        } catch (error) {
          if (!(error instanceof CallFailure)) {
            await ledger.lost(record.id, (error as Error).message);
            throw error;
          }
          const { verdict } = error;
          if ((verdict !== 'token' && verdict !== 'exhausted') || attempt >= MAX_ATTEMPTS) {
            await endFailed(ledger, record.id, error);
            throw verdict === 'unsupported' ? new ModeUnavailable(error.details) : error;
          }
          try {
            hold = await pool.again(hold, verdict, record.price, client, monotonicDeadline);
          } catch (cause) {
            await ledger.failed(record.id, false, (cause as Error).message);
            throw cause;
          }
        }
      }
      // Nobody hears an answer before it is written down that they are charged for it.
      await ledger.answered(record.id, call.answer());
    },
  };
}
