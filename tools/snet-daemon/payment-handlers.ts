import type { Metadata } from '@grpc/grpc-js';
import type { DaemonContext } from './context.ts';
import type { PaymentChannels } from './payment-channels.ts';
import { type GrpcRefusal, refuse } from './payment-error.ts';
import { type FreeSubject, freeCallSigner, readFreeToken } from './signatures.ts';
import type { Usage } from './storage.ts';
import { checkToken } from './tokens.ts';

/** A payment that was taken; it ends with the call. */
export interface TakenPayment {
  complete(): void;
  completeAfterError(): void;
}

export type PaymentHandler = (metadata: Metadata, method: string) => Promise<TakenPayment>;

function single(metadata: Metadata, key: string): string | Buffer {
  const values = metadata.get(key);
  if (values.length === 0) throw refuse.argument(`missing "${key}"`);
  if (values.length > 1) throw refuse.argument(`too many values for key "${key}": [${values.join(' ')}]`);
  return values[0] as string | Buffer;
}
const textOf = (metadata: Metadata, key: string): string => String(single(metadata, key));
const bytesOf = (metadata: Metadata, key: string): Buffer => Buffer.from(single(metadata, key) as Buffer);
function bigIntOf(metadata: Metadata, key: string): bigint {
  const text = textOf(metadata, key);
  if (!/^-?\d+$/.test(text)) throw refuse.argument(`incorrect format "${key}": "${text}"`);
  return BigInt(text);
}

const priceOf = ({ settings }: DaemonContext, method: string): bigint =>
  settings.prices[method.slice(1)] ?? settings.price;

/** `snet-payment-type: escrow`: the signed amount must be exactly one price above the last one. */
function escrow(context: DaemonContext, channels: PaymentChannels): PaymentHandler {
  return async (metadata, method) => {
    const payment = {
      channelId: bigIntOf(metadata, 'snet-payment-channel-id'),
      nonce: bigIntOf(metadata, 'snet-payment-channel-nonce'),
      amount: bigIntOf(metadata, 'snet-payment-channel-amount'),
      signature: bytesOf(metadata, 'snet-payment-channel-signature-bin'),
    };
    const transaction = await channels.start(payment);
    const income = payment.amount - transaction.channel.authorized;
    const price = priceOf(context, method);
    if (income !== price) {
      transaction.rollback();
      throw refuse.unauthenticated(`income ${income} does not equal to price ${price}`);
    }
    return { complete: transaction.commit, completeAfterError: transaction.rollback };
  };
}

export const usageOf = ({ storage }: DaemonContext, channelId: bigint): Usage => {
  const key = channelId.toString();
  const usage = storage.state.usage[key] ?? { planned: 0n, used: 0n, refunded: 0n };
  storage.state.usage[key] = usage;
  return usage;
};

/** `snet-payment-type: prepaid-call`: taken at the start from what was bought, given back when the service fails. */
function prepaid(context: DaemonContext): PaymentHandler {
  const { settings, storage } = context;
  return async (metadata, method) => {
    const channelId = bigIntOf(metadata, 'snet-payment-channel-id');
    const token = bytesOf(metadata, 'snet-prepaid-auth-token-bin').toString('utf8');
    const price = priceOf(context, method);
    const expected = { payload: channelId.toString(), orgId: settings.orgId, groupId: settings.groupId };
    try {
      checkToken(token, expected, storage.state.secret, context.now());
    } catch (error) {
      throw refuse.plain((error as Error).message);
    }
    const usage = usageOf(context, channelId);
    if (usage.used + price > usage.planned + usage.refunded)
      throw refuse.plain(`Usage Exceeded on channel Id ${channelId}`);
    usage.used += price;
    storage.changed();
    return {
      complete: () => undefined,
      completeAfterError() {
        const now = usageOf(context, channelId);
        now.refunded += price;
        storage.changed();
      },
    };
  };
}

