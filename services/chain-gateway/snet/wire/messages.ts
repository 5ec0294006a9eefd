import { concat, getBytes, keccak256, recoverAddress, Signature, toBeHex, toUtf8Bytes } from 'ethers';
import type { Signer } from '../../signers/signer.ts';

/** A uint256 as Solidity packs it: 32 bytes, big-endian. */
export const word = (value: bigint): Uint8Array => getBytes(toBeHex(value, 32));

/** Big-endian bytes of any length, as the channel state service sends them; empty means absent and reads as 0. */
export const fromBytes = (bytes: Uint8Array): bigint =>
  bytes.length === 0 ? 0n : BigInt(`0x${Buffer.from(bytes).toString('hex')}`);

const bytes = (...parts: readonly (string | Uint8Array)[]): Uint8Array => getBytes(concat(parts));
const text = (value: string): Uint8Array => toUtf8Bytes(value);

/**
 * What the contract checks in `channelClaim`: whoever is the recipient may take up to `amount` out of this channel
 * while it has this nonce. Higher amounts replace lower ones; a nonce is used up by a claim.
 */
export const claimMessage = (claim: {
  mpeAddress: string;
  channelId: bigint;
  nonce: bigint;
  amount: bigint;
}): Uint8Array =>
  bytes(
    text('__MPE_claim_message'),
    claim.mpeAddress,
    word(claim.channelId),
    word(claim.nonce),
    word(claim.amount),
  );

/** Asks for the state of a channel; good for a few blocks around `block`. */
export const channelStateMessage = (mpeAddress: string, channelId: bigint, block: bigint): Uint8Array =>
  bytes(text('__get_channel_state'), mpeAddress, word(channelId), word(block));

/** Asks for a prepaid token: the claim's own signature, bound to a block. */
export const tokenRequestMessage = (claimSignature: Uint8Array, block: bigint): Uint8Array =>
  bytes(claimSignature, word(block));

export interface FreeCallSubject {
  /** EIP-55, and sent in exactly this spelling: the daemon hashes the text. */
  readonly address: string;
  readonly userId: string;
  readonly orgId: string;
  readonly serviceId: string;
  /** Base64, as in the organisation's metadata. */
  readonly groupId: string;
}

/** Asks for free calls (without `token`), or proves the right to one (with it). */
export const freeCallMessage = (s: FreeCallSubject, block: bigint, token?: Uint8Array): Uint8Array =>
  bytes(
    text('__prefix_free_trial'),
    text(s.address),
    text(s.userId),
    text(s.orgId),
    text(s.serviceId),
    text(s.groupId),
    word(block),
    token ?? new Uint8Array(),
  );

/** keccak of the message, then Ethereum's prefix for 32 bytes: what contract and daemon recover from. */
export const digestOf = (message: Uint8Array): Uint8Array =>
  getBytes(keccak256(bytes(text('\x19Ethereum Signed Message:\n32'), getBytes(keccak256(message)))));

/** 65 bytes r ‖ s ‖ v with v 27 or 28. */
export async function signMessage(
  signer: Pick<Signer, 'signDigest'>,
  message: Uint8Array,
): Promise<Uint8Array> {
  const { r, s, yParity } = await signer.signDigest(digestOf(message));
  return getBytes(Signature.from({ r, s, yParity }).serialized);
}

/** The address that signed (EIP-55), or undefined when the bytes are no signature. */
export function signerOf(message: Uint8Array, signature: Uint8Array): string | undefined {
  if (signature.length !== 65) return undefined;
  const v = ((signature[64] ?? 0) % 27) + 27;
  try {
    return recoverAddress(
      digestOf(message),
      Signature.from(`0x${Buffer.from([...signature.subarray(0, 64), v]).toString('hex')}`),
    );
  } catch {
    // Not every 65 bytes are a point on the curve; the caller only wants to know whose signature it is.
    return undefined;
  }
}
