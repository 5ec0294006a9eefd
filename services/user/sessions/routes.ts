import { z } from 'zod';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import type { Sessions } from './service.ts';

const sessionSchema = z
  .object({
    id: z.uuid(),
    method: z.string().describe('How the person signed in'),
    device: z.string().describe('Browser and system, coarse'),
    place: z.string().describe('Network, coarse'),
    current: z.boolean().describe('True for the session that asks'),
    createdAt: z.iso.datetime(),
    lastSeenAt: z.iso.datetime(),
    expiresAt: z.iso.datetime(),
  })
  .meta({ id: 'Session' });

export function sessionRoutes(sessions: Sessions): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/v1/me/sessions',
      operationId: 'listSessions',
      summary: 'Open sessions, the most recent first',
      tags: ['Sessions'],
      auth: ['user'],
      responses: {
        200: { description: 'Open sessions', schema: z.object({ data: z.array(sessionSchema) }) },
      },
      errors: [],
      async handler({ principal }) {
        const open = await sessions.list(principal.id);
        return reply(200, {
          data: open.map((s) => ({
            id: s.id,
            method: s.method,
            device: s.device,
            place: s.place,
            current: s.id === principal.claims?.sessionId,
            createdAt: s.createdAt.toISOString(),
            lastSeenAt: s.lastSeenAt.toISOString(),
            expiresAt: s.expiresAt.toISOString(),
          })),
        });
      },
    }),
    defineRoute({
      method: 'delete',
      path: '/v1/me/sessions/{id}',
      operationId: 'revokeSession',
      summary: 'Close one session',
      description: 'Here it ends at once; elsewhere when its access token expires, five minutes at most.',
      tags: ['Sessions'],
      auth: ['user'],
      params: z.object({ id: z.uuid() }),
      responses: { 204: { description: 'Closed' } },
      errors: ['not_found'],
      async handler({ principal, params }) {
        await sessions.revoke(principal.id, params.id);
        return reply(204);
      },
    }),
    defineRoute({
      method: 'delete',
      path: '/v1/me/sessions',
      operationId: 'revokeSessions',
      summary: 'Close all sessions, or all others',
      tags: ['Sessions'],
      auth: ['user'],
      query: z.strictObject({ keepCurrent: z.enum(['true', 'false']).default('true') }),
      responses: {
        200: { description: 'How many were closed', schema: z.object({ closed: z.number().int() }) },
      },
      errors: [],
      async handler({ principal, query }) {
        const current = query.keepCurrent === 'true' ? String(principal.claims?.sessionId) : undefined;
        return reply(200, { closed: await sessions.revokeAll(principal.id, current) });
      },
    }),
  ];
}
