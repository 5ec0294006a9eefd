import { z } from 'zod';
import { AppError } from '../../../lib/errors.ts';
import { defineRoute, type Principal, type Route, reply } from '../../../lib/http/route.ts';
import type { Clock } from '../../../lib/time.ts';
import { secured } from '../governance/access.ts';
import { principalKey } from '../governance/authorise.ts';
import type { Quotas } from './quota.ts';
import type { UsageRecorder } from './usage-recorder.ts';
import type { UsageStore } from './usage-store.ts';

const quotaSchema = z.object({
  limit: z.number().int().nullable().describe('Null: none'),
  used: z.number().int(),
  resetsAt: z.string().meta({ format: 'date-time' }),
});

const usageSchema = z
  .object({
    day: quotaSchema,
    month: quotaSchema,
    analyticsOptOut: z.boolean(),
    data: z.array(
      z.object({
        day: z.string().meta({ format: 'date' }),
        operationId: z.string(),
        requests: z.number().int(),
        failed: z.number().int().describe('Answered 4xx or 5xx'),
        averageMs: z.number().int(),
      }),
    ),
  })
  .meta({ id: 'Usage' });

const MAX_DAYS = 92;

/** What the caller has used; numbers are a few seconds old. */
export function usageRoutes(deps: {
  store: UsageStore;
  quotas: Quotas;
  recorder: UsageRecorder;
  clock: Clock;
}): Route[] {
  const { store, quotas, recorder, clock } = deps;
  const tags = ['Usage'];

  const limitsOf = (principal: Principal) =>
    (principal.claims?.limits ?? {}) as { perDay?: number | null; perMonth?: number | null };

  return [
    defineRoute({
      ...secured('usage:read', 'principal'),
      method: 'get',
      path: '/v1/usage',
      operationId: 'getUsage',
      summary: 'Read your usage and what is left of your quotas',
      tags,
      query: z.strictObject({
        from: z.iso.date().optional().describe('First UTC day; 30 days ago when left out'),
        to: z.iso.date().optional().describe('Last UTC day; today when left out'),
      }),
      responses: { 200: { description: 'Usage by day and operation.', schema: usageSchema } },
      errors: ['invalid_argument', 'dependency_unavailable'],
      handler: async ({ principal, query }) => {
        const now = new Date(clock.now());
        const to = query.to ?? now.toISOString().slice(0, 10);
        const from = query.from ?? new Date(Date.parse(to) - 30 * 86_400_000).toISOString().slice(0, 10);
        const days = (Date.parse(to) - Date.parse(from)) / 86_400_000;
        if (days < 0 || days > MAX_DAYS) {
          throw new AppError('invalid_argument', `?from must lie 0 to ${MAX_DAYS} days before ?to.`, {
            errors: [{ pointer: '?from', rule: 'range', detail: `a day at most ${MAX_DAYS} days before to` }],
          });
        }
        const key = principalKey(principal);
        const limits = limitsOf(principal);
        const [data, dayUsed, monthUsed, analyticsOptOut] = await Promise.all([
          store.byDay(key, from, to),
          store.countSince(key, quotas.startOf('day', now)),
          store.countSince(key, quotas.startOf('month', now)),
          store.isOptedOut(key),
        ]);
        const quota = (period: 'day' | 'month', limit: number | null | undefined, used: number) => ({
          limit: limit ?? null,
          used,
          resetsAt: new Date(quotas.endOf(period, now)).toISOString(),
        });
        return reply(200, {
          day: quota('day', limits.perDay, dayUsed),
          month: quota('month', limits.perMonth, monthUsed),
          analyticsOptOut,
          data,
        });
      },
    }),
    defineRoute({
      ...secured('usage:write', 'principal'),
      method: 'put',
      path: '/v1/usage/analytics',
      operationId: 'setAnalytics',
      summary: 'Leave or rejoin usage analytics',
      description: 'Counting for quotas and the audit log of changes go on; events for analysis stop.',
      tags,
      body: z.strictObject({ optOut: z.boolean() }),
      responses: { 200: { description: 'As it is now.', schema: z.object({ optOut: z.boolean() }) } },
      errors: ['dependency_unavailable'],
      handler: async ({ principal, body }) => {
        const key = principalKey(principal);
        await store.setOptOut(key, body.optOut);
        recorder.forgetOptOut(key);
        return reply(200, { optOut: body.optOut });
      },
    }),
  ];
}
