import { errors as joseErrors, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import { AppError } from './errors.ts';
import type { Clock } from './time.ts';

/** The services that may call each other; the `iss` and `aud` of service tokens. */
export type ServiceName = 'gateway' | 'api' | 'user' | 'controller' | 'console' | 'tools';

/** Seconds that a service token lives: long enough for one call and a small clock difference, useless when stolen. */
const LIFETIME_S = 60;
/** A token is signed anew when it has less than this left. */
const RENEW_BELOW_S = 20;
const CLOCK_TOLERANCE_S = 15;
/** HS256 needs a key as long as its hash (RFC 7518 section 3.2). */
const MIN_SECRET_CHARACTERS = 32;

/** `kid:secret[,kid2:secret2]`: the first signs, all verify; rotate by putting the new one second, then first. */
export const serviceAuthKeys = z
  .string()
  .transform((text, ctx) => {
    const keys = text.split(',').map((part) => {
      const at = part.indexOf(':');
      return { kid: part.slice(0, at).trim(), secret: part.slice(at + 1).trim(), at };
    });
    if (keys.some((k) => k.at < 1 || k.secret.length < MIN_SECRET_CHARACTERS)) {
      ctx.addIssue({
        code: 'custom',
        message: `expected kid:secret pairs, each secret at least ${MIN_SECRET_CHARACTERS} characters long`,
      });
      return z.NEVER;
    }
    return keys.map(({ kid, secret }) => ({ kid, secret }));
  })
  .describe('Keys of service-to-service tokens as kid:secret[,kid:secret]; the first one signs');

export type ServiceAuthKeys = z.output<typeof serviceAuthKeys>;

export interface ServiceAuth {
  /** A token that only `audience` accepts. */
  sign(audience: ServiceName): Promise<string>;
  /** @throws AppError `invalid_token`, `expired_token` */
  verify(token: string): Promise<{ service: ServiceName }>;
}

/** Short-lived signed tokens between our services: no internal route is open, and no network position is trusted. */
export function createServiceAuth(options: {
  self: ServiceName;
  keys: ServiceAuthKeys;
  clock: Pick<Clock, 'now'>;
}): ServiceAuth {
  const { self, clock } = options;
  const keys = new Map(options.keys.map(({ kid, secret }) => [kid, new TextEncoder().encode(secret)]));
  const [signing] = options.keys;
  if (!signing) throw new Error('service authentication needs at least one key');
  const cached = new Map<ServiceName, { token: string; expiresAt: number }>();

  return {
    async sign(audience) {
      const now = Math.floor(clock.now() / 1000);
      const known = cached.get(audience);
      if (known && known.expiresAt - now > RENEW_BELOW_S && known.expiresAt - now <= LIFETIME_S)
        return known.token;
      const expiresAt = now + LIFETIME_S;
      const token = await new SignJWT({})
        .setProtectedHeader({ alg: 'HS256', kid: signing.kid, typ: 'JWT' })
        .setIssuer(self)
        .setAudience(audience)
        .setIssuedAt(now)
        .setExpirationTime(expiresAt)
        .sign(keys.get(signing.kid) as Uint8Array);
      cached.set(audience, { token, expiresAt });
      return token;
    },
    async verify(token) {
      try {
        const { payload } = await jwtVerify(
          token,
          (header) => {
            const key = keys.get(header.kid ?? '');
            if (!key)
              throw new AppError(
                'invalid_token',
                'The service token was signed with a key that is not known here.',
              );
            return key;
          },
          {
            algorithms: ['HS256'],
            audience: self,
            clockTolerance: CLOCK_TOLERANCE_S,
            currentDate: new Date(clock.now()),
            requiredClaims: ['iss', 'exp'],
            maxTokenAge: LIFETIME_S + CLOCK_TOLERANCE_S,
          },
        );
        return { service: payload.iss as ServiceName };
      } catch (error) {
        if (error instanceof AppError) throw error;
        if (error instanceof joseErrors.JWTExpired)
          throw new AppError('expired_token', 'The service token has expired.', { cause: error });
        throw new AppError('invalid_token', 'The service token is not valid for this service.', {
          cause: error,
        });
      }
    },
  };
}

/** The bearer token of an Authorization header, or undefined. */
export function bearerToken(header: string | undefined): string | undefined {
  return header ? /^Bearer +(\S+)$/i.exec(header)?.[1] : undefined;
}
