import { Signature, Transaction } from 'ethers';
import type { Fees } from '../transactions/fees.ts';

/** A transaction as it is signed (EIP-1559, type 2). */
export interface UnsignedTransaction extends Fees {
  readonly chainId: number;
  readonly nonce: number;
  readonly to: string;
  readonly data: string;
  readonly value: bigint;
  readonly gasLimit: bigint;
  readonly accessList?: readonly { address: string; storageKeys: readonly string[] }[] | undefined;
}

export interface SignedTransaction {
  /** The bytes to broadcast, 0x-prefixed hex. */
  readonly raw: string;
  readonly hash: string;
}

/** Holds one key. It may be local or far away; only digests go in and signatures come out. */
export interface Signer {
  /** EIP-55. */
  readonly address: string;
  /** `keystore`, `private-key-file`, `aws-kms`, `gcp-kms`: for logs and metrics. */
  readonly type: string;
  /** Being rotated out: it finishes what it has and takes nothing new. */
  readonly draining?: boolean;
  /**
   * Signs a 32-byte digest.
   * @throws SignerUnavailableError when the key cannot be reached now; its lane pauses and nothing else.
   */
  signDigest(digest: Uint8Array, signal?: AbortSignal): Promise<{ r: string; s: string; yParity: 0 | 1 }>;
}

/** The key cannot be used now: a timeout, an outage, a throttle. Trying later may help. */
export class SignerUnavailableError extends Error {
  override readonly name = 'SignerUnavailableError';
}

/** Signs a transaction and checks that the signature is the signer's own before anything is saved or sent. */
export async function signTransaction(
  signer: Signer,
  unsigned: UnsignedTransaction,
): Promise<SignedTransaction> {
  const transaction = Transaction.from({
    type: 2,
    chainId: unsigned.chainId,
    nonce: unsigned.nonce,
    to: unsigned.to,
    data: unsigned.data,
    value: unsigned.value,
    gasLimit: unsigned.gasLimit,
    maxFeePerGas: unsigned.maxFeePerGas,
    maxPriorityFeePerGas: unsigned.maxPriorityFeePerGas,
    accessList: unsigned.accessList
      ? unsigned.accessList.map((e) => ({ address: e.address, storageKeys: [...e.storageKeys] }))
      : [],
  });
  const { r, s, yParity } = await signer.signDigest(Buffer.from(transaction.unsignedHash.slice(2), 'hex'));
  transaction.signature = Signature.from({ r, s, yParity });
  if (transaction.from !== signer.address || transaction.hash === null) {
    throw new SignerUnavailableError(
      `the ${signer.type} signer of ${signer.address} returned a signature of another key`,
    );
  }
  return { raw: transaction.serialized, hash: transaction.hash };
}
