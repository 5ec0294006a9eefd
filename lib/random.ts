import { randomBytes } from 'node:crypto';
import type { Clock } from './time.ts';

/** Chance as a parameter, so that a failure found by a seed can be replayed from it. */
export interface Random {
  /** A number in [0, 1). */
  float(): number;
  /** `n` random bytes. */
  bytes(n: number): Uint8Array;
  /** A UUID version 7 (RFC 9562 section 5.7): sorts by creation time. */
  uuid(): string;
  /** An unguessable base64url string made of `bytes` random bytes (default 32). */
  token(bytes?: number): string;
}

function uuidV7(now: number, random: Uint8Array): string {
  const out = Buffer.alloc(16);
  out.writeUIntBE(Math.floor(now), 0, 6);
  Buffer.from(random).copy(out, 6, 0, 10);
  out[6] = 0x70 | ((out[6] ?? 0) & 0x0f);
  out[8] = 0x80 | ((out[8] ?? 0) & 0x3f);
  const hex = out.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function from(clock: Pick<Clock, 'now'>, bytes: (n: number) => Uint8Array, float: () => number): Random {
  return {
    float,
    bytes,
    uuid: () => uuidV7(clock.now(), bytes(10)),
    token: (n = 32) => Buffer.from(bytes(n)).toString('base64url'),
  };
}

/** Cryptographically strong randomness. */
export function systemRandom(clock: Pick<Clock, 'now'>): Random {
  return from(
    clock,
    (n) => randomBytes(n),
    () => randomBytes(4).readUInt32BE() / 2 ** 32,
  );
}

/**
 * Reproducible pseudo-randomness for simulations (the SplitMix32 generator): the same seed gives the same run.
 * Never for secrets.
 */
export function createSeededRandom(seed: number, clock: Pick<Clock, 'now'> = { now: () => 0 }): Random {
  let state = seed | 0;
  const next = (): number => {
    state = (state + 0x9e3779b9) | 0;
    let z = state ^ (state >>> 16);
    z = Math.imul(z, 0x21f0aaad);
    z ^= z >>> 15;
    z = Math.imul(z, 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
  const bytes = (n: number) => Uint8Array.from({ length: n }, () => next() & 0xff);
  return from(clock, bytes, () => next() / 2 ** 32);
}
