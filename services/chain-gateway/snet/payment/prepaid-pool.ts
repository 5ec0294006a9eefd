import { AppError } from '../../../../lib/errors.ts';
import type { Logger } from '../../../../lib/log.ts';
import type { Clock } from '../../../../lib/time.ts';
import type { Signer } from '../../signers/signer.ts';
import type { GatewayPostgres } from '../../store/gateway-database.ts';
import type { ChannelLock, ChannelWriter } from '../channels/channel-lock.ts';
import type { ChannelSession, SignedPayment } from '../channels/channel-session.ts';
import type { PaymentGroup } from '../config/service-directory.ts';
import type { SnetFile } from '../config/snet-schema.ts';
import { exhaustCredit, holdPrepaid, type NewCall, type PrepaidHolds } from '../store/call-store.ts';
import { type Channel, dropToken, readChannel, requireFence, saveToken } from '../store/channel-store.ts';
import { settleOpen } from '../store/signature-store.ts';
import { type DaemonClient, DaemonError } from '../wire/daemon-client.ts';
import { judgeTokenError } from '../wire/daemon-errors.ts';
import { GET_TOKEN, type TokenReply } from '../wire/daemon-protos.ts';
import { signMessage, tokenRequestMessage } from '../wire/messages.ts';
import { type Batcher, createBatcher } from './batcher.ts';
import type { CallLedger } from './call-ledger.ts';
import { ModeUnavailable } from './payment-mode.ts';
import { expiryOf, type TokenSealer } from './token-sealer.ts';

/** A call may go out with this. */
export interface PrepaidHold {
  readonly channelId: bigint;
  readonly mpe: string;
  readonly token: string;
  readonly sealed: string;
  readonly epoch: number;
  readonly planned: bigint;
}

/** The bought credit of one channel, shared by all replicas and every service of its payment group. */
export interface PrepaidPool {
  /**
   * Takes the price of a call from the credit, buying more when that is needed.
   * @param deadline monotonic milliseconds
   * @throws ModeUnavailable when the daemon sells nothing in advance; AppError
   */
  hold(call: NewCall, client: DaemonClient, deadline: number): Promise<PrepaidHold>;
  /**
   * The daemon refused before the call, because of the token or because it counts the credit as used up: what to send
   * the same call again with. The price stays taken.
   */
  again(
    hold: PrepaidHold,
    why: 'token' | 'exhausted',
    price: bigint,
    client: DaemonClient,
    deadline: number,
  ): Promise<PrepaidHold>;
  /** Asks the daemon what is left of the credit without buying any; for statements. */
  inspect(client: DaemonClient, deadline: number): Promise<void>;
  idle(): Promise<void>;
}

export interface PrepaidPoolDeps {
  readonly postgres: GatewayPostgres;
  readonly lock: ChannelLock;
  readonly session: ChannelSession;
  readonly signer: Signer;
  readonly sealer: TokenSealer;
  readonly ledger: Pick<CallLedger, 'failed'>;
  readonly head: () => Promise<bigint>;
  readonly settings: SnetFile['prepaid'];
  readonly clock: Clock;
  readonly log: Logger;
  /** The channel has too little for another purchase. */
  readonly onLowFunds: (channel: string) => void;
  readonly onPurchase: (outcome: 'bought' | 'renewed' | 'forgot' | 'failed') => void;
}

/** A token this close to its end may not live until the daemon looks at it. */
const MIN_TOKEN_LIFE_MS = 3_000;
/** One purchase may take this long: a few answers of a healthy daemon. */
const PURCHASE_TIMEOUT_MS = 15_000;
const MAX_ATTEMPTS = 4;
const PAUSE_MS = 150;
/** Between two looks whether what was missing has come. */
const WAIT_MS = 300;

