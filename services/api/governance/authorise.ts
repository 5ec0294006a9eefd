import { AppError } from '../../../lib/errors.ts';
import type { Principal } from '../../../lib/http/route.ts';
import type { Scope } from './scopes.ts';

/**
 * The one place that decides who may do what. A route names the scope it needs and, through `x-resource-owner`,
 * whose resource it touches; handlers ask the questions below and never look at scopes themselves.
 */

/** The person behind a principal, or undefined for a client. */
export const personOf = (principal: Principal): string | undefined =>
  principal.kind === 'user' ? principal.id : undefined;

/** A stable name for the principal that no other principal can have; for keys, quotas, audit. */
export const principalKey = (principal: Principal): string =>
  principal.kind === 'user' ? `user:${principal.id}` : `client:${principal.id}`;

const mayActForAnyone = (principal: Principal): boolean =>
  principal.kind !== 'user' && principal.scopes.has('people:any' satisfies Scope);

/** @throws AppError unauthenticated, insufficient_scope */
export function requireScopes(principal: Principal, scopes: readonly string[]): void {
  if (principal.kind === 'public')
    throw new AppError('unauthenticated', 'Send an access token or an API key.');
  const missing = scopes.filter((scope) => !principal.scopes.has(scope));
  if (missing.length > 0) {
    throw new AppError('insufficient_scope', `This credential lacks the scope ${missing.join(' and ')}.`, {
      extra: { requiredScopes: missing },
    });
  }
}

/**
 * A thing of a person: she herself may, or a client that acts for anyone.
 * @param owner the opaque person id, or undefined when no person owns it.
 * @throws AppError forbidden
 */
export function requirePerson(principal: Principal, owner: string | undefined, what: string): void {
  if (owner !== undefined && personOf(principal) === owner) return;
  if (mayActForAnyone(principal)) return;
  throw new AppError('forbidden', `Only the owner of ${what} may do this.`);
}

/** The person for whom a request acts: the caller, or whom a client that acts for anyone names. */
export function actingFor(principal: Principal, named: string | undefined): string {
  const self = personOf(principal);
  if (self !== undefined) {
    if (named !== undefined && named !== self)
      throw new AppError('forbidden', 'You can act for yourself only.');
    return self;
  }
  if (!mayActForAnyone(principal)) {
    throw new AppError('forbidden', 'This needs a signed-in person, or a client with the scope people:any.');
  }
  if (named === undefined) {
    throw new AppError('invalid_request', 'Name the person this is done for.', {
      errors: [
        { pointer: '?personId', rule: 'required', detail: 'a client that acts for people names the person' },
      ],
    });
  }
  return named;
}

/** Something recorded under a principal's key (a transaction): that principal, or a client that acts for anyone. */
export const mayReadRecordOf = (principal: Principal, requestedBy: string): boolean =>
  requestedBy === principalKey(principal) || mayActForAnyone(principal);

/** Pools of platform keys that a client was allowed to sign with. `*` means every pool. */
export function allowedSigners(principal: Principal): readonly string[] {
  const list = principal.claims?.allowedSigners;
  return Array.isArray(list) ? list.filter((item): item is string => typeof item === 'string') : [];
}

export const maySignWith = (principal: Principal, alias: string): boolean => {
  const allowed = allowedSigners(principal);
  return allowed.includes(alias) || allowed.includes('*');
};

/** @throws AppError forbidden */
export function requireSigner(principal: Principal, alias: string): void {
  if (maySignWith(principal, alias)) return;
  throw new AppError(
    'forbidden',
    principal.kind === 'user'
      ? 'People sign with their own wallet; platform signers are for clients that were allowed to use them.'
      : `This credential may not use the signer ${alias}.`,
    { extra: { allowedSigners: allowedSigners(principal) } },
  );
}
