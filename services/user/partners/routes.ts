import { z } from 'zod';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import { requireIdempotencyKey, withIdempotency } from '../../../lib/idempotency.ts';
import type { UserPostgres } from '../shared/database.ts';
import type { Partners } from './service.ts';
import type { OrderRow, partnerStore } from './store.ts';

const orderSchema = z
  .object({
    id: z.uuid(),
    connector: z.string(),
    offerId: z.string(),
    state: z.enum(['placed', 'sent', 'fulfilled', 'refused']),
    reason: z.string().nullable(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .meta({ id: 'PartnerOrder' });

const toJson = (o: OrderRow) => ({
  id: o.id,
  connector: o.connector,
  offerId: o.offerId,
  state: o.state,
  reason: o.reason,
  createdAt: o.createdAt.toISOString(),
  updatedAt: o.updatedAt.toISOString(),
});

export function partnerRoutes(deps: {
  partners: Partners;
  postgres: UserPostgres;
  store: typeof partnerStore;
  clock: { now(): number };
}): Route[] {
  const { partners, postgres, store, clock } = deps;
  const user = { tags: ['Partners'], auth: ['user'] as const };
  return [
    defineRoute({
      ...user,
      method: 'get',
      path: '/v1/partner-offers',
      operationId: 'listPartnerOffers',
      summary: 'What partners offer now',
      responses: {
        200: {
          description: 'Offers',
          schema: z.object({
            data: z.array(
              z.object({
                connector: z.string(),
                offerId: z.string(),
                title: z.string(),
                description: z.string(),
                price: z.string().describe('Smallest units'),
                currency: z.string(),
                availableUntil: z.iso.datetime().nullable(),
              }),
            ),
          }),
        },
      },
      errors: [],
      async handler() {
        const offers = await store.offers(postgres.db, new Date(clock.now()));
        return reply(200, {
          data: offers.map((o) => ({ ...o, availableUntil: o.availableUntil?.toISOString() ?? null })),
        });
      },
    }),
    defineRoute({
      ...user,
      method: 'post',
      path: '/v1/partner-orders',
      operationId: 'orderFromPartner',
      summary: 'Order an offer',
      requestHeaders: z.object({ 'idempotency-key': z.string().optional() }),
      body: z.strictObject({ connector: z.string().max(40), offerId: z.string().max(100) }),
      responses: { 202: { description: 'Placed; it is sent to the partner next', schema: orderSchema } },
      errors: ['not_found', 'idempotency_key_required', 'idempotency_key_reused', 'idempotency_in_progress'],
      async handler({ principal, headers, body }) {
        const key = requireIdempotencyKey(headers['idempotency-key']);
        const answer = await postgres.transaction((trx) =>
          withIdempotency(
            trx,
            { principal: principal.id, operation: 'orderFromPartner', key, body },
            async () => ({
              status: 202,
              body: toJson(await partners.order(trx, principal.id, body.connector, body.offerId)),
            }),
          ),
        );
        return reply(answer.status, answer.body);
      },
    }),
    defineRoute({
      ...user,
      method: 'get',
      path: '/v1/partner-orders',
      operationId: 'listPartnerOrders',
      summary: 'Orders, the newest first',
      responses: { 200: { description: 'Orders', schema: z.object({ data: z.array(orderSchema) }) } },
      errors: [],
      handler: async ({ principal }) =>
        reply(200, { data: (await store.orders(postgres.db, principal.id)).map(toJson) }),
    }),
    defineRoute({
      method: 'post',
      path: '/v1/partners/{connector}/webhooks',
      operationId: 'receivePartnerWebhook',
      summary: 'What a partner tells us; signed in the way that was agreed with it',
      tags: ['Partners'],
      auth: ['public'],
      params: z.object({ connector: z.string().max(40) }),
      bodyType: 'application/',
      body: z.unknown(),
      responses: {
        200: { description: 'Understood, or seen before', schema: z.object({ fresh: z.boolean() }) },
      },
      errors: ['not_found', 'invalid_signature', 'invalid_request'],
      async handler({ params, req }) {
        const body = Buffer.isBuffer(req.body) ? req.body : Buffer.alloc(0);
        return reply(200, await partners.receive(params.connector, { headers: req.headers, body }));
      },
    }),
    defineRoute({
      method: 'get',
      path: '/internal/partners/problems',
      operationId: 'listPartnerProblems',
      summary: 'What partners sent and we could not understand',
      tags: ['Partners (internal)'],
      auth: ['service'],
      responses: {
        200: {
          description: 'The most recent first',
          schema: z.object({
            data: z.array(
              z.object({
                connector: z.string(),
                what: z.string(),
                detail: z.string(),
                sample: z.unknown(),
                firstAt: z.iso.datetime(),
                lastAt: z.iso.datetime(),
                count: z.number().int(),
              }),
            ),
          }),
        },
      },
      errors: [],
      async handler() {
        const found = await store.problems(postgres.db);
        return reply(200, {
          data: found.map((p) => ({
            ...p,
            firstAt: p.firstAt.toISOString(),
            lastAt: p.lastAt.toISOString(),
          })),
        });
      },
    }),
  ];
}
