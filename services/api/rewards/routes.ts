import { z } from 'zod';
import { addressSchema } from '../../../lib/address.ts';
import { amountSchema } from '../../../lib/amount.ts';
import type { CursorCodec } from '../../../lib/cursor.ts';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import { cursorParam, isoTime, limitParam, listOf, type Token } from '../chain/schemas.ts';
import { clientsOnly, secured } from '../governance/access.ts';
import { actingFor, personOf } from '../governance/authorise.ts';
import {
  idempotencyErrors,
  idempotencyHeaders,
  type RunIdempotent,
  type RunIdempotentOutside,
} from '../governance/idempotent.ts';
import { parsePositive } from '../tokens/positive-amount.ts';
import type { RewardService } from './service.ts';
import { CRITERIA } from './tables.ts';

const claimSchema = z
  .object({
    id: z.string(),
    opportunityId: z.string(),
    wallet: z.string(),
    reward: amountSchema,
    transactionId: z.string().nullable().describe('Follow it at /v1/transactions/{id}; null for a moment'),
    claimedAt: isoTime,
  })
  .meta({ id: 'RewardClaim' });

const opportunity = {
  id: z.string(),
  title: z.string(),
  description: z.string(),
  criterion: z.enum(CRITERIA),
  target: z.number().int(),
  reward: amountSchema,
  remaining: z.number().int().nullable().describe('Rewards left; null: any number'),
  startsAt: isoTime,
  endsAt: isoTime.nullable(),
};
const publishedSchema = z.object(opportunity).meta({ id: 'PublishedOpportunity' });
const opportunitySchema = z
  .object({
    ...opportunity,
    standing: z
      .object({
        eligible: z.boolean(),
        progress: z.number().int(),
        why: z.array(z.object({ term: z.string(), holds: z.boolean(), why: z.string() })),
        claim: claimSchema.nullable(),
      })
      .nullable()
      .describe('Of the person; null for a client that names none'),
  })
  .meta({ id: 'EarningOpportunity' });

const idParams = z.object({ id: z.string().min(1).max(64) });
const personId = z.string().min(1).max(100);

export function rewardRoutes(deps: {
  rewards: RewardService;
  rejuveToken: () => Promise<Token>;
  cursors: CursorCodec;
  idempotent: RunIdempotent;
  idempotentOutside: RunIdempotentOutside;
}): Route[] {
  const { rewards, rejuveToken, cursors, idempotent, idempotentOutside } = deps;
  const tags = ['Rewards'];
  const errors = ['chain_unavailable', 'dependency_unavailable'] as const;
  return [
    defineRoute({
      ...secured('rewards:read', 'person'),
      method: 'get',
      path: '/v1/earning-opportunities',
      operationId: 'listEarningOpportunities',
      summary: 'List what RJV can be earned for, and how far you are',
      tags,
      query: z.strictObject({ personId: personId.optional(), cursor: cursorParam, limit: limitParam }),
      responses: { 200: { description: 'Opportunities, newest first.', schema: listOf(opportunitySchema) } },
      errors: ['forbidden', 'invalid_cursor', 'not_found', ...errors],
      handler: async ({ principal, query }) => {
        const person =
          personOf(principal) === undefined && query.personId === undefined
            ? undefined
            : actingFor(principal, query.personId);
        const before =
          query.cursor === undefined ? undefined : String(cursors.decode('opportunities', query.cursor)[0]);
        const rows = await rewards.list(person, before, query.limit + 1);
        const shown = rows.slice(0, query.limit);
        const last = shown.at(-1);
        const hasMore = rows.length > query.limit;
        return reply(200, {
          data: shown,
          page: { hasMore, next: hasMore && last ? cursors.encode('opportunities', [last.id]) : null },
        });
      },
    }),
    defineRoute({
      ...clientsOnly('rewards:manage', 'operator'),
      method: 'post',
      path: '/v1/earning-opportunities',
      operationId: 'publishEarningOpportunity',
      summary: 'Publish an earning opportunity',
      tags,
      requestHeaders: idempotencyHeaders,
      body: z.strictObject({
        title: z.string().trim().min(1).max(120),
        description: z.string().trim().min(1).max(2_000),
        criterion: z.enum(CRITERIA),
        target: z.number().int().min(1).max(100),
        reward: z.string().min(1).max(100).describe('RJV as a decimal number'),
        maxClaims: z.number().int().min(1).max(100_000_000).nullable().default(null),
        startsAt: z.iso.datetime({ offset: true }).optional().describe('Now when left out'),
        endsAt: z.iso.datetime({ offset: true }).nullable().default(null),
      }),
      responses: { 201: { description: 'Published.', schema: publishedSchema } },
      errors: ['invalid_argument', ...errors, ...idempotencyErrors],
      handler: (context) =>
        idempotent(context, 'publishEarningOpportunity', {
          prepare: rejuveToken,
          act: async (trx, { decimals }) => {
            const { reward, startsAt, endsAt, ...rest } = context.body;
            return {
              status: 201,
              body: await rewards.publish(trx, {
                ...rest,
                rewardRaw: parsePositive(reward, decimals, '/reward').toString(),
                startsAt: startsAt === undefined ? new Date() : new Date(startsAt),
                endsAt: endsAt === null ? null : new Date(endsAt),
              }),
            };
          },
        }),
    }),
    defineRoute({
      ...clientsOnly('rewards:manage', 'operator'),
      method: 'post',
      path: '/v1/earning-opportunities/{id}/progress',
      operationId: 'recordProgress',
      summary: "Add to a person's progress on a manual opportunity",
      tags,
      params: idParams,
      requestHeaders: idempotencyHeaders,
      body: z.strictObject({ personId, amount: z.number().int().min(1).max(100) }),
      responses: {
        201: {
          description: 'Added.',
          schema: z.object({ progress: z.number().int() }).meta({ id: 'Progress' }),
        },
      },
      errors: ['not_found', 'conflict', 'dependency_unavailable', ...idempotencyErrors],
      handler: (context) => {
        const { params, body } = context;
        return idempotent(
          context,
          'recordProgress',
          async (trx) => ({
            status: 201,
            body: { progress: await rewards.recordProgress(trx, params.id, body.personId, body.amount) },
          }),
          { ...params, ...body },
        );
      },
    }),
    defineRoute({
      ...secured('rewards:claim', 'person'),
      method: 'post',
      path: '/v1/earning-opportunities/{id}/claim',
      operationId: 'claimReward',
      summary: 'Claim an earned reward',
      description: 'Paid by a transaction to a linked wallet. Claiming again answers the same claim.',
      tags,
      params: idParams,
      query: z.strictObject({ personId: personId.optional() }),
      requestHeaders: idempotencyHeaders,
      body: z.strictObject({ wallet: addressSchema }),
      responses: { 202: { description: 'Claimed; the payment is under way.', schema: claimSchema } },
      errors: ['forbidden', 'not_found', 'conflict', ...errors, ...idempotencyErrors],
      handler: (context) => {
        const { principal, params, query, body } = context;
        return idempotentOutside(
          context,
          'claimReward',
          async () => ({
            status: 202,
            body: await rewards.claim(
              principal,
              actingFor(principal, query.personId),
              params.id,
              body.wallet,
            ),
          }),
          { ...params, ...body },
        );
      },
    }),
  ];
}
