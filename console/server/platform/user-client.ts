import { z } from 'zod';
import type { ServiceClient } from '../../../lib/service-client.ts';

const deliverySchema = z.object({
  id: z.string(),
  notificationId: z.string().nullable(),
  kind: z.string(),
  channel: z.string(),
  state: z.string(),
  reason: z.string().nullable(),
  attempts: z.number(),
  createdAt: z.string(),
  finishedAt: z.string().nullable(),
  log: z.array(z.object({ at: z.string(), outcome: z.string(), detail: z.string(), tookMs: z.number() })),
});
const listSchema = z.object({ data: z.array(deliverySchema) });

const DEAD_SHOWN = 50;

export type UserClient = ReturnType<typeof createUserClient>;

/** What the console asks of the user service. */
export function createUserClient(client: Pick<ServiceClient, 'request'>) {
  return {
    deadLetters: () =>
      client.request({
        method: 'GET',
        path: '/internal/deliveries/dead',
        query: { limit: DEAD_SHOWN },
        schema: listSchema.extend({ page: z.object({ hasMore: z.boolean() }) }),
      }),
    redrive: (what: { id?: string; channel?: string }) =>
      client.request({
        method: 'POST',
        path: '/internal/deliveries/redrive',
        body: what,
        schema: z.object({ redriven: z.number() }),
      }),
    deliveriesOf: (personId: string) =>
      client.request({
        method: 'GET',
        path: `/internal/people/${encodeURIComponent(personId)}/deliveries`,
        query: { limit: 50 },
        schema: listSchema,
      }),
  };
}
