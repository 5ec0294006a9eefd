import { getAddress, id as keccakText, TypedDataEncoder } from 'ethers';
import { z } from 'zod';

/** The EIP-712 type that a payer signs once; many calls are paid from it afterwards. */
export const SPEND_AUTHORIZATION_TYPES = {
  SpendAuthorization: [
    { name: 'payer', type: 'address' },
    { name: 'asset', type: 'address' },
    { name: 'maxAmount', type: 'uint256' },
    { name: 'maxPerCall', type: 'uint256' },
    { name: 'maxInFlight', type: 'uint32' },
    { name: 'audience', type: 'bytes32' },
    { name: 'scopeHash', type: 'bytes32' },
    { name: 'jkt', type: 'bytes32' },
    { name: 'validAfter', type: 'uint64' },
    { name: 'validBefore', type: 'uint64' },
    { name: 'nonce', type: 'bytes32' },
  ],
};

/** Chain id and verifying contract keep a signature for one deployment from being good at another. */
export const spendDomain = (chainId: number, verifyingContract: string) => ({
  name: 'Rejuve Call Tokens',
  version: '1',
  chainId,
  verifyingContract: getAddress(verifyingContract),
});

/** `audience` and `scopeHash` are the keccak256 of the UTF-8 text. */
export const hashText = (text: string): string => keccakText(text);

/** `jkt` is the RFC 7638 thumbprint as 32 bytes; all zero: the token is bound to no key. */
export const NO_KEY = `0x${'00'.repeat(32)}`;
export const thumbprintOf = (jkt: string): string | null =>
  jkt === NO_KEY ? null : Buffer.from(jkt.slice(2), 'hex').toString('base64url');
export const jktOf = (thumbprint: string): string =>
  `0x${Buffer.from(thumbprint, 'base64url').toString('hex')}`;

const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, 'expected an address')
  .transform((text) => text.toLowerCase());
const bytes32 = z
  .string()
  .regex(/^0x[0-9a-fA-F]{64}$/, 'expected 32 bytes in hex')
  .transform((text) => text.toLowerCase());
const MAX_UINT256 = 2n ** 256n - 1n;
const MAX_UINT64 = 2n ** 64n - 1n;
const integer = (most: bigint) =>
  z
    .union([z.string().regex(/^\d{1,78}$/, 'expected a decimal integer'), z.number().int().nonnegative()])
    .transform((value) => BigInt(value))
    .refine((value) => value <= most, 'is too large for its type');

/** What was signed, as it travels: numbers as decimal strings. */
export const spendAuthorizationSchema = z
  .strictObject({
    payer: address.describe('Who pays: a wallet, or a contract wallet'),
    asset: address.describe(
      'Token that is spent, in its smallest unit; the zero address means compute units',
    ),
    maxAmount: integer(MAX_UINT256).describe('Most that may be spent in all'),
    maxPerCall: integer(MAX_UINT256).describe('Most that one call may cost'),
    maxInFlight: integer(2n ** 32n - 1n).describe('Most calls at the same time'),
    audience: bytes32.describe('keccak256 of the audience of the tokens'),
    scopeHash: bytes32.describe('keccak256 of the scope text'),
    jkt: bytes32.describe(
      'SHA-256 thumbprint (RFC 7638) of the key that must prove possession; zero for none',
    ),
    validAfter: integer(MAX_UINT64).describe('Unix seconds'),
    validBefore: integer(MAX_UINT64).describe('Unix seconds'),
    nonce: bytes32.describe('32 random bytes, used once'),
  })
  .meta({ id: 'SpendAuthorization' });
export type SpendAuthorization = z.output<typeof spendAuthorizationSchema>;

export const spendDigest = (
  authorization: SpendAuthorization,
  chainId: number,
  verifyingContract: string,
): string =>
  TypedDataEncoder.hash(spendDomain(chainId, verifyingContract), SPEND_AUTHORIZATION_TYPES, authorization);

/** As signed, ready for JSON. */
export const plainAuthorization = (a: SpendAuthorization): Record<string, string> =>
  Object.fromEntries(Object.entries(a).map(([name, value]) => [name, String(value)]));

/**
 * What a token may do, as text: words separated by one blank. `read` or `write` (which includes reading), any number
 * of `chain:<id>`, any number of `method:<name>` or `method:<prefix>*`. Without a chain or a method: all of them.
 */
export interface TokenScope {
  readonly access: 'read' | 'write';
  readonly chains: readonly number[];
  readonly methods: readonly string[];
}

const METHOD_WORD = /^method:([a-zA-Z0-9_]{1,64}\*?)$/;
const CHAIN_WORD = /^chain:([1-9]\d{0,15})$/;
const MAX_SCOPE_CHARACTERS = 1_000;

/** @returns undefined when it is not a scope of ours. */
export function parseScope(text: string): TokenScope | undefined {
  if (text.length > MAX_SCOPE_CHARACTERS) return undefined;
  let access: 'read' | 'write' | undefined;
  const chains: number[] = [];
  const methods: string[] = [];
  for (const word of text.split(' ')) {
    if (word === 'read' || word === 'write') {
      if (access !== undefined) return undefined;
      access = word;
      continue;
    }
    const method = METHOD_WORD.exec(word)?.[1];
    const chain = CHAIN_WORD.exec(word)?.[1];
    if (method !== undefined) methods.push(method);
    else if (chain !== undefined) chains.push(Number(chain));
    else return undefined;
  }
  return access === undefined ? undefined : { access, chains, methods };
}

const covers = (pattern: string, method: string): boolean =>
  pattern === method || (pattern.endsWith('*') && method.startsWith(pattern.slice(0, -1)));

/** True when `narrow` allows nothing that `wide` does not. */
export function isWithin(narrow: TokenScope, wide: TokenScope): boolean {
  if (narrow.access === 'write' && wide.access === 'read') return false;
  if (
    wide.chains.length > 0 &&
    (narrow.chains.length === 0 || narrow.chains.some((c) => !wide.chains.includes(c)))
  )
    return false;
  if (wide.methods.length === 0) return true;
  return narrow.methods.length > 0 && narrow.methods.every((m) => wide.methods.some((w) => covers(w, m)));
}
