import { z } from 'zod';
import { addressSchema } from '../../../lib/address.ts';
import { amountSchema, formatAmount } from '../../../lib/amount.ts';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import type { UserPostgres } from '../shared/database.ts';
import { lineOfText } from '../shared/text.ts';
import { ruleSchema } from './rules.ts';
import type { Rewards } from './service.ts';
import type { rewardStore } from './store.ts';

const campaignSchema = z
  .object({
    id: z.string(),
    title: z.string(),
    currency: z.enum(['points', 'rjv']),
    rule: ruleSchema,
    budget: z.string(),
    committed: z.string(),
    startsAt: z.iso.datetime(),
    endsAt: z.iso.datetime().nullable(),
    paused: z.boolean(),
  })
  .meta({ id: 'RewardCampaign' });

const awardSchema = z
  .object({
    id: z.uuid(),
    campaign: z.string(),
    title: z.string(),
    amount: amountSchema,
    currency: z.enum(['points', 'rjv']),
    state: z.enum(['pending', 'posted', 'voided', 'clawed-back']),
    paid: z.boolean().describe('Handed to the chain; RJV only'),
    reason: z.string().nullable(),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: 'RewardAward' });

const campaignId = z.object({ id: z.string().regex(/^[a-z0-9-]{3,60}$/) });

export function rewardRoutes(deps: {
  rewards: Rewards;
  postgres: Pick<UserPostgres, 'db'>;
  store: typeof rewardStore;
  exists: (personId: string) => Promise<boolean>;
  clock: { now(): number };
}): Route[] {
  const { rewards, postgres, store } = deps;
  const service = { tags: ['Rewards (internal)'], auth: ['service'] as const };
  return [
    defineRoute({
      method: 'get',
      path: '/v1/me/rewards',
      operationId: 'listRewards',
      summary: 'Rewards of the person, the newest first',
      tags: ['Rewards'],
      auth: ['user'],
      query: z.strictObject({ limit: z.coerce.number().int().min(1).max(200).default(50) }),
      responses: { 200: { description: 'Awards', schema: z.object({ data: z.array(awardSchema) }) } },
      errors: [],
      async handler({ principal, query }) {
        const found = await store.ofPerson(postgres.db, principal.id, query.limit);
        return reply(200, {
          data: found.map((a) => ({
            id: a.id,
            campaign: a.campaignId,
            title: a.title,
            amount: formatAmount(BigInt(a.amount), a.currency === 'points' ? 0 : 6),
            currency: a.currency,
            state: a.state,
            paid: a.payoutId !== null,
            reason: a.reason,
            createdAt: a.createdAt.toISOString(),
          })),
        });
      },
    }),
    defineRoute({
      ...service,
      method: 'get',
      path: '/internal/rewards/campaigns',
      operationId: 'listCampaigns',
      summary: 'Campaigns with what is left of their budgets',
      responses: { 200: { description: 'Campaigns', schema: z.object({ data: z.array(campaignSchema) }) } },
      errors: [],
      async handler() {
        const found = await store.campaigns(postgres.db);
        return reply(200, {
          data: found.map((c) => ({
            ...c,
            startsAt: c.startsAt.toISOString(),
            endsAt: c.endsAt?.toISOString() ?? null,
          })),
        });
      },
    }),
    defineRoute({
      ...service,
      method: 'put',
      path: '/internal/rewards/campaigns/{id}',
      operationId: 'putCampaign',
      summary: 'Create or change a campaign',
      params: campaignId,
      body: z.strictObject({
        title: lineOfText(120),
        currency: z.enum(['points', 'rjv']),
        rule: ruleSchema,
        budget: z.string().regex(/^[1-9]\d{0,40}$/),
        startsAt: z.iso.datetime({ offset: true }),
        endsAt: z.iso.datetime({ offset: true }).nullable().default(null),
        paused: z.boolean().default(false),
      }),
      responses: { 204: { description: 'Stored' } },
      errors: [],
      async handler({ params, body }) {
        const { startsAt, endsAt, ...rest } = body;
        await store.putCampaign(
          postgres.db,
          {
            id: params.id,
            ...rest,
            startsAt: new Date(startsAt),
            endsAt: endsAt === null ? null : new Date(endsAt),
          },
          new Date(deps.clock.now()),
        );
        return reply(204);
      },
    }),
    defineRoute({
      ...service,
      method: 'post',
      path: '/internal/rewards/campaigns/{id}/awards',
      operationId: 'awardReward',
      summary: 'Award by one of our services; the key makes it happen once',
      params: campaignId,
      body: z.strictObject({
        personId: z.uuid(),
        key: z.string().regex(/^[A-Za-z0-9._:-]{8,120}$/),
        wallet: addressSchema.nullable().default(null),
      }),
      responses: { 201: { description: 'Awarded' }, 200: { description: 'Was awarded before' } },
      errors: ['not_found', 'conflict'],
      async handler({ params, body }) {
        const { fresh } = await rewards.award({ campaignId: params.id, ...body });
        return reply(fresh ? 201 : 200);
      },
    }),
  ];
}
