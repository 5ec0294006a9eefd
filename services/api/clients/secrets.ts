import { createHash, timingSafeEqual } from 'node:crypto';
import type { Random } from '../../../lib/random.ts';
import type { CredentialKind } from './tables.ts';

/**
 * How credentials look: `<prefix>_<id>_<secret>`. The prefix lets secret scanners find a leaked one and lets us tell
 * kinds apart without a look-up; the id finds the row; the secret (256 random bits) is kept as a SHA-256 hash only.
 * A slow password hash would add nothing: there is no dictionary of 256-bit numbers.
 */
const PREFIX: Record<CredentialKind, string> = {
  'api-key': 'rjv',
  'oauth-secret': 'rjvs',
  'access-token': 'rjvt',
};

const FORMAT = /^(rjv|rjvs|rjvt)_([a-z0-9]{4,32})_([A-Za-z0-9]{16,128})$/;

export interface ParsedCredential {
  readonly kind: CredentialKind;
  readonly id: string;
  readonly secret: string;
}

/** Undefined when it is not one of ours (then it may be a JWT). */
export function parseCredential(text: string): ParsedCredential | undefined {
  const match = FORMAT.exec(text);
  if (!match) return undefined;
  const kind = (Object.keys(PREFIX) as CredentialKind[]).find((name) => PREFIX[name] === match[1]);
  return kind ? { kind, id: match[2] as string, secret: match[3] as string } : undefined;
}

export const looksLikeCredential = (text: string): boolean => /^rjv[st]?_/.test(text);

export const hashSecret = (secret: string): Buffer => createHash('sha256').update(secret).digest();

export const secretMatches = (secret: string, hash: Buffer): boolean =>
  hash.length === 32 && timingSafeEqual(hashSecret(secret), hash);

/** A new credential: the text is shown once, the hash is kept. */
export function newCredential(
  kind: CredentialKind,
  random: Random,
): { id: string; text: string; hash: Buffer } {
  const id = Buffer.from(random.bytes(8)).toString('hex');
  const secret = Buffer.from(random.bytes(32)).toString('hex');
  return { id, text: `${PREFIX[kind]}_${id}_${secret}`, hash: hashSecret(secret) };
}
