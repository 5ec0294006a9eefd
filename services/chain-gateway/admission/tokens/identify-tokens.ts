import type { IncomingMessage } from 'node:http';
import type { Identified } from '../../rpc/http-handler.ts';
import type { TokenPrincipals } from './token-principal.ts';

type Identify = (request: IncomingMessage) => Identified | Promise<Identified>;

const CREDENTIAL = /^(?:Bearer|DPoP) +(\S+)$/i;

/** Recognises call tokens, and leaves every other credential to `others`. */
export function identifyCallTokens(principals: TokenPrincipals, others: Identify): Identify {
  return (request) => {
    const { authorization } = request.headers;
    const token = authorization === undefined ? undefined : CREDENTIAL.exec(authorization)?.[1];
    if (token === undefined || !principals.owns(token)) return others(request);
    const principal = principals.identify(token, request);
    return principal instanceof Promise ? principal.then((found) => ({ principal: found })) : { principal };
  };
}
