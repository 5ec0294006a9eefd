import { z } from 'zod';
import { AppError } from '../../lib/errors.ts';
import { defineRoute, type Route, reply } from '../../lib/http/route.ts';
import { type GatewayClient, ifFound, type TransactionView } from './platform/gateway-client.ts';
import type { UserClient } from './platform/user-client.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const HASH = /^0x[0-9a-fA-F]{64}$/;

/** "Why?" for whatever somebody has the id of: a request, a transaction (or its hash), a person's notifications. */
export function explainRoute(deps: { gateway: GatewayClient; user: UserClient }): Route {
  const { gateway, user } = deps;

  async function findTransaction(id: string): Promise<TransactionView | undefined> {
    if (UUID.test(id)) return ifFound(gateway.transaction(id));
    if (HASH.test(id)) return (await gateway.byHash(id)).data[0];
    return undefined;
  }

  return defineRoute({
    method: 'get',
    path: '/api/explain/{id}',
    operationId: 'explain',
    summary: 'What happened to a request, a transaction, or the notifications of a person',
    tags: ['explain'],
    auth: ['user'],
    params: z.object({ id: z.string().trim().min(4).max(128) }),
    responses: {
      200: {
        description: 'Whatever is known under this id',
        schema: z.object({
          request: z.unknown().optional(),
          transaction: z.unknown().optional(),
          timeline: z.unknown().optional(),
          deliveries: z.unknown().optional(),
        }),
      },
    },
    errors: ['not_found', 'dependency_unavailable'],
    async handler({ params: { id } }) {
      const [request, transaction, deliveries] = await Promise.all([
        HASH.test(id) ? undefined : ifFound(gateway.explain(id)),
        findTransaction(id),
        // The user service may be away: what the gateway knows is shown all the same.
        UUID.test(id) ? user.deliveriesOf(id).catch(() => undefined) : undefined,
      ]);
      const timeline = transaction && (await ifFound(gateway.timeline(transaction.id)));
      const known = deliveries !== undefined && deliveries.data.length > 0 ? deliveries.data : undefined;
      if (request === undefined && transaction === undefined && known === undefined) {
        throw new AppError(
          'not_found',
          'Nothing is known under this id. Requests are remembered for ten minutes; take the x-request-id of a JSON-RPC answer, the id or hash of a transaction, or the id of a person.',
        );
      }
      return reply(200, {
        ...(request === undefined ? {} : { request }),
        ...(transaction === undefined ? {} : { transaction }),
        ...(timeline === undefined ? {} : { timeline }),
        ...(known === undefined ? {} : { deliveries: known }),
      });
    },
  });
}
