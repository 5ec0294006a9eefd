import { z } from 'zod';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import type { Accounts } from './service.ts';

export function accountRoutes(deps: {
  accounts: Accounts;
  requireStepUp: (principal: { id: string; claims?: Readonly<Record<string, unknown>> }) => Promise<void>;
}): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/v1/me/export',
      operationId: 'exportMe',
      summary: 'Everything that is stored about the person',
      tags: ['Profile'],
      auth: ['user'],
      responses: { 200: { description: 'All of it, as JSON', schema: z.record(z.string(), z.unknown()) } },
      errors: ['step_up_required'],
      async handler({ principal }) {
        await deps.requireStepUp(principal);
        return reply(200, await deps.accounts.export(principal.id), {
          'content-disposition': 'attachment; filename="rejuve-export.json"',
        });
      },
    }),
    defineRoute({
      method: 'delete',
      path: '/v1/me',
      operationId: 'eraseMe',
      summary: 'Erase the account',
      description:
        'Cannot be undone. What is on the chain stays there; here nothing leads to the person any more.',
      tags: ['Profile'],
      auth: ['user'],
      responses: { 204: { description: 'Erased' } },
      errors: ['step_up_required'],
      async handler({ principal }) {
        await deps.requireStepUp(principal);
        await deps.accounts.erase(principal.id);
        return reply(204);
      },
    }),
  ];
}