export function createPrepaidPool(
  deps: PrepaidPoolDeps,
  channelRow: string,
  group: PaymentGroup,
): PrepaidPool {
  const { postgres, lock, session, signer, sealer, head, settings, clock, log } = deps;
  /** Set when the daemon contradicted our books: ask before anything is bought. */
  let suspect = false;
  let refilling: Promise<void> | undefined;
  let background = Promise.resolve();

  const holds: Batcher<NewCall, PrepaidHolds> = createBatcher(async (calls) => {
    const result = await holdPrepaid(postgres.db, channelRow, calls);
    return calls.map(() => result);
  });

  /** Sends a signed amount to the token service and writes down what it answers. */
  async function exchange(
    writer: ChannelWriter,
    client: DaemonClient,
    payment: SignedPayment,
    deadline: number,
  ): Promise<void> {
    const block = await head();
    const signature = await signMessage(signer, tokenRequestMessage(payment.signature, block));
    const reply = await client.ask<TokenReply>(
      GET_TOKEN,
      {
        channelId: payment.channelId,
        currentNonce: payment.nonce,
        signedAmount: payment.amount,
        signature: Buffer.from(signature),
        currentBlock: block,
        claimSignature: Buffer.from(payment.signature),
      },
      { deadline },
    );
    const outcome = await postgres.transaction(async (trx) => {
      await requireFence(trx, channelRow, writer.fence);
      await settleOpen(trx, channelRow, payment.nonce, payment.amount);
      return saveToken(trx, channelRow, {
        sealed: sealer.seal(reply.token),
        until: new Date(expiryOf(reply.token) ?? clock.now() + 60_000),
        planned: BigInt(reply.plannedAmount),
        used: BigInt(reply.usedAmount),
        accepted: payment.amount,
      });
    });
    suspect = false;
    if (!outcome.forgot) return;
    deps.onPurchase('forgot');
    log.warn(
      { channel: channelRow, epoch: outcome.epoch },
      'the daemon forgot what was prepaid and used; it counts anew',
    );
  }

  /** One attempt to have a good token and at least `needed` credit. */
  async function refillOnce(writer: ChannelWriter, client: DaemonClient, needed: bigint): Promise<void> {
    const deadline = clock.now() + PURCHASE_TIMEOUT_MS;
    let channel = await readChannel(postgres.db, channelRow);
    const credit = (c: Channel): bigint => c.planned - c.committed;
    const fresh = (c: Channel): boolean =>
      c.token !== undefined &&
      (c.tokenUntil?.getTime() ?? 0) > clock.now() + settings.refreshBeforeSeconds * 1000;
    const threshold = needed > settings.lowWater ? needed : settings.lowWater;
    if (fresh(channel) && credit(channel) >= threshold && !suspect) return;
    const canRenew = channel.accepted > 0n && (channel.planned > 0n || suspect);
    if (canRenew && (suspect || !fresh(channel))) {
      await exchange(writer, client, await session.repeat(channel), deadline);
      deps.onPurchase('renewed');
      channel = await readChannel(postgres.db, channelRow);
      if (credit(channel) >= threshold) return;
    }
    const increase = settings.purchase > needed ? settings.purchase : needed;
    const pay = (amount: bigint): Promise<SignedPayment> =>
      session.pay(writer, { group, client, increase: amount, purpose: 'prepaid', deadline });
    let payment: SignedPayment;
    try {
      payment = await pay(increase);
    } catch (error) {
      const rest = availableIn(error);
      deps.onLowFunds(channelRow);
      // The last of a channel buys less than usual, rather than nothing.
      if (rest === undefined || rest < needed || rest === 0n) throw error;
      payment = await pay(rest);
    }
    await exchange(writer, client, payment, deadline);
    deps.onPurchase('bought');
  }

  async function refill(client: DaemonClient, needed: bigint, deadline: number): Promise<void> {
    await lock.write(channelRow, deadline, async (writer) => {
      for (let attempt = 1; ; attempt++) {
        try {
          await refillOnce(writer, client, needed);
          return;
        } catch (error) {
          if (!(error instanceof DaemonError)) throw error;
          const verdict = judgeTokenError(error);
          if (verdict === 'unsupported')
            throw new ModeUnavailable(`the daemon ${client.endpoint} sells no calls in advance`);
          const late = clock.monotonic() + PAUSE_MS >= deadline;
          if (attempt >= MAX_ATTEMPTS || late) {
            deps.onPurchase('failed');
            throw new AppError(
              'dependency_unavailable',
              `The daemon ${client.endpoint} gave no token for prepaid calls: ${error.details}`,
              { retryAfterSeconds: 2, cause: error },
            );
          }
          log.info(
            { channel: channelRow, verdict, details: error.details },
            'asking the daemon for a token again',
          );
          if (verdict !== 'unknown') await clock.sleep(PAUSE_MS * attempt);
          // Whatever went wrong, the next attempt starts from what the daemon has.
          await session.learn(writer, group, client, clock.now() + PURCHASE_TIMEOUT_MS).catch((cause) => {
            log.warn({ err: cause, channel: channelRow }, 'the state of the channel could not be asked');
          });
          if (verdict === 'exhausted') suspect = false;
        }
      }
    });
  }

  /** One refill at a time in this process; over all replicas the lock of the channel sees to that. */
  function refillShared(client: DaemonClient, needed: bigint, deadline: number): Promise<void> {
    refilling ??= refill(client, needed, deadline).finally(() => {
      refilling = undefined;
    });
    return refilling;
  }

  function refillInBackground(client: DaemonClient): void {
    if (refilling !== undefined) return;
    background = refillShared(client, 0n, clock.monotonic() + PURCHASE_TIMEOUT_MS).catch((error: Error) => {
      log.warn({ err: error, channel: channelRow }, 'prepaid credit could not be bought ahead of need');
    });
  }

  /** What a call whose price is taken already goes out with, after a refill. */
  async function freshHold(client: DaemonClient, needed: bigint, deadline: number): Promise<PrepaidHold> {
    for (;;) {
      try {
        await refillShared(client, needed, deadline);
      } catch (error) {
        if (!isTemporary(error) || clock.monotonic() + WAIT_MS >= deadline) throw error;
        await clock.sleep(WAIT_MS);
        continue;
      }
      const row = await readChannel(postgres.db, channelRow);
      if (row.token !== undefined && (row.tokenUntil?.getTime() ?? 0) > clock.now()) {
        const { epoch, planned, token } = row;
        return { ...identityOf(row), token: sealer.open(token), sealed: token, epoch, planned };
      }
      if (clock.monotonic() + WAIT_MS >= deadline)
        throw new AppError(
          'dependency_unavailable',
          `The daemon ${client.endpoint} gave no token that is valid.`,
          {
            retryAfterSeconds: 2,
          },
        );
      await clock.sleep(WAIT_MS);
    }
  }

  return {
    async hold(call, client, deadline) {
      for (;;) {
        const result =
          call.idempotencyKey === undefined
            ? await holds.add(call)
            : await holdPrepaid(postgres.db, channelRow, [call]);
        const until = result.tokenUntil?.getTime() ?? 0;
        const usable = result.token !== undefined && until > clock.now() + MIN_TOKEN_LIFE_MS;
        const taken = result.taken.has(call.id);
        if (taken && usable && result.token !== undefined) {
          const soon = until < clock.now() + settings.refreshBeforeSeconds * 1000;
          if (result.left < settings.lowWater || soon) refillInBackground(client);
          return {
            ...identityOf(result),
            token: sealer.open(result.token),
            sealed: result.token,
            ...pick(result),
          };
        }
        if (taken) {
          // The price is taken already; only the token is missing.
          try {
            return await freshHold(client, 0n, deadline);
          } catch (error) {
            await deps.ledger.failed(call.id, false, 'no token was to be had');
            throw error;
          }
        }
        try {
          await refillShared(client, call.price, deadline);
        } catch (error) {
          if (!isTemporary(error) || clock.monotonic() + WAIT_MS >= deadline) throw error;
          // Funds may be on their way: the call waits for them as long as it has time.
          await clock.sleep(WAIT_MS);
        }
        if (clock.monotonic() >= deadline)
          throw new AppError('deadline_exceeded', 'No prepaid credit could be bought before the deadline.');
      }
    },
    async again(hold, why, price, client, deadline) {
      if (why === 'token') await dropToken(postgres.db, channelRow, hold.sealed);
      else {
        suspect = true;
        await exhaustCredit(postgres.db, channelRow, hold);
      }
      return freshHold(client, why === 'token' ? 0n : price, deadline);
    },
    async inspect(client, deadline) {
      await lock.write(channelRow, deadline, async (writer) => {
        const channel = await readChannel(postgres.db, channelRow);
        if (channel.accepted === 0n || channel.planned === 0n) return;
        await exchange(writer, client, await session.repeat(channel), clock.now() + PURCHASE_TIMEOUT_MS);
      });
    },
    async idle() {
      await background;
      await holds.idle();
    },
  };
}

function identityOf(row: { channelId: bigint | undefined; mpe: string }): { channelId: bigint; mpe: string } {
  if (row.channelId === undefined)
    throw new AppError('conflict', 'The payment channel is being opened anew.', { retryAfterSeconds: 5 });
  return { channelId: row.channelId, mpe: row.mpe };
}

const pick = ({ epoch, planned }: PrepaidHolds): { epoch: number; planned: bigint } => ({ epoch, planned });

/** How much could be signed, when that was the trouble. */
function availableIn(error: unknown): bigint | undefined {
  if (!(error instanceof AppError) || error.code !== 'insufficient_funds') return undefined;
  return BigInt((error.extra?.available as string | undefined) ?? '0');
}

/** Waiting may cure it: funds on their way, a daemon that restarts, a channel that is being opened. */
const isTemporary = (error: unknown): boolean =>
  error instanceof AppError &&
  ['insufficient_funds', 'conflict', 'dependency_unavailable', 'chain_unavailable', 'queue_full'].includes(
    error.code,
  );
