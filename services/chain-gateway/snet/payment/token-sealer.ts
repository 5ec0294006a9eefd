import { z } from 'zod';
import type { Random } from '../../../../lib/random.ts';
import { createSealer } from '../../../../lib/sealing.ts';

/** Daemon tokens are money for whoever has them: a copy of the database does not tell them. */
export interface TokenSealer {
  seal(plain: string): string;
  /** @throws Error when it was sealed with a key that is not configured, or was changed */
  open(sealed: string): string;
}

/** @param keys of all replicas; the first seals, all open */
export function createTokenSealer(
  keys: readonly { kid: string; secret: string }[],
  random: Random,
): TokenSealer {
  const sealer = createSealer(keys, random, 'rejuve-gateway');
  return {
    seal: (plain) => sealer.seal('snet-token', plain),
    open: (sealed) => sealer.open('snet-token', sealed),
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
