import { z } from 'zod';
import { addressSchema } from '../../../lib/address.ts';
import { uint256String } from '../../../lib/amount.ts';
import type { CursorCodec } from '../../../lib/cursor.ts';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import {
  asOfSchema,
  chainListOf,
  cursorParam,
  isoTime,
  limitParam,
  listOf,
  stageSchema,
} from '../chain/schemas.ts';
import { secured } from '../governance/access.ts';
import { idempotencyErrors, idempotencyHeaders, keyOf } from '../governance/idempotent.ts';
import { toView, transactionSchema } from '../transactions/view.ts';
import type { Consent } from './consent-store.ts';
import type { PermissionService } from './permission-service.ts';
import { dataHashSchema, messageNonce } from './relay-routes.ts';
import { signatureSchema, typedMessageSchema } from './typed-data.ts';

/** Ten years; longer consents are not informed ones. */
const MIN_EXPIRATION_SECONDS = 60;
const MAX_EXPIRATION_SECONDS = 10 * 366 * 86_400;

const permissionKey = {
  dataHash: dataHashSchema,
  productId: uint256String.describe('Product that may use the data'),
};
const requesterId = uint256String.describe('Identity of the requester');
const permissionFields = {
  owner: addressSchema.describe('Wallet that owns the data'),
  ...permissionKey,
  requesterId: requesterId.describe('Identity of a requester of this platform'),
  expiresInSeconds: z
    .string()
    .regex(/^[1-9]\d{0,9}$/, 'expected a whole number of seconds as a decimal string')
    .refine(
      (text) => Number(text) >= MIN_EXPIRATION_SECONDS && Number(text) <= MAX_EXPIRATION_SECONDS,
      'between a minute and ten years',
    )
    .describe('How long the permission lasts, from the block that records it'),
};

const termSchema = z.object({
  term: z.enum(['granted', 'requesterMatches', 'notExpired', 'notRevoked', 'identityLive']),
  holds: z.boolean(),
  why: z.string(),
});

export const effectivePermissionSchema = z
  .object({
    dataHash: z.string(),
    productId: z.string(),
    requesterId: z.string(),
    ownerIdentity: z.string().nullable(),
    effective: z.boolean().describe('True only while every term holds'),
    deadline: isoTime.nullable(),
    why: z.array(termSchema),
    asOf: asOfSchema,
  })
  .meta({ id: 'EffectivePermission' });

export const permissionSchema = z
  .object({
    dataHash: z.string(),
    productId: z.string(),
    requesterId: z.string(),
    ownerIdentity: z.string(),
    permissionHash: z.string(),
    purpose: z.string().nullable(),
    stage: stageSchema,
    grantedAt: isoTime,
    revokedAt: isoTime.nullable(),
    blockNumber: z.number().int(),
    transactionHash: z.string(),
  })
  .meta({ id: 'Permission' });

export const consentSchema = z
  .object({
    id: z.string(),
    action: z.enum(['grant', 'revoke']),
    owner: z.string(),
    dataHash: z.string(),
    productId: z.string(),
    requesterId: z.string(),
    purpose: z.string().nullable().describe('Of a grant: what for. Of a revocation: why, if it was said'),
    expirationSeconds: z.string().nullable(),
    transactionId: z.string().nullable(),
    anchor: z
      .object({
        commitment: z.string(),
        salt: z.string().nullable(),
        transactionId: z.string().nullable(),
      })
      .nullable()
      .describe(
        'Of a revocation: its commitment in the attestation contract, a public proof of when it was recorded. SHA-256 of the salt and of the JSON of id, owner, dataHash, productId, requesterId, recordedAt',
      ),
    recordedAt: isoTime,
  })
  .meta({ id: 'ConsentRecord' });

const toConsent = (consent: Consent) => ({
  id: consent.id,
  action: consent.action,
  owner: consent.owner,
  dataHash: consent.dataHash,
  productId: consent.productId,
  requesterId: consent.requesterId,
  purpose: consent.purpose,
  expirationSeconds: consent.expirationSeconds,
  transactionId: consent.transactionId,
  anchor:
    consent.anchorCommitment === null
      ? null
      : {
          commitment: consent.anchorCommitment,
          salt: consent.anchorSalt,
          transactionId: consent.anchorTransactionId,
        },
  recordedAt: consent.recordedAt.toISOString(),
});

