import { createHash, randomBytes } from 'node:crypto';
import type { BaseWallet } from 'ethers';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import {
  hashText,
  jktOf,
  NO_KEY,
  SPEND_AUTHORIZATION_TYPES,
  spendDomain,
} from '../admission/tokens/spend-authorization.ts';
import { SPEND_AUTHORIZATION_TOKEN, TOKEN_EXCHANGE } from '../admission/tokens/token-schema.ts';

export interface SpendWishes {
  readonly payer?: string;
  readonly asset?: string;
  readonly maxAmount?: bigint;
  readonly maxPerCall?: bigint;
  readonly maxInFlight?: bigint;
  readonly audience?: string;
  readonly scope?: string;
  readonly scopeHash?: string;
  readonly jkt?: string;
  readonly validAfter?: bigint;
  readonly validBefore?: bigint;
  readonly nonce?: string;
  readonly domain?: Partial<{ name: string; version: string; chainId: number; verifyingContract: string }>;
  /** Replaces what the wallet signed. */
  readonly signature?: string;
}

/** Signs a spend authorization as a payer does, with anything changed that a test wants wrong. */
export async function signSpend(
  wallet: BaseWallet,
  at: { chainId: number; verifyingContract: string; audience?: string },
  wishes: SpendWishes = {},
) {
  const scope = wishes.scope ?? `read chain:${at.chainId}`;
  const now = BigInt(Math.floor(Date.now() / 1000));
  const authorization = {
    payer: wishes.payer ?? wallet.address,
    asset: wishes.asset ?? `0x${'00'.repeat(20)}`,
    maxAmount: wishes.maxAmount ?? 1_000_000n,
    maxPerCall: wishes.maxPerCall ?? 10_000n,
    maxInFlight: wishes.maxInFlight ?? 100n,
    audience: hashText(wishes.audience ?? at.audience ?? 'rejuve-gateway'),
    scopeHash: wishes.scopeHash ?? hashText(scope),
    jkt: wishes.jkt ?? NO_KEY,
    validAfter: wishes.validAfter ?? now - 10n,
    validBefore: wishes.validBefore ?? now + 3_600n,
    nonce: wishes.nonce ?? `0x${randomBytes(32).toString('hex')}`,
  };
  const domain = { ...spendDomain(at.chainId, at.verifyingContract), ...wishes.domain };
  const signature =
    wishes.signature ?? (await wallet.signTypedData(domain, SPEND_AUTHORIZATION_TYPES, authorization));
  return {
    domain,
    authorization: Object.fromEntries(Object.entries(authorization).map(([k, v]) => [k, String(v)])),
    scope,
    signature,
  };
}

export const exchangeBody = (subject_token: unknown, extra: object = {}) => ({
  grant_type: TOKEN_EXCHANGE,
  subject_token,
  subject_token_type: SPEND_AUTHORIZATION_TOKEN,
  ...extra,
});

/** A key that proves possession. */
export async function createDpopKey() {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk: JWK = await exportJWK(publicKey);
  const thumbprint = await calculateJwkThumbprint(jwk);
  return {
    jkt: jktOf(thumbprint),
    prove(
      method: string,
      url: string,
      options: { token?: string; jti?: string; iat?: number; typ?: string } = {},
    ) {
      return new SignJWT({
        htm: method,
        htu: url,
        jti: options.jti ?? randomBytes(12).toString('hex'),
        ...(options.token === undefined
          ? {}
          : { ath: createHash('sha256').update(options.token).digest('base64url') }),
      })
        .setProtectedHeader({ alg: 'ES256', typ: options.typ ?? 'dpop+jwt', jwk })
        .setIssuedAt(options.iat ?? Math.floor(Date.now() / 1000))
        .sign(privateKey);
    },
  };
}
