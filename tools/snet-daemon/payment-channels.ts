import type { DaemonChain } from './chain.ts';
import type { DaemonContext } from './context.ts';
import { refuse } from './payment-error.ts';
import { claimSigner } from './signatures.ts';
import type { StoredChannel } from './storage.ts';

export interface Payment {
  readonly channelId: bigint;
  readonly nonce: bigint;
  readonly amount: bigint;
  readonly signature: Uint8Array;
}

/** A payment that passed the checks; the channel is locked until it is committed or rolled back. */
export interface PaymentTransaction {
  readonly channel: StoredChannel;
  commit(): void;
  rollback(): void;
}

export interface PaymentChannels {
  /** Newest state of a channel out of storage and contract. */
  channel(id: bigint): Promise<StoredChannel | undefined>;
  onChain: DaemonChain['channel'];
  validate(payment: Payment, channel: StoredChannel): Promise<void>;
  start(payment: Payment): Promise<PaymentTransaction>;
  /** Raises the nonce and keeps the payment for a claim on the chain. */
  startClaim(id: bigint, close: boolean): { nonce: bigint; amount: bigint; signature: string };
}

export function createPaymentChannels(context: DaemonContext): PaymentChannels {
  const { chain, storage, settings } = context;
  const locks = new Set<string>();

  async function fromChain(id: bigint): Promise<StoredChannel | undefined> {
    const found = await chain.channel(id);
    if (!found) return undefined;
    if (found.recipient !== settings.recipient)
      throw refuse.internal(
        'recipient Address from org metadata does not Match on what was retrieved from Channel',
      );
    return {
      nonce: found.nonce,
      sender: found.sender,
      signer: found.signer,
      recipient: found.recipient,
      groupId: found.groupId,
      fullAmount: found.value,
      expiration: found.expiration,
      authorized: 0n,
      signature: '',
    };
  }

  async function channel(id: bigint): Promise<StoredChannel | undefined> {
    const stored = storage.state.channels[id.toString()];
    const current = await fromChain(id);
    if (stored === undefined) {
      if (current && current.groupId !== settings.groupIdHex)
        throw refuse.internal(
          `channel received belongs to another group of replicas, current group: ${settings.groupIdHex}, channel group: ${current.groupId}`,
        );
      return current;
    }
    if (current === undefined || stored.nonce > current.nonce) return stored;
    if (stored.nonce < current.nonce) return current;
    return { ...stored, fullAmount: current.fullAmount, expiration: current.expiration };
  }

  async function validate(payment: Payment, target: StoredChannel): Promise<void> {
    if (payment.nonce !== target.nonce)
      throw refuse.nonce(`incorrect payment channel nonce, latest: ${target.nonce}, sent: ${payment.nonce}`);
    let signer: string;
    try {
      signer = claimSigner(
        settings.mpeAddress,
        payment.channelId,
        payment.nonce,
        payment.amount,
        payment.signature,
      );
    } catch {
      throw refuse.unauthenticated('payment signature is not valid');
    }
    if (signer !== target.signer && signer !== target.sender)
      throw refuse.unauthenticated('payment is not signed by channel signer/sender');
    const block = await context.currentBlock();
    const threshold = settings.paymentExpirationThreshold;
    if (block + threshold >= target.expiration)
      throw refuse.unauthenticated(
        `payment channel is near to be expired, expiration time: ${target.expiration}, current block: ${block}, expiration threshold: ${threshold}`,
      );
    if (target.fullAmount < payment.amount)
      throw refuse.unauthenticated(
        `not enough tokens on payment channel, channel amount: ${target.fullAmount}, payment amount: ${payment.amount}`,
      );
  }

  return {
    channel,
    validate,
    onChain: (id) => chain.channel(id),
    async start(payment) {
      const key = payment.channelId.toString();
      if (locks.has(key))
        throw refuse.precondition(`another transaction on channel: {ID: ${key}} is in progress`);
      locks.add(key);
      try {
        const target = await channel(payment.channelId);
        if (!target) throw refuse.unauthenticated(`payment channel "{ID: ${key}}" not found`);
        await validate(payment, target);
        return {
          channel: target,
          commit() {
            storage.state.channels[key] = {
              ...target,
              authorized: payment.amount,
              signature: Buffer.from(payment.signature).toString('hex'),
            };
            storage.changed();
            locks.delete(key);
            context.observed.accepted(key, payment.nonce, payment.amount);
          },
          rollback: () => locks.delete(key),
        };
      } catch (error) {
        locks.delete(key);
        throw error;
      }
    },
    startClaim(id, close) {
      const stored = storage.state.channels[id.toString()];
      if (!stored) throw new Error(`Channel is not found by key: ${id}`);
      const payment = { nonce: stored.nonce, amount: stored.authorized, signature: stored.signature };
      storage.state.payments[`${id}/${stored.nonce}`] = {
        amount: stored.authorized,
        signature: stored.signature,
      };
      storage.state.channels[id.toString()] = {
        ...stored,
        nonce: stored.nonce + 1n,
        fullAmount: close ? 0n : stored.fullAmount - stored.authorized,
        authorized: 0n,
        signature: '',
      };
      storage.changed();
      return payment;
    },
  };
}
