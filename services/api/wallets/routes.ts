import { z } from 'zod';
import { addressSchema } from '../../../lib/address.ts';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import { addressParams, isoTime, pageSchema } from '../chain/schemas.ts';
import { secured } from '../governance/access.ts';
import { actingFor } from '../governance/authorise.ts';
import { idempotencyErrors, idempotencyHeaders, keyOf } from '../governance/idempotent.ts';
import type { WalletService } from './service.ts';

export const walletSchema = z
  .object({
    address: z.string(),
    label: z.string().nullable(),
    proof: z
      .enum(['signature', 'none'])
      .describe('none: watched only; nothing private is told about it and nothing can be done with it'),
    primary: z.boolean().describe('The wallet that the app shows first; exactly one of the linked ones'),
    linkedAt: isoTime,
  })
  .meta({ id: 'Wallet' });

const personQuery = z.strictObject({
  personId: z
    .string()
    .min(1)
    .max(100)
    .optional()
    .describe('For clients that act for people: whom. A person leaves it out.'),
});

const label = z.string().trim().min(1).max(60);

export function walletRoutes({ wallets }: { wallets: WalletService }): Route[] {
  const tags = ['Wallets'];
  return [
    defineRoute({
      method: 'post',
      path: '/v1/wallets/challenge',
      operationId: 'createWalletChallenge',
      summary: 'Get the message that proves a wallet is yours',
      description: 'An EIP-4361 message. Sign it with the wallet and send both to `POST /v1/wallets`.',
      tags,
      ...secured('wallets:write', 'person'),
      query: personQuery,
      body: z.strictObject({ address: addressSchema }),
      responses: {
        200: {
          description: 'The message to sign.',
          schema: z.object({ message: z.string(), expiresAt: isoTime }).meta({ id: 'WalletChallenge' }),
        },
      },
      errors: [
        'already_linked',
        'conflict',
        'forbidden',
        'not_found',
        'rate_limited',
        'dependency_unavailable',
      ],
      handler: async ({ principal, query, body }) =>
        reply(200, await wallets.challenge(actingFor(principal, query.personId), body.address)),
    }),
    defineRoute({
      method: 'post',
      path: '/v1/wallets',
      operationId: 'linkWallet',
      summary: 'Link a wallet by proof',
      description:
        'A signature of the challenge by the wallet: of a key (EIP-191), or of a contract wallet (EIP-1271).',
      tags,
      ...secured('wallets:write', 'person'),
      query: personQuery,
      requestHeaders: idempotencyHeaders,
      body: z.strictObject({
        message: z.string().min(1).max(4_000).describe('The challenge, unchanged'),
        signature: z
          .string()
          .regex(/^0x([0-9a-fA-F]{2}){1,4096}$/, 'expected a signature as 0x and hexadecimal digits'),
        label: label.optional(),
      }),
      responses: { 201: { description: 'Linked.', schema: walletSchema } },
      errors: [
        'already_linked',
        'conflict',
        'forbidden',
        'invalid_argument',
        'invalid_signature',
        'nonce_used',
        'not_found',
        'dependency_unavailable',
        ...idempotencyErrors,
      ],
      handler: async (context) => {
        const { principal, query, body } = context;
        const { scoped } = keyOf(context, 'linkWallet');
        return reply(201, await wallets.link(actingFor(principal, query.personId), body, scoped));
      },
    }),
    defineRoute({
      method: 'post',
      path: '/v1/wallets/watch',
      operationId: 'watchWallet',
      summary: 'Watch a wallet without proof',
      description:
        'Keeps an address beside your own wallets, to see its public balances and transfers. Private data stay refused until it is linked by proof. Watching twice is watching once.',
      tags,
      ...secured('wallets:write', 'person'),
      query: personQuery,
      body: z.strictObject({ address: addressSchema, label: label.optional() }),
      responses: { 200: { description: 'Watched, or linked already.', schema: walletSchema } },
      errors: ['forbidden', 'not_found', 'conflict', 'dependency_unavailable'],
      handler: async ({ principal, query, body: { address, ...rest } }) =>
        reply(200, await wallets.watch(actingFor(principal, query.personId), address, rest)),
    }),
    defineRoute({
      method: 'get',
      path: '/v1/wallets',
      operationId: 'listWallets',
      summary: 'List your linked and watched wallets',
      tags,
      ...secured('wallets:read', 'person'),
      query: personQuery,
      responses: {
        200: { description: 'Wallets.', schema: z.object({ data: z.array(walletSchema), page: pageSchema }) },
      },
      errors: ['forbidden', 'not_found', 'dependency_unavailable'],
      handler: async ({ principal, query }) =>
        reply(200, {
          data: await wallets.overview(actingFor(principal, query.personId)),
          page: { next: null, hasMore: false },
        }),
    }),
    defineRoute({
      method: 'patch',
      path: '/v1/wallets/{address}',
      operationId: 'updateWallet',
      summary: 'Label a wallet, or make it the primary one',
      tags,
      ...secured('wallets:write', 'person'),
      params: addressParams,
      query: personQuery,
      body: z
        .strictObject({
          label: label.nullable().optional().describe('Null removes it'),
          primary: z.literal(true).optional().describe('Only a linked wallet can be the primary one'),
        })
        .refine((change) => change.label !== undefined || change.primary !== undefined, {
          error: 'expected label, primary or both',
        }),
      responses: { 200: { description: 'The wallet as it is now.', schema: walletSchema } },
      errors: ['forbidden', 'not_found', 'conflict', 'invalid_argument', 'dependency_unavailable'],
      handler: async ({ principal, params, query, body }) =>
        reply(200, await wallets.update(actingFor(principal, query.personId), params.address, body)),
    }),
    defineRoute({
      method: 'delete',
      path: '/v1/wallets/{address}',
      operationId: 'unlinkWallet',
      summary: 'Unlink a wallet, or stop watching it',
      tags,
      ...secured('wallets:write', 'person'),
      params: addressParams,
      query: personQuery,
      responses: { 204: { description: 'Unlinked.' } },
      errors: ['forbidden', 'not_found', 'conflict', 'dependency_unavailable'],
      handler: async ({ principal, params, query }) => {
        await wallets.unlink(actingFor(principal, query.personId), params.address);
        return reply(204);
      },
    }),
  ];
}
