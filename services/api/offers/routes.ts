import { z } from 'zod';
import { addressSchema, hashSchema } from '../../../lib/address.ts';
import { amountSchema } from '../../../lib/amount.ts';
import type { CursorCodec } from '../../../lib/cursor.ts';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import { cursorParam, isoTime, limitParam, listOf, type Token } from '../chain/schemas.ts';
import { clientsOnly, secured } from '../governance/access.ts';
import { actingFor } from '../governance/authorise.ts';
import {
  idempotencyErrors,
  idempotencyHeaders,
  type RunIdempotent,
  type RunIdempotentOutside,
} from '../governance/idempotent.ts';
import { parsePositive } from '../tokens/positive-amount.ts';
import type { OfferService } from './service.ts';
import { REDEMPTION_STATES } from './tables.ts';

const offerSchema = z
  .object({
    id: z.string(),
    partner: z.string().describe('Id of the partner'),
    title: z.string(),
    description: z.string(),
    price: amountSchema,
    stock: z.number().int().nullable().describe('Left to redeem; null: any number'),
    endsAt: isoTime.nullable(),
  })
  .meta({ id: 'PartnerOffer' });

const redemptionSchema = z
  .object({
    id: z.string(),
    offerId: z.string(),
    wallet: z.string(),
    state: z.enum(REDEMPTION_STATES),
    price: amountSchema,
    payment: z.object({
      token: z.string(),
      to: z.string(),
      from: z.string(),
      reservedUntil: isoTime,
      transactionHash: z.string().nullable(),
    }),
    settlementId: z.string().nullable().describe('Transaction that pays the partner, or the person back'),
    reason: z.string().nullable(),
    createdAt: isoTime,
    updatedAt: isoTime,
  })
  .meta({ id: 'Redemption' });

const idParams = z.object({ id: z.string().min(1).max(64) });
const personQuery = z.strictObject({ personId: z.string().min(1).max(100).optional() });

