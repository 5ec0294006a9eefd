import { getAddress, Wallet } from 'ethers';
import type { DaemonContext } from './context.ts';
import type { PaymentChannels } from './payment-channels.ts';
import { refuse } from './payment-error.ts';
import {
  ALLOWED_BLOCK_DIFFERENCE,
  checkFreeCall,
  freeCallKey,
  isNearBlock,
  usageOf,
} from './payment-handlers.ts';
import { freeCallSigner, makeFreeToken, stateRequestSigner, tokenRequestSigner } from './signatures.ts';
import { makeToken } from './tokens.ts';

type Message = Record<string, never> & Record<string, unknown>;
export type OwnService = (request: Message) => Promise<Record<string, unknown>>;

/** Blocks that a free call token lasts unless less is asked for. */
const FREE_TOKEN_BLOCKS = 172_800n;

const bytes32 = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(64, '0'), 'hex');
const big = (bytes: Uint8Array): bigint =>
  bytes.length === 0 ? 0n : BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
const EXPIRED = 'authentication failed as the signature passed has expired';

/** `escrow.PaymentChannelStateService/GetChannelState`. */
function getChannelState(context: DaemonContext, channels: PaymentChannels): OwnService {
  const { settings, storage } = context;
  return async (request) => {
    const id = big(request.channelId as unknown as Uint8Array);
    const block = BigInt(request.currentBlock as unknown as string);
    let caller: string;
    try {
      caller = stateRequestSigner(settings.mpeAddress, id, block, request.signature as unknown as Uint8Array);
    } catch {
      throw refuse.unknown('incorrect signature');
    }
    const channel = await channels.channel(id).catch((error: Error) => {
      throw refuse.unknown(`channel error:${error.message}`);
    });
    if (!channel) throw refuse.unknown(`channel is not found, channelId: ${id}`);
    if (![channel.signer, channel.sender, channel.recipient].includes(caller))
      throw refuse.unknown('only channel signer/sender/receiver can get latest channel state');
    if (!(await isNearBlock(context, block))) throw refuse.unknown(EXPIRED);
    const onChain = await channels.onChain(id);
    if (!onChain) throw refuse.unknown('unable to read channel details from blockchain.');
    const current = {
      currentNonce: bytes32(channel.nonce),
      ...(channel.signature === ''
        ? {}
        : {
            currentSignedAmount: bytes32(channel.authorized),
            currentSignature: Buffer.from(channel.signature, 'hex'),
          }),
    };
    if (channel.nonce === onChain.nonce) return current;
    const old = storage.state.payments[`${id}/${channel.nonce - 1n}`];
    if (!old)
      throw refuse.unknown(
        'channel has different nonce in local storage and blockchain and old payment is not found in storage',
      );
    return {
      ...current,
      currentSignedAmount: bytes32(channel.authorized),
      oldNonceSignedAmount: bytes32(old.amount),
      oldNonceSignature: Buffer.from(old.signature, 'hex'),
    };
  };
}

/** `escrow.TokenService/GetToken`. */
function getToken(context: DaemonContext, channels: PaymentChannels): OwnService {
  const { settings, storage } = context;
  return async (request) => {
    const id = BigInt(request.channelId as unknown as string);
    const amount = BigInt(request.signedAmount as unknown as string);
    const block = BigInt(request.currentBlock as unknown as string);
    const claim = request.claimSignature as unknown as Uint8Array;
    const channel = await channels.channel(id).catch(() => undefined);
    if (!channel) throw refuse.unknown(`channel is not found, channelId: ${id}`);
    if (channel.authorized > amount)
      throw refuse.unknown('signed amount for token request needs to be greater than last signed amount');
    if (channel.fullAmount < amount)
      throw refuse.unknown('signed amount for token request cannot be greater than full amount in channel');
    let caller: string;
    try {
      caller = tokenRequestSigner(claim, block, request.signature as unknown as Uint8Array);
    } catch {
      throw refuse.unknown('incorrect signature');
    }
    if (![channel.signer, channel.sender, channel.recipient].includes(caller))
      throw refuse.unknown('only channel signer/sender/receiver can get a Valid Token');
    if (!(await isNearBlock(context, block))) throw refuse.unknown(EXPIRED);
    const payment = {
      channelId: id,
      nonce: BigInt(request.currentNonce as unknown as string),
      amount,
      signature: claim,
    };
    const asUnknown = (error: Error): never => {
      throw refuse.unknown(error.message);
    };
    await channels.validate(payment, channel).catch(asUnknown);
    if (amount > channel.authorized) {
      const transaction = await channels.start(payment).catch(asUnknown);
      transaction.commit();
      usageOf(context, id).planned += amount - channel.authorized;
      storage.changed();
    }
    const usage = storage.state.usage[id.toString()];
    if (!usage || usage.planned === 0n) throw refuse.unknown('unable to retrieve planned Amount <nil>');
    const token = makeToken(
      {
        payload: id.toString(),
        userAddress: caller,
        orgId: settings.orgId,
        groupId: settings.groupId,
        exp: Math.floor(context.now() / 1000) + context.faults.tokenLifeSeconds,
      },
      storage.state.secret,
    );
    context.observed.count('tokens');
    return { channelId: `${id}`, token, plannedAmount: `${usage.planned}`, usedAmount: `${usage.used}` };
  };
}

