import { AppError } from '../../../../lib/errors.ts';
import type { Logger } from '../../../../lib/log.ts';
import type { Clock } from '../../../../lib/time.ts';
import type { GatewayPostgres } from '../../store/gateway-database.ts';
import { createTurnQueue, type TurnQueue } from '../calls/turn-queue.ts';
import type { ChannelLock, ChannelWriter } from '../channels/channel-lock.ts';
import type { ChannelSession } from '../channels/channel-session.ts';
import { FencedOutError, readChannel } from '../store/channel-store.ts';
import { escrowMetadata } from '../wire/payment-metadata.ts';
import { type CallLedger, endFailed } from './call-ledger.ts';
import { CallFailure, type PayableCall, type PaymentMode } from './payment-mode.ts';

/** Refusals before the call after which the daemon's state is learned and the same call is signed anew. */
const MAX_ATTEMPTS = 5;
const BUSY_PAUSE_MS = 50;
const MAX_WAITING = 10_000;

/**
 * Pays each call by a higher amount on the channel. The daemon takes one payment at a time, so calls go one after
 * another, over all replicas; whoever can pay in advance should.
 */
export function createEscrowMode(deps: {
  postgres: GatewayPostgres;
  lock: ChannelLock;
  session: ChannelSession;
  ledger: CallLedger;
  clock: Clock;
  log: Logger;
  channelOf: (call: PayableCall) => Promise<string>;
  onLowFunds: (channel: string) => void;
}): PaymentMode {
  const { postgres, lock, session, ledger, clock, log } = deps;
  const queues = new Map<string, TurnQueue>();
  /** Of this process, so that waiting calls hold no database connection, and hear an honest waiting time. */
  const queueOf = (channel: string, name: string): TurnQueue => {
    const known = queues.get(channel);
    if (known) return known;
    const queue = createTurnQueue({
      name: `The payment channel to ${name}`,
      concurrency: 1,
      limit: MAX_WAITING,
      clock,
    });
    queues.set(channel, queue);
    return queue;
  };
  /** The call is over and written down; a newer writer finds out about the payment by asking the daemon. */
  const unlessFenced = (error: unknown): void => {
    if (!(error instanceof FencedOutError)) throw error;
    log.warn({ err: error }, 'the lock of the payment channel was lost during a call');
  };
  return {
    mode: 'escrow',
    async run(call) {
      const channel = await deps.channelOf(call);
      const { client, deadline } = call;
      const { group } = call.service;
      const { price, id } = call.record;
      const turn = queueOf(channel, `${group.org}/${group.name}`).take({
        priority: call.priority,
        principal: call.record.person ?? call.record.principal,
        deadline: call.monotonicDeadline,
        signal: call.signal,
      });
      const end = await turn;
      try {
        await lock.write(channel, call.monotonicDeadline, (writer) => inTurn(writer));
      } finally {
        end();
      }

      async function inTurn(writer: ChannelWriter): Promise<void> {
        await ledger.begin({ ...call.record, channel, mode: 'escrow' });
        const giveUp = async (error: unknown): Promise<never> => {
          await ledger.failed(id, false, (error as Error).message);
          throw error;
        };
        for (let attempt = 1; ; attempt++) {
          const { mpe } = await readChannel(postgres.db, channel);
          const payment = await session
            .pay(writer, { group, client, increase: price, purpose: 'call', callId: id, deadline })
            .catch((error) => {
              if (error instanceof AppError && error.code === 'insufficient_funds') deps.onLowFunds(channel);
              return giveUp(error);
            });
          try {
            await call.send(escrowMetadata({ ...payment, mpeAddress: mpe }));
          } catch (error) {
            if (!(error instanceof CallFailure)) {
              await ledger.lost(id, (error as Error).message);
              throw error;
            }
            // An unknown end leaves the payment in the open: the next writer asks the daemon before it signs.
            if (error.verdict !== 'unknown') await session.unused(writer, payment).catch(unlessFenced);
            const again = error.verdict === 'busy' || error.verdict === 'stale';
            const late = clock.monotonic() + BUSY_PAUSE_MS >= call.monotonicDeadline;
            if (!again || late || (error.verdict === 'stale' && attempt >= MAX_ATTEMPTS)) {
              await endFailed(ledger, id, error);
              throw error;
            }
            if (error.verdict === 'busy') await clock.sleep(BUSY_PAUSE_MS);
            await session.learn(writer, group, client, deadline).catch(giveUp);
            continue;
          }
          await ledger.answered(id, call.answer());
          await session.accepted(writer, payment).catch(unlessFenced);
          return;
        }
      }
    },
  };
}
