import { type TypedDataDomain, TypedDataEncoder, type TypedDataField, verifyTypedData } from 'ethers';
import { z } from 'zod';
import { sameAddress } from '../../../lib/address.ts';
import { AppError } from '../../../lib/errors.ts';

type Types = Record<string, TypedDataField[]>;

/** Messages that a person signs (EIP-712); the contracts check the very same types. */
export const IDENTITY_TYPES: Types = {
  Identity: [
    { name: 'kyc', type: 'bytes32' },
    { name: 'signer', type: 'address' },
    { name: 'uri', type: 'string' },
    { name: 'nonce', type: 'uint256' },
  ],
};
export const DATA_SUBMISSION_TYPES: Types = {
  DataSubmission: [
    { name: 'signer', type: 'address' },
    { name: 'dhash', type: 'bytes' },
    { name: 'nonce', type: 'uint256' },
  ],
};
export const PERMISSION_TYPES: Types = {
  Permission: [
    { name: 'dataowner', type: 'address' },
    { name: 'requesterId', type: 'uint256' },
    { name: 'dhash', type: 'bytes' },
    { name: 'productId', type: 'uint256' },
    { name: 'nonce', type: 'uint256' },
    { name: 'expiration', type: 'uint256' },
  ],
};

export interface TypedMessage {
  readonly domain: TypedDataDomain;
  readonly types: Types;
  readonly primaryType: string;
  readonly message: Readonly<Record<string, string>>;
}

/** As wallets take it: `eth_signTypedData_v4`. */
export const typedMessageSchema = z
  .object({
    domain: z.object({
      name: z.string(),
      version: z.string(),
      chainId: z.number().int(),
      verifyingContract: z.string(),
    }),
    types: z.record(z.string(), z.array(z.object({ name: z.string(), type: z.string() }))),
    primaryType: z.string(),
    message: z.record(z.string(), z.string()),
  })
  .meta({ id: 'TypedMessage', description: 'EIP-712 message for `eth_signTypedData_v4`' });

export const signatureSchema = z
  .string()
  .regex(/^0x[0-9a-fA-F]{130}$/, 'expected a signature of 65 bytes in hexadecimal')
  .describe('EIP-712 signature of the prepared message by the owner');

/** A uint256 that no other message of this signer will have, and that survives JavaScript numbers in wallets. */
export function newMessageNonce(bytes: Uint8Array): string {
  const value = Buffer.from(bytes).readUIntBE(0, 6);
  return String(value === 0 ? 1 : value);
}

/**
 * The contracts accept signatures of keys only (ECDSA, low s); a wrong one would cost gas and fail.
 * @throws AppError invalid_signature
 */
export function requireSignedBy(signer: string, typed: TypedMessage, signature: string): void {
  let recovered: string | undefined;
  try {
    recovered = verifyTypedData(typed.domain, typed.types, typed.message, signature);
  } catch (error) {
    throw new AppError('invalid_signature', 'The signature is malformed.', {
      cause: error,
      errors: [
        { pointer: '/signature', rule: 'signature', detail: 'r, s and v of a secp256k1 signature, low s' },
      ],
    });
  }
  if (sameAddress(recovered, signer)) return;
  throw new AppError(
    'invalid_signature',
    `The message was not signed by ${signer}, or is not the one that was signed.`,
    {
      errors: [
        {
          pointer: '/signature',
          rule: 'signer',
          detail: 'sign the prepared message, unchanged, with the wallet of the owner',
        },
      ],
      // Lets a developer compare what the wallet hashed with what we did.
      extra: { typedDataHash: TypedDataEncoder.hash(typed.domain, typed.types, typed.message) },
    },
  );
}
