import { createRemoteJWKSet, errors, jwtVerify } from 'jose';
import { AppError } from '../../../lib/errors.ts';
import type { Principal } from '../../../lib/http/route.ts';
import type { Clock } from '../../../lib/time.ts';
import { personScopes } from './scopes.ts';

/** The audience of access tokens that are meant for this API. */
export const API_AUDIENCE = 'rejuve-api';

/** How far the user service's clock and ours may differ. */
const CLOCK_TOLERANCE_SECONDS = 5;
/** Keys are read again after this time even when no unknown key was seen, so that a withdrawn key dies. */
const JWKS_MAX_AGE_MS = 10 * 60_000;
/** An unknown key id makes us read the keys again, but not more often than this, whoever sends garbage. */
const JWKS_COOLDOWN_MS = 5_000;

/**
 * Verifies access tokens of the user service (ES256 JWTs) with its published keys, which are cached and read again
 * when a token names a key that is not known yet, so that key rotation needs no restart.
 * @param keys for tests; by default the key set at `<issuer base URL>/.well-known/jwks.json`.
 */
export function createUserTokenVerifier(options: {
  jwksUrl: string;
  issuer: string;
  clock: Pick<Clock, 'now'>;
  timeoutMs?: number;
}): (token: string) => Promise<Principal> {
  const keys = createRemoteJWKSet(new URL(options.jwksUrl), {
    cacheMaxAge: JWKS_MAX_AGE_MS,
    cooldownDuration: JWKS_COOLDOWN_MS,
    timeoutDuration: options.timeoutMs ?? 3_000,
  });
  return async (token) => {
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer: options.issuer,
        audience: API_AUDIENCE,
        algorithms: ['ES256'],
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        currentDate: new Date(options.clock.now()),
        requiredClaims: ['sub', 'exp'],
      });
      return {
        kind: 'user',
        id: payload.sub as string,
        scopes: personScopes(typeof payload.scope === 'string' ? payload.scope : undefined),
        claims: { sessionId: typeof payload.sid === 'string' ? payload.sid : undefined },
      };
    } catch (error) {
      throw toAuthError(error);
    }
  };
}

function toAuthError(error: unknown): AppError {
  if (error instanceof errors.JWTExpired) {
    return new AppError('expired_token', 'The access token has expired; refresh it.', { cause: error });
  }
  if (error instanceof errors.JWTClaimValidationFailed) {
    return new AppError('invalid_token', `The access token is not for this API: claim ${error.claim}.`, {
      cause: error,
    });
  }
  if (
    error instanceof errors.JWKSTimeout ||
    !(error instanceof errors.JOSEError) ||
    error.code === 'ERR_JOSE_GENERIC'
  ) {
    return new AppError('dependency_unavailable', 'Access tokens cannot be verified at the moment.', {
      cause: error,
      retryAfterSeconds: 2,
    });
  }
  return new AppError('invalid_token', 'The access token is not valid.', { cause: error });
}
