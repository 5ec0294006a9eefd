import type { IncomingMessage } from 'node:http';
import { toAppError } from '../../../../lib/errors.ts';
import type { Clock } from '../../../../lib/time.ts';
import type { RpcFailure } from '../../rpc/outcome.ts';
import type { Principal } from '../principal.ts';
import type { DpopVerifier } from './dpop.ts';
import type { SpendingAccounts } from './spending-account.ts';
import { type TokenReason, tokenFailure } from './token-errors.ts';
import type { CallTokens, VerifiedCallToken } from './token-jwt.ts';

/** Who a JSON-RPC request with a call token is made for. A token that is no good gives a principal that may call nothing. */
export interface TokenPrincipals {
  /** True for what looks like one of our call tokens; everything else is somebody else's credential. */
  owns(token: string): boolean;
  /** The principal of a token that was verified already. */
  of(token: VerifiedCallToken): Principal;
  identify(
    token: string,
    request: Pick<IncomingMessage, 'headers' | 'method' | 'url'>,
  ): Principal | Promise<Principal>;
}

/** Principals are shared by all calls of a token; so many are remembered. */
const MAX_PRINCIPALS = 10_000;

export function createTokenPrincipals(deps: {
  tokens: CallTokens;
  accounts: SpendingAccounts;
  dpop: DpopVerifier;
  clock: Pick<Clock, 'now'>;
  /** True when a token of this epoch was revoked, as far as this process knows. */
  revoked: (allotmentId: string, epoch: number) => boolean;
}): TokenPrincipals {
  const { tokens, accounts, dpop, clock, revoked } = deps;
  const principals = new Map<VerifiedCallToken, Principal>();

  function principalOf(token: VerifiedCallToken): Principal {
    const known = principals.get(token);
    if (known !== undefined) return known;
    const { access, chains, methods } = token.parsedScope;
    const principal: Principal = {
      kind: 'call-token',
      id: `token:${token.allotmentId}`,
      scope: {
        access,
        ...(chains.length === 0 ? {} : { chains: new Set(chains) }),
        ...(methods.length === 0 ? {} : { methods }),
      },
      priorities: ['standard', 'interactive', 'background'],
      weight: 1,
      limit: undefined,
      account: accounts.open(token),
      check() {
        if (revoked(token.allotmentId, token.epoch))
          return tokenFailure('token_revoked', 'the call token was revoked');
        return token.expiresAt > clock.now()
          ? undefined
          : tokenFailure('token_expired', 'the call token has expired; refresh it');
      },
    };
    if (principals.size >= MAX_PRINCIPALS) {
      const [oldest] = principals.keys();
      if (oldest !== undefined) principals.delete(oldest);
    }
    principals.set(token, principal);
    return principal;
  }

  async function slowly(
    text: string,
    request: Pick<IncomingMessage, 'headers' | 'method' | 'url'>,
  ): Promise<Principal> {
    const token = await tokens.verify(text);
    if (token === 'expired') return refused('token_expired', 'the call token has expired; refresh it');
    if (token === 'audience')
      return refused('token_wrong_audience', 'the call token is for another audience');
    if (token === 'invalid') return refused('token_invalid', 'the call token is not valid');
    if (token.jkt === null) return principalOf(token);
    const proof = request.headers.dpop;
    if (typeof proof !== 'string')
      return refused('dpop_required', 'this call token is bound to a key: send a DPoP header (RFC 9449)');
    try {
      const { thumbprint } = await dpop.verify(proof, {
        // A WebSocket is opened by a GET.
        method: request.method ?? 'POST',
        url: `http://${request.headers.host ?? 'localhost'}${request.url ?? '/'}`,
        accessToken: text,
      });
      if (thumbprint !== token.jkt)
        return refused(
          'dpop_invalid',
          'the proof of possession is by another key than the token is bound to',
        );
      return principalOf(token);
    } catch (error) {
      const problem = toAppError(error);
      const reason: TokenReason =
        problem.code === 'dpop_replayed'
          ? 'dpop_replayed'
          : problem.code === 'dependency_unavailable'
            ? 'accounting_unavailable'
            : 'dpop_invalid';
      return refused(reason, problem.message);
    }
  }

  return {
    of: principalOf,
    owns: (token) => /^[A-Za-z0-9_-]+\./.test(token) && isAccessToken(token),
    identify(text, request) {
      const known = tokens.recall(text);
      return known !== undefined && known.jkt === null ? principalOf(known) : slowly(text, request);
    },
  };
}

/** The header tells the kind of a JWT; our service tokens have another one. */
function isAccessToken(token: string): boolean {
  const header = token.slice(0, token.indexOf('.'));
  // Base64url of `"at+jwt"` begins at one of three offsets; parsing is cheap enough and always right.
  try {
    return JSON.parse(Buffer.from(header, 'base64url').toString()).typ === 'at+jwt';
  } catch {
    // No JWT at all.
    return false;
  }
}

/** Answers every call with the same error, in the shape that JSON-RPC clients understand, also inside a batch. */
function refused(reason: TokenReason, message: string): Principal {
  const failure: RpcFailure = tokenFailure(reason, message);
  return {
    kind: 'call-token',
    id: 'token:refused',
    scope: { access: 'read' },
    priorities: ['standard'],
    weight: 1,
    limit: undefined,
    account: { hold: async () => failure },
    check: () => failure,
  };
}
