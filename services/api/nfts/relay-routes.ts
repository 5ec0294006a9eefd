import { z } from 'zod';
import { addressSchema, hashSchema, hexSchema } from '../../../lib/address.ts';
import { uint256String } from '../../../lib/amount.ts';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import {
  addressParams,
  asOfSchema,
  chainListOf,
  cursorParam,
  isoTime,
  limitParam,
  stageSchema,
} from '../chain/schemas.ts';
import { secured } from '../governance/access.ts';
import { idempotencyErrors, idempotencyHeaders, keyOf } from '../governance/idempotent.ts';
import { toView, transactionSchema } from '../transactions/view.ts';
import type { RelayService } from './relay-service.ts';
import { signatureSchema, typedMessageSchema } from './typed-data.ts';

/** Commitments are short; 128 bytes leave room for any hash with a prefix. */
export const dataHashSchema = hexSchema(128)
  .refine((text) => text.length > 2, 'expected at least one byte')
  .describe('Commitment to the data, as hex; never the data itself');

export const messageNonce = uint256String.refine((text) => text !== '0', 'expected a number above 0');

const identityFields = {
  owner: addressSchema.describe('Wallet that gets the identity, linked by the caller'),
  kyc: hashSchema.describe('Salted commitment to the identity check; never personal data'),
  tokenUri: z
    .string()
    .min(1)
    .max(8_192)
    .regex(/^(data|ipfs|https|metadata):/, 'expected a data:, ipfs: or https: URI')
    .describe('Metadata of the identity'),
};
const submissionFields = { owner: addressSchema, dataHash: dataHashSchema };
const signed = {
  nonce: messageNonce.describe('`nonce` of the prepared message'),
  signature: signatureSchema,
};

const relayErrors = [
  'forbidden',
  'invalid_signature',
  'invalid_argument',
  'conflict',
  'policy_violation',
  'transaction_reverted',
  'dependency_unavailable',
  'chain_unavailable',
  ...idempotencyErrors,
] as const;
const prepareErrors = [
  'forbidden',
  'invalid_argument',
  'dependency_unavailable',
  'chain_unavailable',
] as const;

const identitySchema = z
  .object({
    address: z.string(),
    registered: z.boolean(),
    tokenId: z.string().nullable(),
    tokenUri: z.string().nullable(),
    contract: z.string(),
  })
  .meta({ id: 'Identity' });

export const submissionSchema = z
  .object({
    owner: z.string(),
    ownerIdentity: z.string(),
    dataHash: z.string(),
    stage: stageSchema,
    blockNumber: z.number().int(),
    blockTime: isoTime,
    transactionHash: z.string(),
  })
  .meta({ id: 'DataSubmission' });

/** Identities and data submissions. */
export function relayRoutes({ relay }: { relay: RelayService }): Route[] {
  const tags = ['NFTs'];
  const accepted = { 202: { description: 'Accepted; follow the transaction.', schema: transactionSchema } };
  return [
    defineRoute({
      method: 'post',
      path: '/v1/identities/prepare',
      operationId: 'prepareIdentity',
      summary: 'Get the message with which an owner asks for an identity',
      tags,
      ...secured('identities:write', 'wallet'),
      body: z.strictObject(identityFields),
      responses: { 200: { description: 'To be signed by the owner.', schema: typedMessageSchema } },
      errors: prepareErrors,
      handler: async ({ principal, body }) => reply(200, await relay.prepareIdentity(principal, body)),
    }),
    defineRoute({
      method: 'post',
      path: '/v1/identities',
      operationId: 'createIdentity',
      summary: 'Create an identity NFT with the signature of its owner',
      description: 'The platform pays. One identity per wallet; it cannot be transferred (ERC-5192).',
      tags,
      ...secured('identities:write', 'wallet'),
      requestHeaders: idempotencyHeaders,
      body: z.strictObject({ ...identityFields, ...signed }),
      responses: accepted,
      errors: relayErrors,
      handler: async (context) =>
        reply(
          202,
          toView(
            await relay.createIdentity(
              context.principal,
              context.body,
              keyOf(context, 'createIdentity').scoped,
            ),
          ),
        ),
    }),
    defineRoute({
      method: 'get',
      path: '/v1/identities/{address}',
      operationId: 'getIdentity',
      summary: 'Whether a wallet has an identity NFT, and which',
      tags,
      ...secured('nfts:read', 'none'),
      params: addressParams,
      responses: {
        200: {
          description: 'Also for a wallet without one.',
          schema: z.object({ asOf: asOfSchema, identity: identitySchema }),
        },
      },
      errors: ['chain_unavailable', 'dependency_unavailable'],
      handler: async ({ params }) => reply(200, await relay.identity(params.address)),
    }),
    defineRoute({
      method: 'post',
      path: '/v1/data-submissions/prepare',
      operationId: 'prepareDataSubmission',
      summary: 'Get the message with which an owner submits a data hash',
      tags: ['Data'],
      ...secured('data:write', 'wallet'),
      body: z.strictObject(submissionFields),
      responses: { 200: { description: 'To be signed by the owner.', schema: typedMessageSchema } },
      errors: prepareErrors,
      handler: async ({ principal, body }) => reply(200, await relay.prepareSubmission(principal, body)),
    }),
    defineRoute({
      method: 'post',
      path: '/v1/data-submissions',
      operationId: 'submitData',
      summary: 'Submit a data hash with the signature of its owner',
      tags: ['Data'],
      ...secured('data:write', 'wallet'),
      requestHeaders: idempotencyHeaders,
      body: z.strictObject({ ...submissionFields, ...signed }),
      responses: accepted,
      errors: relayErrors,
      handler: async (context) =>
        reply(
          202,
          toView(
            await relay.submitData(context.principal, context.body, keyOf(context, 'submitData').scoped),
          ),
        ),
    }),
    defineRoute({
      method: 'get',
      path: '/v1/data-submissions',
      operationId: 'listDataSubmissions',
      summary: 'List the data hashes that a wallet submitted, newest first',
      tags: ['Data'],
      ...secured('data:read', 'wallet'),
      query: z.strictObject({
        owner: addressSchema,
        dataHash: dataHashSchema.optional(),
        cursor: cursorParam,
        limit: limitParam,
      }),
      responses: { 200: { description: 'Submissions.', schema: chainListOf(submissionSchema) } },
      errors: ['forbidden', 'invalid_cursor', 'chain_unavailable', 'dependency_unavailable'],
      handler: async ({ principal, query }) => reply(200, await relay.listSubmissions(principal, query)),
    }),
  ];
}
