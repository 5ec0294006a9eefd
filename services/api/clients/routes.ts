import type { Kysely } from 'kysely';
import { z } from 'zod';
import type { CursorCodec } from '../../../lib/cursor.ts';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import { cursorParam, isoTime, limitParam, listOf } from '../chain/schemas.ts';
import type { ApiDatabase } from '../database.ts';
import { clientsOnly } from '../governance/access.ts';
import { idempotencyErrors, idempotencyHeaders, type RunIdempotent } from '../governance/idempotent.ts';
import { SCOPE_NAMES } from '../governance/scopes.ts';
import { type ClientService, DEFAULT_ROTATION_OVERLAP_SECONDS, type IssuedCredential } from './service.ts';
import type { ClientRecord, CredentialRecord } from './store.ts';

const scope = z.enum(SCOPE_NAMES).meta({ id: 'Scope' });
const limit = (what: string) => z.number().int().min(1).max(1_000_000_000).nullable().describe(what);

const limits = {
  requestsPerMinute: limit('Null: the default of the platform').optional(),
  requestsPerDay: limit('Quota per UTC day; null: none').optional(),
  requestsPerMonth: limit('Quota per UTC month; null: none').optional(),
};

const clientSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    scopes: z.array(z.string()),
    allowedSigners: z.array(z.string()),
    requestsPerMinute: z.number().int().nullable(),
    requestsPerDay: z.number().int().nullable(),
    requestsPerMonth: z.number().int().nullable(),
    createdAt: isoTime,
    disabledAt: isoTime.nullable(),
  })
  .meta({ id: 'ApiClient' });

const credentialSchema = z
  .object({
    id: z.string(),
    kind: z.enum(['api-key', 'oauth-secret']),
    label: z.string().nullable(),
    scopes: z.array(z.string()).nullable().describe('Null: all scopes of the client'),
    createdAt: isoTime,
    expiresAt: isoTime.nullable(),
    revokedAt: isoTime.nullable(),
    lastUsedAt: isoTime.nullable(),
  })
  .meta({ id: 'Credential' });

const issuedSchema = z
  .object({
    credential: credentialSchema,
    secret: z.string().nullable().describe('Shown once; null when this answer is a replay'),
  })
  .meta({ id: 'IssuedCredential' });

const iso = (date: Date | null): string | null => date?.toISOString() ?? null;
const toClient = (client: ClientRecord) => ({
  ...client,
  scopes: [...client.scopes],
  allowedSigners: [...client.allowedSigners],
  createdAt: client.createdAt.toISOString(),
  disabledAt: iso(client.disabledAt),
});
const toCredential = (credential: CredentialRecord) => ({
  id: credential.id,
  kind: credential.kind === 'oauth-secret' ? ('oauth-secret' as const) : ('api-key' as const),
  label: credential.label,
  scopes: credential.scopes ? [...credential.scopes] : null,
  createdAt: credential.createdAt.toISOString(),
  expiresAt: iso(credential.expiresAt),
  revokedAt: iso(credential.revokedAt),
  lastUsedAt: iso(credential.lastUsedAt),
});

const clientParams = z.object({ clientId: z.string().min(1).max(64) });
const credentialParams = clientParams.extend({ credentialId: z.string().min(1).max(64) });

