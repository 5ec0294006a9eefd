import type { Channel } from '../store/channel-store.ts';
import type { PaymentSignature } from '../store/signature-store.ts';

/** What the writer of a channel knows before it signs. */
export interface PaymentSituation {
  readonly channel: Pick<
    Channel,
    'channelId' | 'nonce' | 'chainNonce' | 'chainValue' | 'accepted' | 'expiration'
  >;
  /** The payment whose fate is unknown. */
  readonly open: Pick<PaymentSignature, 'nonce' | 'amount' | 'purpose'> | undefined;
  /** Highest amount signed for the contract's nonce, while `nonce` is one further. */
  readonly claimedAtWorst: bigint;
  readonly head: bigint;
  /** Blocks before the expiration in which the daemon takes no payment any more. */
  readonly expirationThreshold: bigint;
}

export type PaymentDecision =
  /** Ask the daemon first: something was signed and nobody knows whether it arrived. */
  | { readonly kind: 'resolve' }
  | { readonly kind: 'sign'; readonly amount: bigint }
  | { readonly kind: 'no-channel' }
  | { readonly kind: 'near-expiry'; readonly expiration: bigint; readonly usableUntil: bigint }
  | { readonly kind: 'insufficient'; readonly available: bigint; readonly needed: bigint };

/** What may still be signed for the current nonce, cogs. */
export function spendable({
  channel,
  claimedAtWorst,
}: Pick<PaymentSituation, 'channel' | 'claimedAtWorst'>): bigint {
  // While a claim is on its way the contract still shows what it will take away.
  const value = channel.nonce > channel.chainNonce ? channel.chainValue - claimedAtWorst : channel.chainValue;
  return value > channel.accepted ? value - channel.accepted : 0n;
}

/**
 * The next amount for a channel. Amounts are cumulative: one more call signs what the daemon has, plus its price. The
 * rule that keeps two payments from contradicting each other is the first one: with one in the open nothing is signed.
 *
 * @param increase price of the call, or how much to buy in advance
 */
export function decidePayment(situation: PaymentSituation, increase: bigint): PaymentDecision {
  const { channel, open, head, expirationThreshold } = situation;
  if (channel.channelId === undefined) return { kind: 'no-channel' };
  if (open !== undefined) return { kind: 'resolve' };
  const usableUntil = channel.expiration - expirationThreshold;
  if (head + 1n >= usableUntil) return { kind: 'near-expiry', expiration: channel.expiration, usableUntil };
  const available = spendable(situation);
  if (available < increase) return { kind: 'insufficient', available, needed: increase };
  return { kind: 'sign', amount: channel.accepted + increase };
}
