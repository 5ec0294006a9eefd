import type { IncomingMessage } from 'node:http';
import { AppError, toAppError } from '../../../lib/errors.ts';
import type { Authenticator } from '../../../lib/http/app.ts';
import type { ServiceAuth } from '../../../lib/service-auth.ts';
import type { Identified } from '../rpc/http-handler.ts';
import { type UnitLimit, unlimitedPrincipal } from './principal.ts';

const BEARER = /^Bearer (.+)$/i;

/** Verified tokens are remembered this long, so that a busy service does not pay for a signature check per call. */
const REMEMBER_MS = 10_000;
const MAX_REMEMBERED = 1_000;

/** A kind of bearer credential. */
export interface CredentialReader {
  /** undefined: not of this kind, somebody else's to judge. */
  read(
    token: string,
    request: Pick<IncomingMessage, 'headers'>,
  ): Identified | Promise<Identified> | undefined;
}

export function bearerOf(header: string | undefined): string | undefined {
  return header === undefined ? undefined : BEARER.exec(header)?.[1]?.trim();
}

/**
 * Who sends a JSON-RPC request: a service with its token, or, where the operator allows it, anybody. A token that is
 * wrong is refused even then: it is a mistake that somebody wants to know about.
 */
export function createIdentify(deps: {
  auth: ServiceAuth | undefined;
  /** Asked in order before a token is taken for a service's. */
  credentials?: readonly CredentialReader[];
  anonymous: boolean;
  /** For everybody without a credential together. */
  anonymousLimit?: UnitLimit | undefined;
  now: () => number;
}): (request: Pick<IncomingMessage, 'headers'>) => Identified | Promise<Identified> {
  const nobody: Identified = {
    principal: { ...unlimitedPrincipal('anonymous', 'anonymous'), limit: deps.anonymousLimit },
  };
  const verified = new Map<string, { identified: Identified; until: number }>();
  const verify = async (auth: ServiceAuth, token: string): Promise<Identified> => {
    try {
      const { service } = await auth.verify(token);
      const identified: Identified = { principal: unlimitedPrincipal('service', `service:${service}`) };
      if (verified.size >= MAX_REMEMBERED) verified.clear();
      verified.set(token, { identified, until: deps.now() + REMEMBER_MS });
      return identified;
    } catch (error) {
      const problem = toAppError(error);
      return { status: 401, message: problem.message };
    }
  };
  const { credentials = [] } = deps;
  return (request) => {
    const token = bearerOf(request.headers.authorization);
    if (token === undefined) {
      return deps.anonymous
        ? nobody
        : {
            status: 401,
            message:
              'this gateway needs a credential: Authorization: Bearer <API key, call token or service token>',
          };
    }
    for (const reader of credentials) {
      const identified = reader.read(token, request);
      if (identified !== undefined) return identified;
    }
    if (deps.auth === undefined)
      return deps.anonymous ? nobody : { status: 401, message: 'service tokens are not configured here' };
    const known = verified.get(token);
    if (known !== undefined && known.until > deps.now()) return known.identified;
    return verify(deps.auth, token);
  };
}

/** The same for REST routes. */
export function serviceAuthenticator(auth: ServiceAuth | undefined): Authenticator {
  return async (req) => {
    const token = bearerOf(req.headers.authorization);
    if (token === undefined) return undefined;
    if (auth === undefined) throw new AppError('invalid_token', 'Service tokens are not configured here.');
    const { service } = await auth.verify(token);
    return { kind: 'service', id: service, scopes: new Set<string>() };
  };
}