export function offerRoutes(deps: {
  offers: OfferService;
  rejuveToken: () => Promise<Token>;
  cursors: CursorCodec;
  idempotent: RunIdempotent;
  idempotentOutside: RunIdempotentOutside;
}): Route[] {
  const { offers, rejuveToken, cursors, idempotent, idempotentOutside } = deps;
  const tags = ['Partner offers'];
  const errors = ['chain_unavailable', 'dependency_unavailable'] as const;
  const one = { 200: { description: 'As it is now.', schema: redemptionSchema } };

  const page = <T extends { id: string }>(list: string, rows: readonly T[], limit: number) => {
    const data = rows.slice(0, limit);
    const last = data.at(-1);
    const hasMore = rows.length > limit;
    return { data, page: { hasMore, next: hasMore && last ? cursors.encode(list, [last.id]) : null } };
  };
  const position = (list: string, cursor: string | undefined): string | undefined =>
    cursor === undefined ? undefined : String(cursors.decode(list, cursor)[0]);

  return [
    defineRoute({
      ...secured('offers:read', 'none'),
      method: 'get',
      path: '/v1/partner-offers',
      operationId: 'listPartnerOffers',
      summary: 'List what partners offer for RJV',
      tags,
      query: z.strictObject({ cursor: cursorParam, limit: limitParam }),
      responses: { 200: { description: 'Offers, newest first.', schema: listOf(offerSchema) } },
      errors: ['invalid_cursor', ...errors],
      handler: async ({ query }) =>
        reply(
          200,
          page('offers', await offers.list(position('offers', query.cursor), query.limit + 1), query.limit),
        ),
    }),
    defineRoute({
      ...clientsOnly('offers:manage', 'client'),
      method: 'post',
      path: '/v1/partner-offers',
      operationId: 'publishPartnerOffer',
      summary: 'Publish an offer',
      tags,
      requestHeaders: idempotencyHeaders,
      body: z.strictObject({
        title: z.string().trim().min(1).max(120),
        description: z.string().trim().min(1).max(2_000),
        price: z.string().min(1).max(100).describe('RJV as a decimal number'),
        payee: addressSchema.describe('Where you are paid'),
        stock: z.number().int().min(0).max(100_000_000).nullable().default(null),
        endsAt: z.iso.datetime({ offset: true }).nullable().default(null),
      }),
      responses: { 201: { description: 'Published.', schema: offerSchema } },
      errors: ['invalid_argument', ...errors, ...idempotencyErrors],
      handler: (context) =>
        idempotent(context, 'publishPartnerOffer', {
          prepare: rejuveToken,
          act: async (trx, { decimals }) => {
            const { price, endsAt, ...rest } = context.body;
            return {
              status: 201,
              body: await offers.publish(trx, context.principal.id, {
                ...rest,
                priceRaw: parsePositive(price, decimals, '/price').toString(),
                endsAt: endsAt === null ? null : new Date(endsAt),
              }),
            };
          },
        }),
    }),
    defineRoute({
      ...secured('offers:redeem', 'person'),
      method: 'post',
      path: '/v1/partner-offers/{id}/redemptions',
      operationId: 'redeemPartnerOffer',
      summary: 'Reserve an offer',
      description:
        'Then pay the price from the wallet to `payment.to` and tell it by `…/payment` within 15 minutes.',
      tags,
      params: idParams,
      query: personQuery,
      requestHeaders: idempotencyHeaders,
      body: z.strictObject({ wallet: addressSchema.describe('That will pay') }),
      responses: { 201: { description: 'Reserved.', schema: redemptionSchema } },
      errors: ['forbidden', 'not_found', 'conflict', ...errors, ...idempotencyErrors],
      handler: (context) => {
        const { principal, params, query, body } = context;
        return idempotent(
          context,
          'redeemPartnerOffer',
          {
            prepare: () =>
              offers.prepareReservation(
                principal,
                actingFor(principal, query.personId),
                params.id,
                body.wallet,
              ),
            act: async (trx, prepared) => ({ status: 201, body: await offers.reserve(trx, prepared) }),
          },
          { ...params, ...body },
        );
      },
    }),
    defineRoute({
      ...secured('offers:read', 'person'),
      method: 'get',
      path: '/v1/redemptions',
      operationId: 'listRedemptions',
      summary: 'List your redemptions, newest first',
      tags,
      query: z.strictObject({
        personId: z.string().min(1).max(100).optional(),
        cursor: cursorParam,
        limit: limitParam,
      }),
      responses: { 200: { description: 'Redemptions.', schema: listOf(redemptionSchema) } },
      errors: ['forbidden', 'invalid_cursor', ...errors],
      handler: async ({ principal, query }) => {
        const person = actingFor(principal, query.personId);
        const list = `redemptions:${person}`;
        const rows = await offers.listOf(person, position(list, query.cursor), query.limit + 1);
        return reply(200, page(list, rows, query.limit));
      },
    }),
    defineRoute({
      ...secured('offers:read', 'person'),
      method: 'get',
      path: '/v1/redemptions/{id}',
      operationId: 'getRedemption',
      summary: 'Read a redemption',
      tags,
      params: idParams,
      responses: one,
      errors: ['forbidden', 'not_found', ...errors],
      handler: async ({ principal, params }) => reply(200, await offers.get(principal, params.id)),
    }),
    defineRoute({
      ...secured('offers:redeem', 'person'),
      method: 'post',
      path: '/v1/redemptions/{id}/payment',
      operationId: 'payRedemption',
      summary: 'Tell the payment of a redemption',
      description:
        'Checked on the chain. 409 while it has too few confirmations; a late payment is refunded.',
      tags,
      params: idParams,
      requestHeaders: idempotencyHeaders,
      body: z.strictObject({ transactionHash: hashSchema }),
      responses: one,
      errors: ['forbidden', 'not_found', 'conflict', 'invalid_argument', ...errors, ...idempotencyErrors],
      handler: (context) =>
        idempotentOutside(
          context,
          'payRedemption',
          async () => ({
            status: 200,
            body: await offers.pay(context.principal, context.params.id, context.body.transactionHash),
          }),
          { ...context.params, ...context.body },
        ),
    }),
    defineRoute({
      ...clientsOnly('offers:manage', 'client'),
      method: 'post',
      path: '/v1/redemptions/{id}/confirm',
      operationId: 'confirmRedemption',
      summary: 'Confirm that you delivered; you are paid',
      tags,
      params: idParams,
      responses: one,
      errors: ['not_found', 'conflict', ...errors],
      handler: async ({ principal, params }) => reply(200, await offers.confirm(principal, params.id)),
    }),
    defineRoute({
      ...clientsOnly('offers:manage', 'client'),
      method: 'post',
      path: '/v1/redemptions/{id}/refuse',
      operationId: 'refuseRedemption',
      summary: 'Refuse a paid redemption; the person is refunded',
      tags,
      params: idParams,
      body: z.strictObject({ reason: z.string().trim().min(1).max(300) }),
      responses: one,
      errors: ['not_found', 'conflict', ...errors],
      handler: async ({ principal, params, body }) =>
        reply(200, await offers.refuse(principal, params.id, body.reason)),
    }),
  ];
}
