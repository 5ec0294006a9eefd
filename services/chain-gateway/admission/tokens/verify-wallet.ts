import { AbiCoder, dataLength, dataSlice, getAddress, Interface, recoverAddress, Signature } from 'ethers';

/** Read-only calls on the newest block. Both reject with an object whose `reverted` is true when the chain said no. */
export interface WalletChain {
  call(request: { to: string; data: string; gas: string }, signal: AbortSignal): Promise<string>;
  code(address: string, signal: AbortSignal): Promise<string>;
}

export type WalletVerdict =
  | { readonly kind: 'key' | 'contract' }
  /**
   * `mismatch`: somebody else signed, or something else was signed. `malleable`: a second form of a signature that was
   * made (high s, or a v that no wallet writes). `refused`: the contract said no or reverted. `stuck`: it used up its
   * gas or its time. `malformed`: no signature at all.
   */
  | { readonly kind: 'mismatch' | 'malleable' | 'refused' | 'stuck' | 'malformed' };

/** ERC-6492: the signature of a contract that may not be deployed yet ends with this word. */
const ERC6492_SUFFIX = `0x${'6492'.repeat(16)}`;
/** ERC-1271: what a contract answers for a valid signature. */
const ERC1271_MAGIC = '0x1626ba7e';
const MAX_SIGNATURE_BYTES = 8_192;
/** Half of the order of secp256k1 (EIP-2): of the two s that verify, only the lower one is a signature. */
const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;
/** What a wallet contract may burn to judge a signature: passkeys and multisigs need some 100,000. */
const WALLET_GAS = 1_000_000;
/** Deploying it first, for a wallet that is not there yet. */
const DEPLOY_GAS = 5_000_000;
/** Longest wait for the chain's word, milliseconds. */
const WALLET_TIMEOUT_MS = 3_000;

const erc1271 = new Interface([
  'function isValidSignature(bytes32 hash, bytes signature) view returns (bytes4)',
]);
const multicall = new Interface([
  'function aggregate3((address target, bool allowFailure, bytes callData)[] calls) payable returns ((bool success, bytes returnData)[] results)',
]);

const hex = (value: number): string => `0x${value.toString(16)}`;

/**
 * Says whether `address` signed `digest`, in the order of ERC-6492: not yet deployed contract, deployed contract
 * (ERC-1271), plain key. A contract is asked with bounded gas and time: a wallet that loops costs the chain a little and
 * us a moment.
 *
 * @param multicallAddress Multicall3, which deploys and asks a counterfactual wallet within one `eth_call`.
 * @throws whatever the chain throws when it cannot be asked at all.
 */
export async function verifyWallet(
  input: { address: string; digest: string; signature: string },
  chain: WalletChain,
  multicallAddress: string | undefined,
  timeoutMs: number = WALLET_TIMEOUT_MS,
): Promise<WalletVerdict> {
  const { address, digest, signature } = input;
  const bytes = dataLength(signature);
  if (bytes === 0 || bytes > MAX_SIGNATURE_BYTES) return { kind: 'malformed' };
  const signal = AbortSignal.timeout(timeoutMs);
  if (bytes > 32 && dataSlice(signature, bytes - 32) === ERC6492_SUFFIX)
    return counterfactual(
      address,
      digest,
      dataSlice(signature, 0, bytes - 32),
      chain,
      multicallAddress,
      signal,
    );
  const key = bytes === 65 || bytes === 64 ? judgeKey(address, digest, signature) : undefined;
  // A plain key needs no chain, so that its owner can pay while the chain is away.
  if (key === 'key') return { kind: 'key' };
  if (key === 'malleable') return { kind: 'malleable' };
  if ((await within(chain.code(address, signal), signal)) === '0x')
    return { kind: bytes === 65 || bytes === 64 ? 'mismatch' : 'malformed' };
  return ask(address, digest, signature, chain, signal);
}

