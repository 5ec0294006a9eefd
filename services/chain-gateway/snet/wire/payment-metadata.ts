import { Metadata } from '@grpc/grpc-js';

/** Names of the gRPC metadata by which a call says how it is paid. Names in `-bin` carry bytes. */
export const HEADER = {
  paymentType: 'snet-payment-type',
  channelId: 'snet-payment-channel-id',
  channelNonce: 'snet-payment-channel-nonce',
  channelAmount: 'snet-payment-channel-amount',
  channelSignature: 'snet-payment-channel-signature-bin',
  prepaidToken: 'snet-prepaid-auth-token-bin',
  freeCallUserId: 'snet-free-call-user-id',
  freeCallUserAddress: 'snet-free-call-user-address',
  freeCallToken: 'snet-free-call-auth-token-bin',
  currentBlock: 'snet-current-block-number',
  mpeAddress: 'snet-payment-mpe-address',
  clientType: 'snet-client-type',
} as const;

export const PAYMENT_TYPE = { escrow: 'escrow', prepaid: 'prepaid-call', free: 'free-call' } as const;

/** What the daemon reports about who calls; it only counts it. */
const CLIENT_TYPE = 'rejuve-gateway';

function start(type: string, mpeAddress: string): Metadata {
  const metadata = new Metadata();
  metadata.set(HEADER.paymentType, type);
  metadata.set(HEADER.clientType, CLIENT_TYPE);
  metadata.set(HEADER.mpeAddress, mpeAddress);
  return metadata;
}

/** Pays one call by a higher signed amount on a channel. */
export function escrowMetadata(payment: {
  mpeAddress: string;
  channelId: bigint;
  nonce: bigint;
  amount: bigint;
  signature: Uint8Array;
}): Metadata {
  const metadata = start(PAYMENT_TYPE.escrow, payment.mpeAddress);
  metadata.set(HEADER.channelId, payment.channelId.toString());
  metadata.set(HEADER.channelNonce, payment.nonce.toString());
  metadata.set(HEADER.channelAmount, payment.amount.toString());
  metadata.set(HEADER.channelSignature, Buffer.from(payment.signature));
  return metadata;
}

/** Pays a call from what a token has been bought for. */
export function prepaidMetadata(payment: { mpeAddress: string; channelId: bigint; token: string }): Metadata {
  const metadata = start(PAYMENT_TYPE.prepaid, payment.mpeAddress);
  metadata.set(HEADER.channelId, payment.channelId.toString());
  metadata.set(HEADER.prepaidToken, Buffer.from(payment.token, 'utf8'));
  return metadata;
}

/** Uses one of the calls that a service gives away. */
export function freeCallMetadata(payment: {
  mpeAddress: string;
  address: string;
  userId: string;
  block: bigint;
  token: Uint8Array;
  signature: Uint8Array;
}): Metadata {
  const metadata = start(PAYMENT_TYPE.free, payment.mpeAddress);
  metadata.set(HEADER.freeCallUserAddress, payment.address);
  if (payment.userId !== '') metadata.set(HEADER.freeCallUserId, payment.userId);
  metadata.set(HEADER.currentBlock, payment.block.toString());
  metadata.set(HEADER.freeCallToken, Buffer.from(payment.token));
  metadata.set(HEADER.channelSignature, Buffer.from(payment.signature));
  return metadata;
}