export function permissionRoutes(deps: { permissions: PermissionService; cursors: CursorCodec }): Route[] {
  const { permissions, cursors } = deps;
  const tags = ['Permissions'];
  const chainErrors = ['forbidden', 'chain_unavailable', 'dependency_unavailable'] as const;
  return [
    defineRoute({
      method: 'post',
      path: '/v1/permissions/prepare',
      operationId: 'preparePermission',
      summary: 'Get the message with which an owner grants a permission',
      tags,
      ...secured('permissions:write', 'wallet'),
      body: z.strictObject(permissionFields),
      responses: { 200: { description: 'To be signed by the owner.', schema: typedMessageSchema } },
      errors: ['invalid_argument', ...chainErrors],
      handler: async ({ principal, body }) => reply(200, await permissions.prepare(principal, body)),
    }),
    defineRoute({
      method: 'post',
      path: '/v1/permissions',
      operationId: 'grantPermission',
      summary: 'Grant a permission with the signature of the owner',
      description:
        'The consent is recorded first, then relayed through the pool of the requester, which pays.',
      tags,
      ...secured('permissions:write', 'wallet'),
      requestHeaders: idempotencyHeaders,
      body: z.strictObject({
        ...permissionFields,
        nonce: messageNonce.describe('`nonce` of the prepared message'),
        purpose: z
          .string()
          .trim()
          .min(3)
          .max(300)
          .optional()
          .describe('What the data will be used for, as shown to the owner'),
        signature: signatureSchema,
      }),
      responses: {
        202: {
          description: 'Recorded; follow the transaction.',
          schema: transactionSchema,
          headers: { 'x-consent-id': { description: 'Id of the consent record' } },
        },
      },
      errors: [
        'invalid_signature',
        'invalid_argument',
        'policy_violation',
        'transaction_reverted',
        ...chainErrors,
        ...idempotencyErrors,
      ],
      handler: async (context) => {
        const { scoped } = keyOf(context, 'grantPermission');
        const { consentId, transaction } = await permissions.grant(context.principal, context.body, scoped);
        return reply(202, toView(transaction), { 'x-consent-id': consentId });
      },
    }),
    defineRoute({
      method: 'get',
      path: '/v1/permissions',
      operationId: 'listPermissions',
      summary: "List a wallet's granted permissions, newest first",
      tags,
      ...secured('permissions:read', 'wallet'),
      query: z.strictObject({
        owner: addressSchema,
        dataHash: dataHashSchema.optional(),
        productId: uint256String.optional(),
        cursor: cursorParam,
        limit: limitParam,
      }),
      responses: { 200: { description: 'Permissions.', schema: chainListOf(permissionSchema) } },
      errors: ['invalid_cursor', ...chainErrors],
      handler: async ({ principal, query }) => reply(200, await permissions.list(principal, query)),
    }),
    defineRoute({
      method: 'get',
      path: '/v1/permissions/effective',
      operationId: 'getEffectivePermission',
      summary: 'May this requester use this data for this product now, and why',
      description:
        'The chain alone cannot answer this: it knows no revocation, keeps "granted" after the deadline and ignores who asks. All five terms must hold.',
      tags,
      ...secured('permissions:read', 'requester'),
      query: z.strictObject({ ...permissionKey, requesterId }),
      responses: {
        200: { description: 'The answer and every term of it.', schema: effectivePermissionSchema },
      },
      errors: chainErrors,
      handler: async ({ principal, query }) => reply(200, await permissions.effective(principal, query)),
    }),
    defineRoute({
      method: 'post',
      path: '/v1/permissions/revoke',
      operationId: 'revokePermission',
      summary: 'Revoke a permission at once',
      description:
        'From the moment of the answer the effective permission is refused, also for a grant not yet in a block.',
      tags,
      ...secured('permissions:write', 'wallet'),
      body: z.strictObject({
        owner: addressSchema,
        ...permissionKey,
        requesterId,
        reason: z.string().trim().min(1).max(300).optional(),
      }),
      responses: {
        200: { description: 'Revoked from now on; revoking again changes nothing.', schema: consentSchema },
      },
      errors: ['forbidden', 'dependency_unavailable'],
      handler: async ({ principal, body }) =>
        reply(200, toConsent(await permissions.revoke(principal, { ...body, reason: body.reason ?? null }))),
    }),
    defineRoute({
      method: 'get',
      path: '/v1/permissions/readers',
      operationId: 'listReaders',
      summary: 'Who could read what of yours on a day',
      description: 'Grants count from their block to their deadline, revocation, or the end of the identity.',
      tags,
      ...secured('permissions:read', 'wallet'),
      query: z.strictObject({
        owner: addressSchema,
        day: z.iso.date().describe('UTC day, such as 2026-01-31'),
      }),
      responses: {
        200: {
          description: 'Everybody who could, at any moment of the day.',
          schema: z
            .object({
              asOf: asOfSchema,
              day: z.string().meta({ format: 'date' }),
              data: z.array(
                z.object({
                  dataHash: z.string(),
                  productId: z.string(),
                  requesterId: z.string(),
                  purpose: z.string().nullable(),
                  from: isoTime,
                  until: isoTime.nullable(),
                  endedBy: z.enum(['deadline', 'revocation', 'identity']).nullable(),
                }),
              ),
            })
            .meta({ id: 'Readers' }),
        },
      },
      errors: chainErrors,
      handler: async ({ principal, query }) =>
        reply(200, await permissions.readers(principal, query.owner, query.day)),
    }),
    defineRoute({
      method: 'get',
      path: '/v1/permissions/history',
      operationId: 'listConsentRecords',
      summary: 'List what an owner agreed to and took back, newest first',
      tags,
      ...secured('permissions:read', 'wallet'),
      query: z.strictObject({ owner: addressSchema, cursor: cursorParam, limit: limitParam }),
      responses: { 200: { description: 'Consent records.', schema: listOf(consentSchema) } },
      errors: ['forbidden', 'invalid_cursor', 'dependency_unavailable'],
      handler: async ({ principal, query }) => {
        const list = `consents:${query.owner}`;
        const before = query.cursor === undefined ? undefined : Number(cursors.decode(list, query.cursor)[0]);
        const rows = await permissions.history(principal, query.owner, before, query.limit + 1);
        const shown = rows.slice(0, query.limit);
        const last = shown.at(-1);
        const hasMore = rows.length > query.limit;
        return reply(200, {
          data: shown.map(toConsent),
          page: { hasMore, next: hasMore && last ? cursors.encode(list, [last.seq]) : null },
        });
      },
    }),
  ];
}