/** `escrow.FreeCallStateService/GetFreeCallToken`. */
function getFreeCallToken(context: DaemonContext): OwnService {
  const { settings } = context;
  const key = new Wallet(settings.freeCallSignerKey);
  return async (request) => {
    const address = request.address as unknown as string;
    const userId = (request.userId as unknown as string | undefined) ?? '';
    const block = BigInt(request.currentBlock as unknown as string);
    let signer: string;
    try {
      const signature = request.signature as unknown as Uint8Array;
      signer = freeCallSigner({ address, userId, ...settings }, block, new Uint8Array(), signature);
    } catch (error) {
      throw refuse.unknown((error as Error).message);
    }
    if (signer !== getAddress(address.toLowerCase()))
      throw refuse.unknown(`invalid signer, ${address} (from request) is not equal to ${signer} (signer)`);
    const current = await context.currentBlock();
    const off = block - current;
    if ((off < 0n ? -off : off) > ALLOWED_BLOCK_DIFFERENCE) throw refuse.unknown(EXPIRED);
    const asked = BigInt(
      (request.tokenLifetimeInBlocks as unknown as string | undefined) ?? FREE_TOKEN_BLOCKS,
    );
    const until = current + (asked > 0n && asked <= FREE_TOKEN_BLOCKS ? asked : FREE_TOKEN_BLOCKS);
    const token = makeFreeToken(key, settings.orgId, settings.groupName, address, userId, until);
    return { token, tokenHex: token.toString('hex'), tokenExpirationBlock: `${until}` };
  };
}

/** `escrow.FreeCallStateService/GetFreeCallsAvailable`. */
function getFreeCallsAvailable(context: DaemonContext): OwnService {
  const { settings, storage } = context;
  const signer = new Wallet(settings.freeCallSignerKey).address;
  return async (request) => {
    const subject = {
      address: request.address as unknown as string,
      userId: (request.userId as unknown as string | undefined) ?? '',
      ...settings,
    };
    const block = BigInt(request.currentBlock as unknown as string);
    await checkFreeCall(
      context,
      subject,
      block,
      request.freeCallToken as unknown as Uint8Array,
      request.signature as unknown as Uint8Array,
      signer,
    ).catch((error: Error) => {
      throw refuse.unknown(error.message.replace(/^internal error: /, ''));
    });
    const made = storage.state.freeCalls[freeCallKey(subject)] ?? 0;
    return { freeCallsAvailable: `${Math.max(0, settings.freeCalls - made)}` };
  };
}

/** The daemon's own services by their path; they cost nothing. */
export const createOwnServices = (
  context: DaemonContext,
  channels: PaymentChannels,
): Readonly<Record<string, OwnService>> => ({
  '/escrow.PaymentChannelStateService/GetChannelState': getChannelState(context, channels),
  '/escrow.TokenService/GetToken': getToken(context, channels),
  '/escrow.FreeCallStateService/GetFreeCallToken': getFreeCallToken(context),
  '/escrow.FreeCallStateService/GetFreeCallsAvailable': getFreeCallsAvailable(context),
});
