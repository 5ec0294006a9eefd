import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import type { Random } from './random.ts';

/** Seals small secrets (keys, addresses of channels) so that a copy of the database does not tell them. */
export interface Sealer {
  /** @param purpose binds the sealed text to its use: it cannot be moved to another column or row kind. */
  seal(purpose: string, plain: string): string;
  /** @throws Error when the key is not known or the text was changed. */
  open(purpose: string, sealed: string): string;
}

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * AES-256-GCM with a key per purpose derived by HKDF.
 * @param context names the owner, so that the same secret in two services gives different keys.
 * @param keys the first one seals, all open: rotate by putting a new one in front.
 */
export function createSealer(
  keys: readonly { kid: string; secret: string }[],
  random: Random,
  context: string,
): Sealer {
  const [current] = keys;
  if (!current) throw new Error('sealing needs at least one key');
  const keyOf = (secret: string, purpose: string): Buffer =>
    Buffer.from(hkdfSync('sha256', secret, context, purpose, 32));
  return {
    seal(purpose, plain) {
      const nonce = random.bytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', keyOf(current.secret, purpose), nonce);
      const body = Buffer.concat([nonce, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]);
      return `${current.kid}.${body.toString('base64url')}`;
    },
    open(purpose, sealed) {
      const dot = sealed.lastIndexOf('.');
      const kid = sealed.slice(0, dot);
      const key = keys.find((k) => k.kid === kid);
      if (!key) throw new Error(`sealed with key "${kid}", which is not configured (DATA_KEYS)`);
      const body = Buffer.from(sealed.slice(dot + 1), 'base64url');
      const decipher = createDecipheriv(
        'aes-256-gcm',
        keyOf(key.secret, purpose),
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
