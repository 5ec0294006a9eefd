import { createHash, timingSafeEqual } from 'node:crypto';
import type { Random } from '../../../../lib/random.ts';

/** `rjg_<secret id>_<secret>`: the prefix lets secret scanners find one that was published by mistake. */
const FORM = /^rjg_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;
const ID_BYTES = 8;
const SECRET_BYTES = 32;

export const newKeyId = (random: Pick<Random, 'bytes'>): string =>
  Buffer.from(random.bytes(ID_BYTES)).toString('hex');

/** A secret of 256 random bits; only its hash is kept. */
export function mintSecret(random: Pick<Random, 'bytes'>): { id: string; token: string; hash: Buffer } {
  const id = newKeyId(random);
  const secret = Buffer.from(random.bytes(SECRET_BYTES)).toString('base64url');
  return { id, token: `rjg_${id}_${secret}`, hash: hashSecret(secret) };
}

/** True for what looks like one of ours, well formed or not. */
export const isKeyToken = (token: string): boolean => token.startsWith('rjg_');

export function parseKeyToken(token: string): { id: string; secret: string } | undefined {
  const match = FORM.exec(token);
  return match === null ? undefined : { id: match[1] as string, secret: match[2] as string };
}

/**
 * Plain SHA-256: a slow hash protects what people choose and others can guess; 256 random bits cannot be guessed, and
 * every call would pay for the slowness.
 */
export function hashSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

export function sameHash(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
