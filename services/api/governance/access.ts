import type { AuthKind } from '../../../lib/http/route.ts';
import type { Scope } from './scopes.ts';

/**
 * Whose resource a route touches, as published in the OpenAPI document (`x-resource-owner`) and as the
 * authorisation matrix test reads it:
 * `none` public facts of the chain or the catalogue · `person` the caller's own things · `wallet` the person whose
 * wallet is named · `requester` the owner or the requester of a permission · `principal` whoever asked for the
 * record · `client` the client itself · `operator` the operators of the platform.
 */
export type ResourceOwner = 'none' | 'person' | 'wallet' | 'requester' | 'principal' | 'client' | 'operator';

interface Access {
  readonly auth: readonly AuthKind[];
  readonly scopes: readonly Scope[];
  readonly extensions: { readonly 'x-resource-owner': ResourceOwner; readonly 'x-event-data'?: string };
}

/** For people and clients. */
export const secured = (scope: Scope, owner: ResourceOwner): Access => ({
  auth: ['user', 'api-key'],
  scopes: [scope],
  extensions: { 'x-resource-owner': owner },
});

/** For clients only (partners, operators, our own services). */
export const clientsOnly = (scope: Scope, owner: ResourceOwner): Access => ({
  auth: ['api-key'],
  scopes: [scope],
  extensions: { 'x-resource-owner': owner },
});

/**
 * A route that answers server-sent events whose `data` is the named schema; the document says so in `x-event-data`, and
 * the SDKs make an iterator of it.
 */
export const streamOf = (schema: string, access: Access): Access => ({
  ...access,
  extensions: { ...access.extensions, 'x-event-data': schema },
});
