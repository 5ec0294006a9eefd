import {
  getBytes,
  hashMessage,
  recoverAddress,
  Signature,
  solidityPackedKeccak256,
  type Wallet,
} from 'ethers';

// Written from the daemon's side and apart from the gateway's code: each checks the other.

const recover = (packedHash: string, signature: Uint8Array): string => {
  if (signature.length !== 65) throw new Error('incorrect signature length');
  const v = ((signature[64] ?? 0) % 27) + 27;
  const bytes = Buffer.concat([signature.subarray(0, 64), Buffer.from([v])]);
  try {
    return recoverAddress(hashMessage(getBytes(packedHash)), Signature.from(`0x${bytes.toString('hex')}`));
  } catch {
    throw new Error('incorrect signature data');
  }
};

export const claimSigner = (
  mpe: string,
  id: bigint,
  nonce: bigint,
  amount: bigint,
  signature: Uint8Array,
): string =>
  recover(
    solidityPackedKeccak256(
      ['string', 'address', 'uint256', 'uint256', 'uint256'],
      ['__MPE_claim_message', mpe, id, nonce, amount],
    ),
    signature,
  );

export const stateRequestSigner = (mpe: string, id: bigint, block: bigint, signature: Uint8Array): string =>
  recover(
    solidityPackedKeccak256(
      ['string', 'address', 'uint256', 'uint256'],
      ['__get_channel_state', mpe, id, block],
    ),
    signature,
  );

export const tokenRequestSigner = (claim: Uint8Array, block: bigint, signature: Uint8Array): string =>
  recover(solidityPackedKeccak256(['bytes', 'uint256'], [claim, block]), signature);

export interface FreeSubject {
  readonly address: string;
  readonly userId: string;
  readonly orgId: string;
  readonly serviceId: string;
  readonly groupId: string;
}

export const freeCallSigner = (
  s: FreeSubject,
  block: bigint,
  token: Uint8Array,
  signature: Uint8Array,
): string =>
  recover(
    solidityPackedKeccak256(
      ['string', 'string', 'string', 'string', 'string', 'string', 'uint256', 'bytes'],
      ['__prefix_free_trial', s.address, s.userId, s.orgId, s.serviceId, s.groupId, block, token],
    ),
    signature,
  );

const freeTokenHash = (orgId: string, groupName: string, address: string, userId: string, until: bigint) =>
  solidityPackedKeccak256(
    ['string', 'string', 'address', 'string', 'uint256'],
    [orgId, groupName, address, userId, until],
  );

/** A free call token: the daemon's signature, an underscore, and the last block in decimal digits. */
export function makeFreeToken(
  key: Wallet,
  orgId: string,
  groupName: string,
  address: string,
  userId: string,
  until: bigint,
): Buffer {
  const signature = key.signMessageSync(getBytes(freeTokenHash(orgId, groupName, address, userId, until)));
  return Buffer.concat([getBytes(signature), Buffer.from(`_${until}`)]);
}

/** Whose token it is, and until which block. @throws Error when it has another shape */
export function readFreeToken(
  token: Uint8Array,
  orgId: string,
  groupName: string,
  address: string,
  userId: string,
): { signer: string; until: bigint } {
  const at = Buffer.from(token).lastIndexOf('_');
  if (at === -1) throw new Error("no '_' found");
  const digits = Buffer.from(token.subarray(at + 1)).toString('latin1');
  if (!/^\d+$/.test(digits)) throw new Error('invalid block number');
  const until = BigInt(digits);
  const hash = freeTokenHash(orgId, groupName, address, userId, until);
  return { signer: recover(hash, token.subarray(0, at)), until };
}