/** What the bytes are when a plain key made them; `other` may still be what a contract accepts. */
function judgeKey(address: string, digest: string, signature: string): 'key' | 'malleable' | 'other' {
  const raw = Buffer.from(signature.slice(2), 'hex');
  const owner = getAddress(address);
  if (raw.length === 64) {
    // EIP-2098: the top bit of the second word is the parity, so s is low by construction.
    return recovers(digest, signature, owner) ? 'key' : 'other';
  }
  const s = BigInt(`0x${raw.subarray(32, 64).toString('hex')}`);
  const v = raw[64] as number;
  if (s > HALF_ORDER || (v !== 27 && v !== 28)) {
    const parity = v === 27 || v === 28 ? v : v === 0 || v === 1 ? 27 + v : undefined;
    if (parity === undefined) return 'other';
    const r = `0x${raw.subarray(0, 32).toString('hex')}`;
    const low = s > HALF_ORDER ? ORDER - s : s;
    const flipped = s > HALF_ORDER ? (parity === 27 ? 28 : 27) : parity;
    const canonical = `${r}${low.toString(16).padStart(64, '0')}${flipped.toString(16)}`;
    return recovers(digest, canonical, owner) ? 'malleable' : 'other';
  }
  return recovers(digest, signature, owner) ? 'key' : 'other';
}

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

function recovers(digest: string, signature: string, owner: string): boolean {
  try {
    return recoverAddress(digest, Signature.from(signature)) === owner;
  } catch (error) {
    // Not a point of the curve.
    if (error instanceof Error) return false;
    throw error;
  }
}

async function ask(
  address: string,
  digest: string,
  signature: string,
  chain: WalletChain,
  signal: AbortSignal,
): Promise<WalletVerdict> {
  const data = erc1271.encodeFunctionData('isValidSignature', [digest, signature]);
  try {
    const answer = await within(chain.call({ to: address, data, gas: hex(WALLET_GAS) }, signal), signal);
    return { kind: isMagic(answer) ? 'contract' : 'refused' };
  } catch (error) {
    return unlessUnreachable(error, signal);
  }
}

async function counterfactual(
  address: string,
  digest: string,
  wrapped: string,
  chain: WalletChain,
  multicallAddress: string | undefined,
  signal: AbortSignal,
): Promise<WalletVerdict> {
  let factory: string;
  let deployment: string;
  let inner: string;
  try {
    [factory, deployment, inner] = AbiCoder.defaultAbiCoder().decode(
      ['address', 'bytes', 'bytes'],
      wrapped,
    ) as unknown as [string, string, string];
  } catch (error) {
    if (error instanceof Error) return { kind: 'malformed' };
    throw error;
  }
  if ((await within(chain.code(address, signal), signal)) !== '0x')
    return ask(address, digest, inner, chain, signal);
  if (multicallAddress === undefined) return { kind: 'refused' };
  const calls = [
    { target: factory, allowFailure: true, callData: deployment },
    {
      target: address,
      allowFailure: true,
      callData: erc1271.encodeFunctionData('isValidSignature', [digest, inner]),
    },
  ];
  const data = multicall.encodeFunctionData('aggregate3', [calls]);
  try {
    const answer = await within(
      chain.call({ to: multicallAddress, data, gas: hex(DEPLOY_GAS) }, signal),
      signal,
    );
    const [results] = multicall.decodeFunctionResult('aggregate3', answer) as unknown as [
      { success: boolean; returnData: string }[],
    ];
    const verdict = results[1];
    return { kind: verdict?.success === true && isMagic(verdict.returnData) ? 'contract' : 'refused' };
  } catch (error) {
    return unlessUnreachable(error, signal);
  }
}

const isMagic = (answer: string): boolean => dataLength(answer) === 32 && answer.startsWith(ERC1271_MAGIC);

/** Rejects at the deadline even when the call below does not care about the signal. */
function within<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = (): void => reject(signal.reason);
    if (signal.aborted) late();
    signal.addEventListener('abort', late, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', late));
  });
}

function unlessUnreachable(error: unknown, signal: AbortSignal): WalletVerdict {
  if (signal.aborted) return { kind: 'stuck' };
  const { reverted, message } = error as { reverted?: boolean; message?: string };
  if (/out of ?gas|gas (limit|required|uint64)|OutOfGas|InvalidFEOpcode/i.test(message ?? ''))
    return { kind: 'stuck' };
  if (reverted === true) return { kind: 'refused' };
  throw error;
}
