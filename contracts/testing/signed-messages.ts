import { type Hex, keccak256, toHex } from 'viem';
import type { privateKeyToAccount } from 'viem/accounts';
import { DATA_SUBMISSION_TYPES, IDENTITY_TYPES, PERMISSION_TYPES } from '../typed-data.ts';
import type { startContractFixture } from './contract-fixture.ts';

type Fixture = Awaited<ReturnType<typeof startContractFixture>>;
type Signer = ReturnType<typeof privateKeyToAccount>;

/** The messages people sign, signed; each function answers the arguments of the contract call. */
export function createSignedMessages(fixture: Fixture) {
  async function identity(
    signer: Signer,
    options: { nonce?: bigint; kyc?: Hex; uri?: string; by?: Signer } = {},
  ) {
    const { nonce = 1n, kyc = keccak256(toHex('kyc')), uri = 'ipfs://identity', by = signer } = options;
    const signature = await by.signTypedData({
      domain: fixture.domain('IdentityToken'),
      types: IDENTITY_TYPES,
      primaryType: 'Identity',
      message: { kyc, signer: signer.address, uri, nonce },
    });
    return [signature, kyc, signer.address, uri, nonce] as const;
  }

  async function submission(signer: Signer, dhash: Hex, options: { nonce?: bigint; by?: Signer } = {}) {
    const { nonce = 1n, by = signer } = options;
    const signature = await by.signTypedData({
      domain: fixture.domain('DataManagement'),
      types: DATA_SUBMISSION_TYPES,
      primaryType: 'DataSubmission',
      message: { signer: signer.address, dhash, nonce },
    });
    return [signer.address, signature, dhash, nonce] as const;
  }

  async function permission(
    dataowner: Signer,
    message: {
      requesterId: bigint;
      dhash: Hex;
      productId: bigint;
      nonce?: bigint;
      expiration: bigint;
      by?: Signer;
    },
  ) {
    const { requesterId, dhash, productId, nonce = 1n, expiration, by = dataowner } = message;
    const signature = await by.signTypedData({
      domain: fixture.domain('DataManagement'),
      types: PERMISSION_TYPES,
      primaryType: 'Permission',
      message: { dataowner: dataowner.address, requesterId, dhash, productId, nonce, expiration },
    });
    return [dataowner.address, signature, dhash, productId, nonce, expiration] as const;
  }

  return { identity, submission, permission };
}
