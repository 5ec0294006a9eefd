import { createHash } from 'node:crypto';
import { calculateJwkThumbprint, EmbeddedJWK, errors, type JWK, jwtVerify } from 'jose';
import { AppError } from '../../../../lib/errors.ts';
import type { Clock } from '../../../../lib/time.ts';

export interface DpopProof {
  /** RFC 7638 thumbprint of the key that signed, base64url. */
  readonly thumbprint: string;
}

export interface DpopVerifier {
  /**
   * Checks a proof of possession (RFC 9449): signature, method, URL, age, token hash, and that it was not used before.
   *
   * @throws AppError `dpop_invalid`, `dpop_replayed`, `dependency_unavailable`
   */
  verify(proof: string, request: { method: string; url: string; accessToken?: string }): Promise<DpopProof>;
}

/** A proof is made for one request just before it is sent; clocks differ a little. */
const MAX_AGE_S = 60;
const CLOCK_TOLERANCE_S = 5;
const MAX_PROOF_CHARACTERS = 4_096;
const ALGORITHMS = ['ES256', 'EdDSA', 'ES384'];

const invalid = (detail: string, cause?: unknown): AppError =>
  new AppError('dpop_invalid', detail, cause === undefined ? {} : { cause });

/** @param once true when it is told a name for the first time within `ttlMs`. All replicas share its memory. */
export function createDpopVerifier(options: {
  once: (name: string, ttlMs: number) => Promise<boolean>;
  clock: Pick<Clock, 'now'>;
}): DpopVerifier {
  const { once, clock } = options;
  return {
    async verify(proof, request) {
      if (proof.length > MAX_PROOF_CHARACTERS) throw invalid('The DPoP proof is too long.');
      let payload: Record<string, unknown>;
      let jwk: JWK;
      try {
        const verified = await jwtVerify(proof, EmbeddedJWK, {
          typ: 'dpop+jwt',
          algorithms: ALGORITHMS,
          currentDate: new Date(clock.now()),
          maxTokenAge: MAX_AGE_S,
          clockTolerance: CLOCK_TOLERANCE_S,
          requiredClaims: ['jti', 'htm', 'htu', 'iat'],
        });
        payload = verified.payload;
        jwk = verified.protectedHeader.jwk as JWK;
      } catch (error) {
        if (error instanceof errors.JWTExpired)
          throw invalid('The DPoP proof is too old; make one per request.', error);
        throw invalid('The DPoP proof is not a JWT signed by the key in its header.', error);
      }
      if ('d' in jwk) throw invalid('The DPoP proof carries a private key.');
      if (payload.htm !== request.method)
        throw invalid(`The DPoP proof is for another method than ${request.method}.`);
      if (typeof payload.htu !== 'string' || !sameTarget(payload.htu, request.url))
        throw invalid('The DPoP proof is for another URL than the one that was called.');
      if (request.accessToken !== undefined) {
        const hash = createHash('sha256').update(request.accessToken).digest('base64url');
        if (payload.ath !== hash) throw invalid('The DPoP proof is not for this token (ath).');
      }
      const { jti } = payload;
      if (typeof jti !== 'string' || jti.length < 8 || jti.length > 200)
        throw invalid('The DPoP proof needs a jti of 8 to 200 characters.');
      const thumbprint = await calculateJwkThumbprint(jwk, 'sha256');
      const name = createHash('sha256').update(`${thumbprint}\n${jti}`).digest('base64url');
      let first: boolean;
      try {
        first = await once(`dpop:${name}`, (MAX_AGE_S + 2 * CLOCK_TOLERANCE_S) * 1_000);
      } catch (error) {
        throw new AppError(
          'dependency_unavailable',
          'Proofs of possession cannot be checked at the moment.',
          {
            retryAfterSeconds: 2,
            cause: error,
          },
        );
      }
      if (!first)
        throw new AppError('dpop_replayed', 'This DPoP proof was used before; make a new one per request.');
      return { thumbprint };
    },
  };
}

/** RFC 9449 section 4.3: without query and fragment. Behind a proxy only the path is known for sure; scheme and host
 * are compared when the proof names the host that was called. */
function sameTarget(claimed: string, called: string): boolean {
  if (!URL.canParse(claimed) || !URL.canParse(called)) return false;
  const [a, b] = [new URL(claimed), new URL(called)];
  return a.host === b.host && a.pathname.replace(/\/$/, '') === b.pathname.replace(/\/$/, '');
}
