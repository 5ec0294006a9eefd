import type { Request } from 'express';
import type { Authenticator } from '../../../lib/http/app.ts';
import type { AuthKind, Principal } from '../../../lib/http/route.ts';
import { bearerToken } from '../../../lib/service-auth.ts';
import { looksLikeCredential } from '../clients/secrets.ts';

/**
 * One Authorization header, two kinds of credential: our own `rjv…` secrets and the user service's JWTs. Each
 * authenticator leaves what is not its kind to the other, so that the error names the credential that was sent.
 */
export function createAuthenticators(deps: {
  verifyUserToken: (token: string) => Promise<Principal>;
  verifyCredential: (text: string) => Promise<Principal>;
}): Partial<Record<AuthKind, Authenticator>> {
  const token = (req: Request): string | undefined => bearerToken(req.get('authorization'));
  return {
    user: async (req) => {
      const text = token(req);
      return text === undefined || looksLikeCredential(text) ? undefined : deps.verifyUserToken(text);
    },
    'api-key': async (req) => {
      const text = token(req);
      return text !== undefined && looksLikeCredential(text) ? deps.verifyCredential(text) : undefined;
    },
  };
}
