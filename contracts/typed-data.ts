import type { TypedDataDomain, TypedDataField } from 'ethers';
import type { Hex } from './hex.ts';

/** EIP-712 domains of the development deployment; the constructors get them, signers repeat them. */
export const IDENTITY_DOMAIN = { name: 'Rejuve Identities', version: '1' } as const;
export const DATA_MANAGEMENT_DOMAIN = { name: 'Rejuve Data Management', version: '1' } as const;

/** Consent to an identity; `IdentityToken.createIdentity` checks it. */
export const IDENTITY_TYPES: Record<'Identity', TypedDataField[]> = {
  Identity: [
    { name: 'kyc', type: 'bytes32' },
    { name: 'signer', type: 'address' },
    { name: 'uri', type: 'string' },
    { name: 'nonce', type: 'uint256' },
  ],
};

/** Consent to a data submission; `DataManagement.submitData` checks it. */
export const DATA_SUBMISSION_TYPES: Record<'DataSubmission', TypedDataField[]> = {
  DataSubmission: [
    { name: 'signer', type: 'address' },
    { name: 'dhash', type: 'bytes' },
    { name: 'nonce', type: 'uint256' },
  ],
};

/** Consent to the use of data in one product; `DataManagement.getPermission` checks it. `expiration` is in seconds. */
export const PERMISSION_TYPES: Record<'Permission', TypedDataField[]> = {
  Permission: [
    { name: 'dataowner', type: 'address' },
    { name: 'requesterId', type: 'uint256' },
    { name: 'dhash', type: 'bytes' },
    { name: 'productId', type: 'uint256' },
    { name: 'nonce', type: 'uint256' },
    { name: 'expiration', type: 'uint256' },
  ],
};

/** A domain bound to one chain and one deployed contract. */
export function domainOf(
  names: { readonly name: string; readonly version: string },
  chainId: number | bigint,
  verifyingContract: Hex,
): TypedDataDomain {
  return { ...names, chainId, verifyingContract };
}
