import { readFile } from 'node:fs/promises';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose';
import { z } from 'zod';
import type { Logger } from './log.ts';
import type { Sealer } from './sealing.ts';
import type { Clock } from './time.ts';

/** One key pair and when it is used. Published from the moment it exists until `retiredAt`. */
export interface SigningKey {
  readonly kid: string;
  readonly privateJwk: JWK;
  readonly publicJwk: JWK;
  /** Milliseconds since the epoch. */
  readonly signsFrom: number;
  readonly retiredAt: number;
}

/** The current keys: one signs, all verify. */
export interface SigningKeys {
  current(): SigningKey;
  find(kid: string): SigningKey | undefined;
  publicJwks(): readonly JWK[];
  /** Reads the keys again, making the next one when its time has come. Keeps the known keys when that fails. */
  refresh(): Promise<void>;
}

/** A key is published this long before it signs: longer than any verifier caches the key set. */
export const PUBLISH_AHEAD_MS = 60 * 60_000;
/** A key stays published this long after it stopped signing: longer than any token it signed lives. */
export const KEEP_AFTER_MS = 60 * 60_000;

/** The key that signs at `now`: the youngest whose time has come. */
export function signingKeyAt(keys: readonly SigningKey[], now: number): SigningKey | undefined {
  return keys
    .filter((key) => key.signsFrom <= now && key.retiredAt > now)
    .sort((a, b) => b.signsFrom - a.signsFrom || (a.kid < b.kid ? -1 : 1))[0];
}

/** True when the successor must be made now so that it is published long enough before it signs. */
export function needsSuccessor(keys: readonly SigningKey[], now: number, rotationMs: number): boolean {
  const newest = Math.max(...keys.map((key) => key.signsFrom), Number.NEGATIVE_INFINITY);
  return newest + rotationMs - PUBLISH_AHEAD_MS <= now;
}

const publicPart = (jwk: JWK): JWK => {
  const { d: _private, ...rest } = jwk;
  return { ...rest, use: 'sig', alg: 'ES256' };
};

/** Makes a P-256 key pair named by its RFC 7638 thumbprint. */
export async function generateSigningKey(signsFrom: number, retiredAt: number): Promise<SigningKey> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = await exportJWK(privateKey);
  const kid = await calculateJwkThumbprint(jwk);
  const privateJwk = { ...jwk, kid, alg: 'ES256' };
  return { kid, privateJwk, publicJwk: publicPart(privateJwk), signsFrom, retiredAt };
}

/** Where key pairs are kept. */
export interface KeyStore {
  /** Calls `make` under a lock that all replicas share when `lacks` says so, and returns every published key. */
  loadOrCreate(
    now: number,
    lacks: (keys: readonly SigningKey[]) => boolean,
    make: (keys: readonly SigningKey[]) => Promise<SigningKey>,
  ): Promise<readonly SigningKey[]>;
}

const keyFileSchema = z.object({
  keys: z
    .array(
      z.looseObject({
        kty: z.literal('EC'),
        crv: z.literal('P-256'),
        kid: z.string().min(1),
        d: z.string().min(1),
        x: z.string().min(1),
        y: z.string().min(1),
        signs_from: z.iso.datetime({ offset: true }).optional(),
      }),
    )
    .min(1),
});

/** Keys from a mounted file (`{"keys": [private JWK, …]}`): whoever writes the file rotates by adding one with `signs_from`. */
export function fileKeyStore(file: string): KeyStore {
  return {
    async loadOrCreate() {
      const { keys } = keyFileSchema.parse(JSON.parse(await readFile(file, 'utf8')));
      return keys.map(({ signs_from, ...jwk }) => ({
        kid: jwk.kid,
        privateJwk: { ...jwk, alg: 'ES256' },
        publicJwk: publicPart(jwk),
        signsFrom: signs_from === undefined ? 0 : Date.parse(signs_from),
        retiredAt: Number.POSITIVE_INFINITY,
      }));
    },
  };
}

/**
 * @param rotationMs how long one key signs.
 * @throws when no key can be had at the start; later failures keep the known keys and are logged.
 */
export async function createSigningKeys(options: {
  store: KeyStore;
  rotationMs: number;
  clock: Clock;
  log: Logger;
}): Promise<SigningKeys> {
  const { store, rotationMs, clock, log } = options;
  let keys: readonly SigningKey[] = [];

  const load = async (): Promise<void> => {
    const now = clock.now();
    keys = await store.loadOrCreate(
      now,
      (known) => signingKeyAt(known, now) === undefined || needsSuccessor(known, now, rotationMs),
      async (known) => {
        const none = signingKeyAt(known, now) === undefined;
        const signsFrom = none ? now : now + PUBLISH_AHEAD_MS;
        const made = await generateSigningKey(signsFrom, signsFrom + rotationMs + KEEP_AFTER_MS);
        log.info({ kid: made.kid, signsFrom: new Date(signsFrom).toISOString() }, 'signing key made');
        return made;
      },
    );
  };
  await load();
  return {
    current() {
      const key = signingKeyAt(keys, clock.now());
      if (!key) throw new Error('no key signs tokens at this time; check the key file');
      return key;
    },
    find: (kid) => keys.find((key) => key.kid === kid && key.retiredAt > clock.now()),
    publicJwks: () => keys.filter((key) => key.retiredAt > clock.now()).map((key) => key.publicJwk),
    async refresh() {
      try {
        await load();
      } catch (error) {
        log.warn({ err: error }, 'signing keys could not be read again; the known ones stay in use');
      }
    },
  };
}

/** What a sealed key is bound to. */
export const SIGNING_KEY_PURPOSE = 'signing-key';

/** Rows of `signing_keys` as keys. */
export const openSigningKey = (
  row: { kid: string; sealed_private_key: string; signs_from: Date; retired_at: Date },
  sealer: Sealer,
): SigningKey => {
  const privateJwk = JSON.parse(sealer.open(SIGNING_KEY_PURPOSE, row.sealed_private_key)) as JWK;
  return {
    kid: row.kid,
    privateJwk,
    publicJwk: publicPart(privateJwk),
    signsFrom: row.signs_from.getTime(),
    retiredAt: row.retired_at.getTime(),
  };
};
