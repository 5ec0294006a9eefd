import { errors, importJWK, jwtVerify, SignJWT } from 'jose';
import { AppError } from '../../../lib/errors.ts';
import type { Random } from '../../../lib/random.ts';
import type { SigningKeys } from '../../../lib/signing-keys.ts';
import type { Clock } from '../../../lib/time.ts';

/** Seconds an access token lives: what a stolen one is worth at most. */
export const ACCESS_TOKEN_SECONDS = 300;
export const ACCESS_TOKEN_AUDIENCE = 'rejuve-api';
const CLOCK_TOLERANCE_SECONDS = 5;

export interface AccessClaims {
  readonly personId: string;
  readonly sessionId: string;
  readonly scope: string;
}

export interface AccessTokens {
  sign(claims: AccessClaims): Promise<string>;
  /** @throws AppError `expired_token`, `invalid_token` */
  verify(token: string): Promise<AccessClaims>;
}

/** Short ES256 JWTs (RFC 9068 type `at+jwt`) that every service verifies with the published keys. */
export function createAccessTokens(options: {
  keys: SigningKeys;
  issuer: string;
  clock: Pick<Clock, 'now'>;
  random: Random;
}): AccessTokens {
  const { keys, issuer, clock, random } = options;
  return {
    async sign({ personId, sessionId, scope }) {
      const now = Math.floor(clock.now() / 1000);
      const key = keys.current();
      return new SignJWT({ sid: sessionId, scope })
        .setProtectedHeader({ alg: 'ES256', kid: key.kid, typ: 'at+jwt' })
        .setIssuer(issuer)
        .setAudience(ACCESS_TOKEN_AUDIENCE)
        .setSubject(personId)
        .setJti(random.uuid())
        .setIssuedAt(now)
        .setExpirationTime(now + ACCESS_TOKEN_SECONDS)
        .sign(await importJWK(key.privateJwk, 'ES256'));
    },
    async verify(token) {
      try {
        const { payload } = await jwtVerify(
          token,
          async ({ kid }) => {
            const key = kid === undefined ? undefined : keys.find(kid);
            if (!key)
              throw new AppError('invalid_token', 'The access token was signed with a key that is not ours.');
            return importJWK(key.publicJwk, 'ES256');
          },
          {
            issuer,
            audience: ACCESS_TOKEN_AUDIENCE,
            algorithms: ['ES256'],
            typ: 'at+jwt',
            clockTolerance: CLOCK_TOLERANCE_SECONDS,
            currentDate: new Date(clock.now()),
            requiredClaims: ['sub', 'sid', 'exp'],
          },
        );
        return {
          personId: payload.sub as string,
          sessionId: String(payload.sid),
          scope: String(payload.scope ?? ''),
        };
      } catch (error) {
        if (error instanceof AppError) throw error;
        if (error instanceof errors.JWTExpired)
          throw new AppError('expired_token', 'The access token has expired; refresh it.', { cause: error });
        throw new AppError('invalid_token', 'The access token is not valid.', { cause: error });
      }
    },
  };
}
