import { status } from '@grpc/grpc-js';
import { AppError } from '../../../../lib/errors.ts';
import type { Logger } from '../../../../lib/log.ts';
import type { Signer } from '../../signers/signer.ts';
import type { GatewayPostgres } from '../../store/gateway-database.ts';
import type { PaymentGroup } from '../config/service-directory.ts';
import { type Channel, readChannel, requireFence, saveDaemonState } from '../store/channel-store.ts';
import {
  claimableBefore,
  highestSigned,
  openSignature,
  recordSignature,
  type SignaturePurpose,
  settleOpen,
} from '../store/signature-store.ts';
import { type DaemonClient, DaemonError } from '../wire/daemon-client.ts';
import { type ChannelStateReply, GET_CHANNEL_STATE } from '../wire/daemon-protos.ts';
import {
  channelStateMessage,
  claimMessage,
  fromBytes,
  signerOf,
  signMessage,
  word,
} from '../wire/messages.ts';
import type { ChannelWriter } from './channel-lock.ts';
import { decidePayment, type PaymentDecision } from './decide-payment.ts';

/** A payment that is written down and may be used. */
export interface SignedPayment {
  readonly channelId: bigint;
  readonly nonce: bigint;
  readonly amount: bigint;
  readonly signature: Uint8Array;
}

/** What the one writer of a channel can do. Every change is refused once there is a newer writer. */
export interface ChannelSession {
  /**
   * Asks the daemon what it has, and takes that over.
   * @throws AppError when the daemon cannot be asked, or shows a payment that we never signed
   */
  learn(writer: ChannelWriter, group: PaymentGroup, client: DaemonClient, deadline: number): Promise<Channel>;
  /**
   * Signs the next amount: what the daemon has plus `increase`.
   * @throws AppError insufficient_funds, conflict (channel near its end or not open yet)
   */
  pay(
    writer: ChannelWriter,
    payment: {
      group: PaymentGroup;
      client: DaemonClient;
      increase: bigint;
      purpose: SignaturePurpose;
      callId?: string;
      /** Epoch milliseconds. */
      deadline: number;
    },
  ): Promise<SignedPayment>;
  /** Signs again what the daemon has already; nothing new is spent. */
  repeat(channel: Channel): Promise<SignedPayment>;
  /** The daemon has taken it. */
  accepted(writer: ChannelWriter, payment: SignedPayment): Promise<void>;
  /** The daemon has not taken it and never will by itself; the amount may be signed again. */
  unused(writer: ChannelWriter, payment: SignedPayment): Promise<void>;
}

/** A payment in the open is settled by the first question; a second round is for a claim in between. */
const MAX_ROUNDS = 3;

