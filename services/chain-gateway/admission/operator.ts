import { createHash, timingSafeEqual } from 'node:crypto';
import { AppError } from '../../../lib/errors.ts';
import type { Authenticator } from '../../../lib/http/app.ts';
import { bearerOf } from './identify.ts';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/**
 * The operator's credential for administration. Apart from service tokens, so that a service that only reads the chain
 * cannot make keys; compared by hash, so that the time of the comparison tells nothing.
 */
export function operatorAuthenticator(token: string): Authenticator {
  const expected = digest(token);
  return async (req) => {
    const given = bearerOf(req.headers.authorization);
    if (given === undefined) return undefined;
    if (!timingSafeEqual(digest(given), expected))
      throw new AppError('invalid_token', 'This is not the operator token.');
    return { kind: 'admin', id: 'operator', scopes: new Set<string>() };
  };
}
