import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import { z } from 'zod';
import type { Random } from '../../../../lib/random.ts';

/** Daemon tokens are money for whoever has them: a copy of the database does not tell them. */
export interface TokenSealer {
  seal(plain: string): string;
  /** @throws Error when it was sealed with a key that is not configured, or was changed */
  open(sealed: string): string;
}

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * AES-256-GCM under a key derived from the service keys, which all replicas have.
 * @param keys the first seals, all open
 */
export function createTokenSealer(
  keys: readonly { kid: string; secret: string }[],
  random: Random,
): TokenSealer {
  const [current] = keys;
  if (!current) throw new Error('sealing needs at least one key');
  const derived = new Map(
    keys.map(({ kid, secret }) => [
      kid,
      Buffer.from(hkdfSync('sha256', secret, 'rejuve-gateway', 'snet-token', 32)),
    ]),
  );
  const keyOf = (kid: string): Buffer => {
    const key = derived.get(kid);
    if (!key) throw new Error(`sealed with key "${kid}", which is not configured (SERVICE_AUTH_KEYS)`);
    return key;
  };
  return {
    seal(plain) {
      const nonce = random.bytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', keyOf(current.kid), nonce);
      const body = Buffer.concat([nonce, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]);
      return `${current.kid}.${body.toString('base64url')}`;
    },
    open(sealed) {
      const dot = sealed.lastIndexOf('.');
      const body = Buffer.from(sealed.slice(dot + 1), 'base64url');
      const decipher = createDecipheriv(
        'aes-256-gcm',
        keyOf(sealed.slice(0, dot)),
        body.subarray(0, NONCE_BYTES),
      );
      decipher.setAuthTag(body.subarray(body.length - TAG_BYTES));
      return Buffer.concat([
        decipher.update(body.subarray(NONCE_BYTES, body.length - TAG_BYTES)),
        decipher.final(),
      ]).toString('utf8');
    },
  };
}

const claims = z.object({ exp: z.number() });

/** When a daemon's token ends, epoch milliseconds; undefined when it does not say so in the usual way. */
export function expiryOf(token: string): number | undefined {
  const body = token.split('.')[1];
  if (body === undefined) return undefined;
  try {
    return claims.parse(JSON.parse(Buffer.from(body, 'base64url').toString('utf8'))).exp * 1000;
  } catch {
    // Its inside is the daemon's own business; a token that we cannot read is used for a minute at a time.
    return undefined;
  }
}
