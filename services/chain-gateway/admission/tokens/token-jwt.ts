import { errors, importJWK, jwtVerify, SignJWT } from 'jose';
import type { Random } from '../../../../lib/random.ts';
import type { SigningKeys } from '../../../../lib/signing-keys.ts';
import type { Clock } from '../../../../lib/time.ts';
import { parseScope, type TokenScope } from './spend-authorization.ts';

/** Seconds that a call token lives at most; refreshed without a new signature. */
export const CALL_TOKEN_SECONDS = 300;
const CLOCK_TOLERANCE_S = 5;

/** What a call token says. No balance: that would be wrong the moment it is signed. */
export interface CallTokenClaims {
  readonly allotmentId: string;
  /** Tokens of an earlier epoch than the allotment's are revoked. */
  readonly epoch: number;
  /** Pairwise: the same payer is somebody else for another client, and no wallet either way. */
  readonly subject: string;
  readonly clientId: string;
  readonly scope: string;
  /** Thumbprint of the key that must prove possession. */
  readonly jkt: string | null;
}

export interface VerifiedCallToken extends CallTokenClaims {
  readonly parsedScope: TokenScope;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

export type TokenProblem = 'invalid' | 'expired' | 'audience';

export interface CallTokens {
  sign(claims: CallTokenClaims, lifetimeSeconds: number): Promise<string>;
  /** Remembers what it verified, so that a busy token costs one signature check per process. */
  verify(token: string): Promise<VerifiedCallToken | TokenProblem>;
  /** What is remembered about the token; undefined when it must be verified. */
  recall(token: string): VerifiedCallToken | undefined;
}

/** Forged tokens name keys that nobody has; they must not become a query each. */
const LOOK_AGAIN_MS = 5_000;
const MAX_REMEMBERED = 10_000;
const MAX_TOKEN_CHARACTERS = 4_096;

/** ES256 JWTs of type `at+jwt` (RFC 9068). */
export function createCallTokens(options: {
  keys: SigningKeys;
  issuer: string;
  audience: string;
  clock: Pick<Clock, 'now'>;
  random: Random;
}): CallTokens {
  const { keys, issuer, audience, clock, random } = options;
  const remembered = new Map<string, VerifiedCallToken>();
  let lookAgainAt = 0;

  const recall = (token: string): VerifiedCallToken | undefined => {
    const known = remembered.get(token);
    if (known === undefined) return undefined;
    if (known.expiresAt + CLOCK_TOLERANCE_S * 1_000 > clock.now()) return known;
    remembered.delete(token);
    return undefined;
  };

  return {
    recall,
    async sign(claims, lifetimeSeconds) {
      const now = Math.floor(clock.now() / 1000);
      const key = keys.current();
      return new SignJWT({
        client_id: claims.clientId,
        scope: claims.scope,
        allotment: claims.allotmentId,
        epoch: claims.epoch,
        ...(claims.jkt === null ? {} : { cnf: { jkt: claims.jkt } }),
      })
        .setProtectedHeader({ alg: 'ES256', kid: key.kid, typ: 'at+jwt' })
        .setIssuer(issuer)
        .setAudience(audience)
        .setSubject(claims.subject)
        .setJti(random.uuid())
        .setIssuedAt(now)
        .setExpirationTime(now + Math.min(lifetimeSeconds, CALL_TOKEN_SECONDS))
        .sign(await importJWK(key.privateJwk, 'ES256'));
    },
    async verify(token) {
      const known = recall(token);
      if (known !== undefined) return known;
      if (token.length > MAX_TOKEN_CHARACTERS) return 'invalid';
      try {
        const { payload } = await jwtVerify(
          token,
          async ({ kid }) => {
            let key = kid === undefined ? undefined : keys.find(kid);
            // Another replica may have made a key since we looked.
            if (key === undefined && kid !== undefined && clock.now() >= lookAgainAt) {
              lookAgainAt = clock.now() + LOOK_AGAIN_MS;
              await keys.refresh();
              key = keys.find(kid);
            }
            if (key === undefined) throw new errors.JWKSNoMatchingKey();
            return importJWK(key.publicJwk, 'ES256');
          },
          {
            issuer,
            audience,
            algorithms: ['ES256'],
            typ: 'at+jwt',
            clockTolerance: CLOCK_TOLERANCE_S,
            currentDate: new Date(clock.now()),
            requiredClaims: ['sub', 'client_id', 'exp', 'jti', 'scope', 'allotment', 'epoch'],
          },
        );
        const parsedScope = parseScope(String(payload.scope));
        if (parsedScope === undefined) return 'invalid';
        const cnf = payload.cnf as { jkt?: unknown } | undefined;
        const verified: VerifiedCallToken = {
          allotmentId: String(payload.allotment),
          epoch: Number(payload.epoch),
          subject: String(payload.sub),
          clientId: String(payload.client_id),
          scope: String(payload.scope),
          parsedScope,
          jkt: typeof cnf?.jkt === 'string' ? cnf.jkt : null,
          expiresAt: Number(payload.exp) * 1_000,
        };
        if (remembered.size >= MAX_REMEMBERED) {
          const [oldest] = remembered.keys();
          if (oldest !== undefined) remembered.delete(oldest);
        }
        remembered.set(token, verified);
        return verified;
      } catch (error) {
        if (error instanceof errors.JWTExpired) return 'expired';
        if (error instanceof errors.JWTClaimValidationFailed && error.claim === 'aud') return 'audience';
        if (error instanceof errors.JOSEError) return 'invalid';
        throw error;
      }
    },
  };
}