export function createChannelSession(deps: {
  postgres: GatewayPostgres;
  signer: Signer;
  head: () => Promise<bigint>;
  log: Logger;
}): ChannelSession {
  const { postgres, signer, head, log } = deps;

  async function ask(channel: Channel, client: DaemonClient, deadline: number): Promise<ChannelStateReply> {
    const channelId = requireOpen(channel);
    const block = await head();
    const signature = await signMessage(signer, channelStateMessage(channel.mpe, channelId, block));
    try {
      return await client.ask<ChannelStateReply>(
        GET_CHANNEL_STATE,
        { channelId: Buffer.from(word(channelId)), signature: Buffer.from(signature), currentBlock: block },
        { deadline },
      );
    } catch (error) {
      throw daemonAway(error, client, 'did not tell the state of our payment channel');
    }
  }

  async function learn(
    writer: ChannelWriter,
    _group: PaymentGroup,
    client: DaemonClient,
    deadline: number,
  ): Promise<Channel> {
    const reply = await ask(writer.channel, client, deadline);
    const nonce = fromBytes(reply.currentNonce);
    const signed = fromBytes(reply.currentSignedAmount);
    await postgres.transaction(async (trx) => {
      const channel = await requireFence(trx, writer.channel.id, writer.fence);
      if (nonce < channel.chainNonce)
        throw new AppError(
          'dependency_unavailable',
          `The daemon ${client.endpoint} is behind the chain: it knows nonce ${nonce} of channel ${channel.channelId}, the contract has ${channel.chainNonce}.`,
          { retryAfterSeconds: 5 },
        );
      if (signed > (await highestSigned(trx, channel.id, nonce))) {
        // Ours all the same when we signed it: then it is our database that was set back.
        const claim = { mpeAddress: channel.mpe, channelId: requireOpen(channel), nonce, amount: signed };
        if (signerOf(claimMessage(claim), reply.currentSignature) !== signer.address)
          throw new AppError(
            'dependency_unavailable',
            `The daemon ${client.endpoint} says that ${signed} cogs were signed on channel ${channel.channelId}, and cannot show a signature of ours for it. No payment is made until that is cleared up.`,
          );
        log.warn(
          { channel: channel.id, nonce, signed },
          'the daemon has a payment of ours that we had no record of',
        );
        await recordSignature(trx, channel.id, writer.fence, {
          nonce,
          amount: signed,
          purpose: 'recovered',
          callId: undefined,
          signature: reply.currentSignature,
        });
      }
      await settleOpen(trx, channel.id, nonce, signed);
      await saveDaemonState(trx, channel.id, { nonce, accepted: signed });
    });
    return readChannel(postgres.db, writer.channel.id);
  }

  async function decide(
    writer: ChannelWriter,
    group: PaymentGroup,
    increase: bigint,
  ): Promise<PaymentDecision> {
    const channel = await readChannel(postgres.db, writer.channel.id);
    const [open, claimedAtWorst, block] = await Promise.all([
      openSignature(postgres.db, channel.id),
      claimableBefore(postgres.db, channel.id, { from: channel.chainNonce, before: channel.nonce }),
      head(),
    ]);
    const { expirationThreshold } = group;
    return decidePayment({ channel, open, claimedAtWorst, head: block, expirationThreshold }, increase);
  }

  return {
    learn,
    async pay(writer, { group, client, increase, purpose, callId, deadline }) {
      for (let round = 1; round <= MAX_ROUNDS; round++) {
        const decision = await decide(writer, group, increase);
        if (decision.kind === 'resolve') {
          await learn(writer, group, client, deadline);
          continue;
        }
        if (decision.kind !== 'sign') throw paymentImpossible(decision, writer.channel, group);
        const channel = await readChannel(postgres.db, writer.channel.id);
        const payment = { channelId: requireOpen(channel), nonce: channel.nonce, amount: decision.amount };
        const signature = await signMessage(signer, claimMessage({ mpeAddress: channel.mpe, ...payment }));
        await postgres.transaction(async (trx) => {
          const now = await requireFence(trx, channel.id, writer.fence);
          // The reconciler may have seen a claim since: then this amount belongs to a nonce that is over.
          if (now.nonce !== channel.nonce || now.accepted !== channel.accepted)
            throw new AppError('conflict', 'The channel changed while a payment was signed.', {
              retryAfterSeconds: 1,
            });
          const { nonce, amount } = payment;
          await recordSignature(trx, channel.id, writer.fence, { nonce, amount, purpose, callId, signature });
        });
        return { ...payment, signature };
      }
      throw new AppError(
        'dependency_unavailable',
        `It could not be settled with the daemon ${client.endpoint} what was paid last; try again.`,
        { retryAfterSeconds: 2 },
      );
    },
    async repeat(channel) {
      const payment = { channelId: requireOpen(channel), nonce: channel.nonce, amount: channel.accepted };
      return {
        ...payment,
        signature: await signMessage(signer, claimMessage({ mpeAddress: channel.mpe, ...payment })),
      };
    },
    accepted: (writer, payment) =>
      postgres.transaction(async (trx) => {
        await requireFence(trx, writer.channel.id, writer.fence);
        await settleOpen(trx, writer.channel.id, payment.nonce, payment.amount);
        await saveDaemonState(trx, writer.channel.id, { nonce: payment.nonce, accepted: payment.amount });
      }),
    unused: (writer, payment) =>
      postgres.transaction(async (trx) => {
        const channel = await requireFence(trx, writer.channel.id, writer.fence);
        await settleOpen(trx, writer.channel.id, payment.nonce, channel.accepted);
      }),
  };
}

function requireOpen(channel: Channel): bigint {
  if (channel.channelId !== undefined) return channel.channelId;
  throw paymentImpossible({ kind: 'no-channel' }, channel, { org: channel.org, name: channel.groupName });
}

/** Why a payment cannot be made, and what to do about it. */
export function paymentImpossible(
  decision: Exclude<PaymentDecision, { kind: 'sign' | 'resolve' }>,
  channel: Pick<Channel, 'id' | 'channelId'>,
  group: Pick<PaymentGroup, 'org' | 'name'>,
): AppError {
  const fund = `POST /internal/snet/channels/${channel.id}/fund {"amount": "…"}`;
  switch (decision.kind) {
    case 'no-channel':
      return new AppError(
        'conflict',
        `There is no payment channel to ${group.org}/${group.name} yet. Open one: ${fund}, or set funding.auto; one that was just opened is used after its confirmations.`,
        { retryAfterSeconds: 5, extra: { reason: 'no_channel', channel: channel.id } },
      );
    case 'near-expiry':
      return new AppError(
        'conflict',
        `Payment channel ${channel.channelId} to ${group.org}/${group.name} ends at block ${decision.expiration} and takes no payments from block ${decision.usableUntil} on. Extend it: POST /internal/snet/channels/${channel.id}/extend, or set funding.auto.`,
        { retryAfterSeconds: 5, extra: { reason: 'channel_expired', channel: channel.id } },
      );
    case 'insufficient': {
      const missing = decision.needed - decision.available;
      return new AppError(
        'insufficient_funds',
        `Payment channel ${channel.channelId} to ${group.org}/${group.name} has ${decision.available} cogs left and this needs ${decision.needed}: ${missing} are missing. Add funds: ${fund}.`,
        {
          retryAfterSeconds: 5,
          extra: {
            reason: 'channel_funds',
            channel: channel.id,
            available: decision.available.toString(),
            needed: decision.needed.toString(),
            missing: missing.toString(),
          },
        },
      );
    }
  }
}

/** A daemon that cannot be reached or does not answer sensibly, as our error. */
export function daemonAway(error: unknown, client: Pick<DaemonClient, 'endpoint'>, what: string): AppError {
  if (error instanceof AppError) return error;
  const reason =
    error instanceof DaemonError ? `${status[error.code] ?? error.code}: ${error.details}` : String(error);
  return new AppError('dependency_unavailable', `The daemon ${client.endpoint} ${what}: ${reason}`, {
    retryAfterSeconds: 2,
    cause: error,
  });
}
