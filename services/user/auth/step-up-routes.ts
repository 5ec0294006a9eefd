import { z } from 'zod';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import type { Db } from '../shared/database.ts';
import { signedMessageSchema } from './routes.ts';
import type { Auth } from './service.ts';

/** Proving again who one is, before something that cannot be taken back. */
export function stepUpRoutes(deps: {
  auth: Auth;
  markSteppedUp: (trx: Db, sessionId: string) => Promise<void>;
  ownsWallet: (trx: Db, personId: string, address: string) => Promise<boolean>;
  sendCode: (personId: string) => Promise<{ challengeId: string; expiresAt: Date }>;
  redeemCode: (
    personId: string,
    input: { challengeId: string; code: string },
    use: (trx: Db) => Promise<void>,
  ) => Promise<void>;
  notOwned: () => Error;
}): Route[] {
  const sessionOf = (principal: { claims?: Readonly<Record<string, unknown>> }): string =>
    String(principal.claims?.sessionId);
  const base = { tags: ['Sessions'], auth: ['user'] as const };
  return [
    defineRoute({
      ...base,
      method: 'post',
      path: '/v1/auth/step-up/challenge',
      operationId: 'challengeStepUp',
      summary: 'A nonce to sign, or a code by e-mail, for a sensitive action',
      body: z.strictObject({ method: z.enum(['wallet', 'email']), address: z.string().optional() }),
      responses: {
        201: {
          description: 'What to answer',
          schema: z.object({
            nonce: z.string().optional(),
            message: z.string().optional(),
            challengeId: z.uuid().optional(),
            expiresAt: z.iso.datetime(),
          }),
        },
      },
      errors: ['conflict', 'rate_limited'],
      async handler({ principal, body }) {
        if (body.method === 'email') {
          const sent = await deps.sendCode(principal.id);
          return reply(201, { challengeId: sent.challengeId, expiresAt: sent.expiresAt.toISOString() });
        }
        const c = await deps.auth.challenge({
          purpose: 'step-up',
          personId: principal.id,
          ...(body.address === undefined ? {} : { address: body.address }),
        });
        return reply(201, { nonce: c.nonce, message: c.message, expiresAt: c.expiresAt.toISOString() });
      },
    }),
    defineRoute({
      ...base,
      method: 'post',
      path: '/v1/auth/step-up',
      operationId: 'stepUp',
      summary: 'Answer the challenge; sensitive actions work for ten minutes',
      body: z.union([
        z.strictObject(signedMessageSchema),
        z.strictObject({ challengeId: z.uuid(), code: z.string().regex(/^\d{6}$/) }),
      ]),
      responses: { 204: { description: 'Stepped up' } },
      errors: ['invalid_signature', 'nonce_used', 'invalid_token', 'expired_token', 'invalid_argument'],
      async handler({ principal, body }) {
        if ('code' in body) {
          await deps.redeemCode(principal.id, body, (trx) => deps.markSteppedUp(trx, sessionOf(principal)));
        } else {
          await deps.auth.proveAndUse(
            { purpose: 'step-up', personId: principal.id, ...body },
            async (trx, { address }) => {
              if (!(await deps.ownsWallet(trx, principal.id, address))) throw deps.notOwned();
              await deps.markSteppedUp(trx, sessionOf(principal));
            },
          );
        }
        return reply(204);
      },
    }),
  ];
}
