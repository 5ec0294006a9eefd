import { z } from 'zod';
import { defineRoute, type Route, reply } from '../../lib/http/route.ts';
import type { AuditLog } from './audit.ts';
import type { Live } from './live.ts';
import type { GatewayClient } from './platform/gateway-client.ts';
import type { UserClient } from './platform/user-client.ts';

const done = (schema: z.ZodType) => ({ 200: { description: 'Done, as the service answered', schema } });
const idParams = z.object({ id: z.string().min(1).max(128) });

/** The few things that operators may do from here. Every one is in the audit log before it is done. */
export function actionRoutes(deps: {
  gateway: GatewayClient;
  user: UserClient;
  audit: AuditLog;
  live: Pick<Live, 'refresh'>;
}): Route[] {
  const { gateway, user, audit, live } = deps;
  const operate = { method: 'post', tags: ['actions'], auth: ['user'], scopes: ['operate'] } as const;

  const onTransaction = (
    name: 'cancel' | 'speed-up',
    operationId: string,
    summary: string,
    act: (id: string) => Promise<{ id: string; state: string }>,
  ): Route =>
    defineRoute({
      ...operate,
      path: `/api/transactions/{id}/${name}`,
      operationId,
      summary,
      params: idParams,
      responses: done(z.object({ id: z.string(), state: z.string() })),
      errors: ['not_found', 'conflict', 'forbidden', 'insufficient_scope', 'dependency_unavailable'],
      async handler({ params, principal, requestId }) {
        const { id, state } = await audit.act(
          { principal, requestId },
          { action: `transaction ${name}`, subject: params.id },
          () => act(params.id),
        );
        await live.refresh('transactions');
        return reply(200, { id, state });
      },
    });

  const onProvider = (name: 'cordon' | 'uncordon', summary: string): Route =>
    defineRoute({
      ...operate,
      path: `/api/providers/{id}/${name}`,
      operationId: `${name}Provider`,
      summary,
      params: idParams,
      responses: done(z.object({ id: z.string() })),
      errors: ['not_found', 'forbidden', 'insufficient_scope', 'dependency_unavailable'],
      async handler({ params, principal, requestId }) {
        const { id } = await audit.act(
          { principal, requestId },
          { action: `provider ${name}`, subject: params.id },
          () => gateway.cordon(params.id, name === 'cordon'),
        );
        await live.refresh('providers');
        return reply(200, { id });
      },
    });

  return [
    onTransaction('cancel', 'cancelTransaction', 'Withdraw a transaction that is not in a block yet', (id) =>
      gateway.cancel(id),
    ),
    onTransaction('speed-up', 'speedUpTransaction', 'Offer more for a transaction that waits', (id) =>
      gateway.speedUp(id),
    ),
    onProvider('cordon', 'Take a provider out of traffic'),
    onProvider('uncordon', 'Put a provider back into traffic'),
    defineRoute({
      ...operate,
      path: '/api/dead-letters/redrive',
      operationId: 'redriveDeadLetters',
      summary: 'Send dead letters again: one, those of a channel, or all',
      body: z.strictObject({
        id: z.uuid().optional(),
        channel: z.enum(['email', 'push', 'fcm', 'webhook']).optional(),
      }),
      responses: done(z.object({ redriven: z.number() })),
      errors: ['forbidden', 'insufficient_scope', 'dependency_unavailable'],
      async handler({ body, principal, requestId }) {
        const answer = await audit.act(
          { principal, requestId },
          { action: 'dead letters redrive', subject: body.id ?? body.channel ?? 'all' },
          () =>
            user.redrive({
              ...(body.id === undefined ? {} : { id: body.id }),
              ...(body.channel === undefined ? {} : { channel: body.channel }),
            }),
        );
        await live.refresh('deliveries');
        return reply(200, answer);
      },
    }),
  ];
}