/** `snet-payment-type: free-call`: one at a time for each user. */
function free(context: DaemonContext, freeCallSignerAddress: string): PaymentHandler {
  const { settings, storage } = context;
  const locks = new Set<string>();
  return async (metadata) => {
    const userId = String(metadata.get('snet-free-call-user-id')[0] ?? '');
    const address = textOf(metadata, 'snet-free-call-user-address');
    const block = bigIntOf(metadata, 'snet-current-block-number');
    const signature = bytesOf(metadata, 'snet-payment-channel-signature-bin');
    const token = bytesOf(metadata, 'snet-free-call-auth-token-bin');
    const subject = { address, userId, ...settings };
    await checkFreeCall(context, subject, block, token, signature, freeCallSignerAddress);
    const key = freeCallKey(subject);
    if (locks.has(key))
      throw refuse.precondition(`another transaction on this user: {ID:${key}} is in progress`);
    const made = storage.state.freeCalls[key] ?? 0;
    if (made >= settings.freeCalls)
      throw refuse.plain(
        `free call limit has been exceeded, calls made = ${made}, total free calls eligible = ${settings.freeCalls}`,
      );
    locks.add(key);
    return {
      complete() {
        storage.state.freeCalls[key] = (storage.state.freeCalls[key] ?? 0) + 1;
        storage.changed();
        locks.delete(key);
      },
      completeAfterError: () => locks.delete(key),
    };
  };
}

export const freeCallKey = (s: FreeSubject): string =>
  `${s.address}/${s.userId}/${s.orgId}/${s.serviceId}/${s.groupId}`;

/** Blocks by which a signature may be off. */
export const ALLOWED_BLOCK_DIFFERENCE = 5n;

export async function isNearBlock(context: DaemonContext, block: bigint): Promise<boolean> {
  const off = block - (await context.currentBlock());
  return (off < 0n ? -off : off) <= ALLOWED_BLOCK_DIFFERENCE;
}

/** @throws GrpcRefusal */
export async function checkFreeCall(
  context: DaemonContext,
  subject: FreeSubject & { groupName: string },
  block: bigint,
  token: Uint8Array,
  signature: Uint8Array,
  freeCallSignerAddress: string,
): Promise<void> {
  let issued: { signer: string; until: bigint };
  try {
    issued = readFreeToken(token, subject.orgId, subject.groupName, subject.address, subject.userId);
  } catch (error) {
    throw refuse.argument(`invalid token: ${(error as Error).message}`);
  }
  let caller: string;
  try {
    caller = freeCallSigner(subject, block, token, signature);
  } catch (error) {
    throw refuse.unauthenticated(`sign is not valid: ${(error as Error).message}`);
  }
  if (caller !== subject.address)
    throw refuse.unauthenticated(
      `sign is not valid: unauthorized signer: ${subject.address} not equal ${caller}, maybe invalid signature struct`,
    );
  if (issued.signer !== freeCallSignerAddress) throw refuse.unauthenticated('token sign is not valid');
  if (issued.until < (await context.currentBlock()))
    throw refuse.plain('authentication failed as the Free Call Token passed has expired');
  if (!(await isNearBlock(context, block)))
    throw refuse.plain('authentication failed as the signature passed has expired');
}

/** Chooses by `snet-payment-type`; without one it is escrow. */
export function createPaymentHandlers(
  context: DaemonContext,
  channels: PaymentChannels,
  freeCallSignerAddress: string,
): PaymentHandler {
  const handlers: Record<string, PaymentHandler> = {
    escrow: escrow(context, channels),
    'prepaid-call': prepaid(context),
    'free-call': free(context, freeCallSignerAddress),
  };
  return (metadata, method) => {
    const type = String(metadata.get('snet-payment-type')[0] ?? 'escrow');
    const handler = type === 'prepaid-call' && !context.faults.prepaid ? undefined : handlers[type];
    if (!handler) throw refuse.argument(`unexpected "snet-payment-type", value: "${type}"`) as GrpcRefusal;
    return handler(metadata, method);
  };
}