/** API clients and their credentials: for the operators of the platform. */
export function clientRoutes(deps: {
  clients: ClientService;
  cursors: CursorCodec;
  idempotent: RunIdempotent;
}): Route[] {
  const { clients, cursors, idempotent } = deps;
  const tags = ['Clients'];
  const access = clientsOnly('clients:manage', 'operator');

  /** The record of the answer keeps no secret: a replay says who was issued, not what. */
  async function issueOnce(
    context: Parameters<RunIdempotent>[0],
    operation: string,
    fingerprint: unknown,
    issue: (trx: Kysely<ApiDatabase>) => Promise<IssuedCredential>,
  ) {
    let secret: string | null = null;
    const answer = await idempotent(
      context,
      operation,
      async (trx) => {
        const issued = await issue(trx);
        secret = issued.secret;
        return { status: 201, body: { credential: toCredential(issued.credential), secret: null } };
      },
      fingerprint,
    );
    return { ...answer, body: { ...(answer.body as object), secret } };
  }

  return [
    defineRoute({
      ...access,
      method: 'post',
      path: '/v1/clients',
      operationId: 'createClient',
      summary: 'Create an API client',
      tags,
      requestHeaders: idempotencyHeaders,
      body: z.strictObject({
        name: z.string().trim().min(1).max(100),
        scopes: z.array(scope).min(1).max(SCOPE_NAMES.length),
        allowedSigners: z
          .array(z.string().regex(/^([a-z][a-z0-9-]{0,31}|\*)$/, 'expected the alias of a signer pool'))
          .max(20)
          .default([]),
        ...limits,
      }),
      responses: { 201: { description: 'Created.', schema: clientSchema } },
      errors: ['dependency_unavailable', ...idempotencyErrors],
      handler: (context) =>
        idempotent(context, 'createClient', async (trx) => ({
          status: 201,
          body: toClient(
            await clients.createClient(trx, {
              ...context.body,
              requestsPerMinute: context.body.requestsPerMinute ?? null,
              requestsPerDay: context.body.requestsPerDay ?? null,
              requestsPerMonth: context.body.requestsPerMonth ?? null,
            }),
          ),
        })),
    }),
    defineRoute({
      ...access,
      method: 'get',
      path: '/v1/clients',
      operationId: 'listClients',
      summary: 'List API clients',
      tags,
      query: z.strictObject({ cursor: cursorParam, limit: limitParam }),
      responses: { 200: { description: 'Clients, oldest first.', schema: listOf(clientSchema) } },
      errors: ['invalid_cursor', 'dependency_unavailable'],
      handler: async ({ query }) => {
        const after =
          query.cursor === undefined ? undefined : String(cursors.decode('clients', query.cursor)[0]);
        const rows = await clients.listClients(after, query.limit + 1);
        const shown = rows.slice(0, query.limit);
        const last = shown.at(-1);
        const hasMore = rows.length > query.limit;
        return reply(200, {
          data: shown.map(toClient),
          page: { hasMore, next: hasMore && last ? cursors.encode('clients', [last.id]) : null },
        });
      },
    }),
    defineRoute({
      ...access,
      method: 'get',
      path: '/v1/clients/{clientId}',
      operationId: 'getClient',
      summary: 'Read an API client',
      tags,
      params: clientParams,
      responses: { 200: { description: 'The client.', schema: clientSchema } },
      errors: ['not_found', 'dependency_unavailable'],
      handler: async ({ params }) => reply(200, toClient(await clients.getClient(params.clientId))),
    }),
    defineRoute({
      ...access,
      method: 'delete',
      path: '/v1/clients/{clientId}',
      operationId: 'disableClient',
      summary: 'Disable an API client with all its credentials',
      tags,
      params: clientParams,
      responses: { 204: { description: 'Disabled.' } },
      errors: ['not_found', 'dependency_unavailable'],
      handler: async ({ params }) => {
        await clients.disableClient(params.clientId);
        return reply(204);
      },
    }),
    defineRoute({
      ...access,
      method: 'post',
      path: '/v1/clients/{clientId}/credentials',
      operationId: 'issueCredential',
      summary: 'Issue an API key or an OAuth secret',
      tags,
      params: clientParams,
      requestHeaders: idempotencyHeaders,
      body: z.strictObject({
        kind: z.enum(['api-key', 'oauth-secret']).default('api-key'),
        label: z.string().trim().min(1).max(100).nullable().default(null),
        scopes: z
          .array(scope)
          .min(1)
          .nullable()
          .default(null)
          .describe('At most those of the client; null: all'),
        expiresAt: z.iso.datetime({ offset: true }).nullable().default(null),
      }),
      responses: { 201: { description: 'Issued. The secret is shown this once.', schema: issuedSchema } },
      errors: ['not_found', 'invalid_argument', 'dependency_unavailable', ...idempotencyErrors],
      handler: (context) => {
        const { params, body } = context;
        const expiresAt = body.expiresAt === null ? null : new Date(body.expiresAt);
        return issueOnce(context, 'issueCredential', { ...params, ...body }, (trx) =>
          clients.issue(trx, params.clientId, { ...body, expiresAt }),
        );
      },
    }),
    defineRoute({
      ...access,
      method: 'get',
      path: '/v1/clients/{clientId}/credentials',
      operationId: 'listCredentials',
      summary: 'List the newest hundred credentials of a client, without secrets',
      tags,
      params: clientParams,
      responses: { 200: { description: 'Credentials, newest first.', schema: listOf(credentialSchema) } },
      errors: ['not_found', 'dependency_unavailable'],
      handler: async ({ params }) =>
        reply(200, {
          data: (await clients.listCredentials(params.clientId)).map(toCredential),
          page: { next: null, hasMore: false },
        }),
    }),
    defineRoute({
      ...access,
      method: 'post',
      path: '/v1/clients/{clientId}/credentials/{credentialId}/rotate',
      operationId: 'rotateCredential',
      summary: 'Issue a successor; the old one ends after an overlap',
      tags,
      params: credentialParams,
      requestHeaders: idempotencyHeaders,
      body: z.strictObject({
        overlapSeconds: z
          .number()
          .int()
          .min(0)
          .max(30 * 86_400)
          .default(DEFAULT_ROTATION_OVERLAP_SECONDS)
          .describe('How long the old one still works'),
      }),
      responses: { 201: { description: 'Issued. The secret is shown this once.', schema: issuedSchema } },
      errors: ['not_found', 'dependency_unavailable', ...idempotencyErrors],
      handler: (context) => {
        const { params, body } = context;
        return issueOnce(context, 'rotateCredential', { ...params, ...body }, (trx) =>
          clients.rotate(trx, params.clientId, params.credentialId, body.overlapSeconds),
        );
      },
    }),
    defineRoute({
      ...access,
      method: 'delete',
      path: '/v1/clients/{clientId}/credentials/{credentialId}',
      operationId: 'revokeCredential',
      summary: 'Revoke a credential',
      tags,
      params: credentialParams,
      responses: { 204: { description: 'Revoked.' } },
      errors: ['not_found', 'dependency_unavailable'],
      handler: async ({ params }) => {
        await clients.revoke(params.clientId, params.credentialId);
        return reply(204);
      },
    }),
  ];
}
