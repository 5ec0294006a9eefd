import {
  AbiCoder,
  concat,
  dataLength,
  dataSlice,
  getAddress,
  hashMessage,
  Interface,
  recoverAddress,
} from 'ethers';

/** A read-only call on the chain: `eth_call` and `eth_getCode` through the gateway. */
export interface ChainReader {
  call(request: { to: string; data: string }): Promise<string>;
  code(address: string): Promise<string>;
}

/** ERC-6492: a signature of a contract that is not deployed yet ends with this word. */
const ERC6492_SUFFIX = `0x${'6492'.repeat(16)}`;
/** ERC-1271: what a contract answers for a valid signature. */
const ERC1271_MAGIC = '0x1626ba7e';
const MAX_SIGNATURE_BYTES = 4_096;

const erc1271 = new Interface([
  'function isValidSignature(bytes32 hash, bytes signature) view returns (bytes4)',
]);
const multicall = new Interface([
  'function aggregate3((address target, bool allowFailure, bytes callData)[] calls) payable returns ((bool success, bytes returnData)[] results)',
]);

export type SignatureVerdict =
  | { readonly valid: true; readonly kind: 'eoa' | 'contract' }
  | { readonly valid: false };

/**
 * Says whether `address` signed `message` (EIP-191), in the order of ERC-6492: counterfactual contract,
 * deployed contract (ERC-1271), plain key. The chain is asked only when the plain key does not match:
 * a plain key needs no chain, and keeps signing in while the chain is away.
 *
 * @param multicallAddress Multicall3, which deploys and asks a counterfactual wallet within one `eth_call`.
 * @throws whatever the reader throws when the chain is needed and cannot be read.
 */
export async function verifyWalletSignature(
  input: { address: string; message: string; signature: string },
  chain: ChainReader,
  multicallAddress: string | undefined,
): Promise<SignatureVerdict> {
  const { address, message, signature } = input;
  const bytes = dataLength(signature);
  if (bytes === 0 || bytes > MAX_SIGNATURE_BYTES) return { valid: false };
  const hash = hashMessage(message);

  if (bytes > 32 && dataSlice(signature, bytes - 32) === ERC6492_SUFFIX) {
    return verifyCounterfactual(address, hash, dataSlice(signature, 0, bytes - 32), chain, multicallAddress);
  }
  if (bytes === 65 || bytes === 64) {
    try {
      if (recoverAddress(hash, signature) === getAddress(address)) return { valid: true, kind: 'eoa' };
    } catch (error) {
      // Not a point of the curve: it may still be what a contract accepts.
      if (!(error instanceof Error)) throw error;
    }
  }
  if ((await chain.code(address)) === '0x') return { valid: false };
  return (await askContract(address, hash, signature, chain))
    ? { valid: true, kind: 'contract' }
    : { valid: false };
}

async function askContract(
  address: string,
  hash: string,
  signature: string,
  chain: ChainReader,
): Promise<boolean> {
  try {
    const answer = await chain.call({
      to: address,
      data: erc1271.encodeFunctionData('isValidSignature', [hash, signature]),
    });
    return answer.slice(0, 10) === ERC1271_MAGIC && dataLength(answer) === 32;
  } catch (error) {
    // A contract says "no" by reverting as well; a chain that cannot be read is not a "no".
    if (isRevert(error)) return false;
    throw error;
  }
}

async function verifyCounterfactual(
  address: string,
  hash: string,
  wrapped: string,
  chain: ChainReader,
  multicallAddress: string | undefined,
): Promise<SignatureVerdict> {
  let factory: string;
  let deployment: string;
  let inner: string;
  try {
    [factory, deployment, inner] = AbiCoder.defaultAbiCoder().decode(
      ['address', 'bytes', 'bytes'],
      wrapped,
    ) as unknown as [string, string, string];
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { valid: false };
  }
  if ((await chain.code(address)) !== '0x') {
    return (await askContract(address, hash, inner, chain))
      ? { valid: true, kind: 'contract' }
      : { valid: false };
  }
  if (!multicallAddress) return { valid: false };
  const calls = [
    { target: factory, allowFailure: true, callData: deployment },
    {
      target: address,
      allowFailure: true,
      callData: erc1271.encodeFunctionData('isValidSignature', [hash, inner]),
    },
  ];
  try {
    const answer = await chain.call({
      to: multicallAddress,
      data: multicall.encodeFunctionData('aggregate3', [calls]),
    });
    const [results] = multicall.decodeFunctionResult('aggregate3', answer) as unknown as [
      { success: boolean; returnData: string }[],
    ];
    const verdict = results[1];
    const valid =
      verdict?.success === true &&
      dataLength(verdict.returnData) === 32 &&
      verdict.returnData.startsWith(ERC1271_MAGIC);
    return valid ? { valid: true, kind: 'contract' } : { valid: false };
  } catch (error) {
    if (isRevert(error)) return { valid: false };
    throw error;
  }
}

const isRevert = (error: unknown): boolean => (error as { reverted?: boolean })?.reverted === true;

/** Wraps a signature for ERC-6492; the inverse of what the verifier takes apart. */
export function wrapCounterfactual(factory: string, deployment: string, signature: string): string {
  const body = AbiCoder.defaultAbiCoder().encode(
    ['address', 'bytes', 'bytes'],
    [factory, deployment, signature],
  );
  return concat([body, ERC6492_SUFFIX]);
}
