import { z } from 'zod';
import { AppError } from '../../../lib/errors.ts';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import type { Db } from '../shared/database.ts';
import type { Emails } from './service.ts';

/** A plain address: no display name, no comment, nothing that could end a header line. */
export const emailAddressSchema = z
  .email()
  .max(254)
  .refine((a) => /^[\x21-\x7e]+$/.test(a), 'expected printable ASCII');

const codeBody = z.strictObject({
  challengeId: z.uuid(),
  code: z.string().regex(/^\d{6}$/, 'expected six digits'),
});
const challengeSchema = z
  .object({ challengeId: z.uuid(), expiresAt: z.iso.datetime() })
  .meta({ id: 'EmailChallenge' });
const emailSchema = z
  .object({ address: z.string(), confirmedAt: z.iso.datetime(), blockedReason: z.string().nullable() })
  .meta({ id: 'EmailAddress' });

export function emailRoutes<T>(deps: {
  emails: Emails;
  localeOf: (personId: string) => Promise<string>;
  requireStepUp: (principal: { id: string; claims?: Readonly<Record<string, unknown>> }) => Promise<void>;
  /** Opens a session for the owner of the code. */
  signIn: (trx: Db, personId: string, req: import('express').Request) => Promise<T>;
  tokensJson: (opened: T) => Promise<unknown>;
  tokensSchema: z.ZodType;
  onConfirmed: (trx: Db, personId: string, address: string) => Promise<void>;
  /** Counts against the limits of sending; throws `rate_limited`. */
  limitSend: (req: import('express').Request, address: string) => Promise<void>;
  hasWallet: (personId: string) => Promise<boolean>;
}): Route[] {
  const { emails, localeOf, requireStepUp } = deps;
  const json = (c: { challengeId: string; expiresAt: Date }) => ({
    challengeId: c.challengeId,
    expiresAt: c.expiresAt.toISOString(),
  });
  return [
    defineRoute({
      method: 'post',
      path: '/v1/auth/email',
      operationId: 'sendSignInCode',
      summary: 'Send a sign-in code to a confirmed e-mail address',
      description: 'The answer is the same whether or not the address belongs to somebody.',
      tags: ['Sign-in'],
      auth: ['public'],
      body: z.strictObject({ email: emailAddressSchema }),
      responses: {
        202: { description: 'A code is on its way if the address is known', schema: challengeSchema },
      },
      errors: ['rate_limited'],
      async handler({ body, req }) {
        await deps.limitSend(req, body.email);
        return reply(202, json(await emails.challenge({ purpose: 'login', address: body.email })));
      },
    }),
    defineRoute({
      method: 'post',
      path: '/v1/auth/email/verify',
      operationId: 'signInWithCode',
      summary: 'Sign in with the code',
      tags: ['Sign-in'],
      auth: ['public'],
      body: codeBody,
      responses: { 200: { description: 'Signed in', schema: deps.tokensSchema } },
      errors: ['invalid_token', 'rate_limited'],
      async handler({ body, req }) {
        const opened = await emails.redeem({ purpose: 'login', ...body }, (trx, { personId }) =>
          deps.signIn(trx, personId, req),
        );
        return reply(200, await deps.tokensJson(opened));
      },
    }),
    defineRoute({
      method: 'get',
      path: '/v1/me/email',
      operationId: 'getEmail',
      summary: 'The confirmed e-mail address',
      tags: ['Profile'],
      auth: ['user'],
      responses: { 200: { description: 'The address', schema: emailSchema } },
      errors: ['not_found'],
      async handler({ principal }) {
        const row = await emails.of(principal.id);
        if (!row) throw new AppError('not_found', 'No e-mail address was confirmed.');
        return reply(200, {
          address: row.address,
          confirmedAt: row.confirmedAt.toISOString(),
          blockedReason: row.blockedReason,
        });
      },
    }),
    defineRoute({
      method: 'post',
      path: '/v1/me/email',
      operationId: 'changeEmail',
      summary: 'Add or change the e-mail address',
      description: 'Sends a code there. Needs a sign-in or step-up of the last ten minutes.',
      tags: ['Profile'],
      auth: ['user'],
      body: z.strictObject({ email: emailAddressSchema }),
      responses: { 202: { description: 'A code is on its way', schema: challengeSchema } },
      errors: ['step_up_required', 'rate_limited'],
      async handler({ principal, body, req }) {
        await requireStepUp(principal);
        await deps.limitSend(req, body.email);
        const locale = await localeOf(principal.id);
        return reply(
          202,
          json(
            await emails.challenge({
              purpose: 'confirm',
              address: body.email,
              personId: principal.id,
              locale,
            }),
          ),
        );
      },
    }),
    defineRoute({
      method: 'post',
      path: '/v1/me/email/confirm',
      operationId: 'confirmEmail',
      summary: 'Confirm the address with the code',
      tags: ['Profile'],
      auth: ['user'],
      body: codeBody,
      responses: { 204: { description: 'Confirmed' } },
      errors: ['invalid_token', 'conflict'],
      async handler({ principal, body }) {
        await emails.redeem(
          { purpose: 'confirm', personId: principal.id, ...body },
          async (trx, { address }) => {
            await emails.confirm(trx, principal.id, address);
            await deps.onConfirmed(trx, principal.id, address);
          },
        );
        return reply(204);
      },
    }),
    defineRoute({
      method: 'delete',
      path: '/v1/me/email',
      operationId: 'removeEmail',
      summary: 'Remove the e-mail address',
      tags: ['Profile'],
      auth: ['user'],
      responses: { 204: { description: 'Removed' } },
      errors: ['step_up_required', 'conflict'],
      async handler({ principal }) {
        await requireStepUp(principal);
        if (!(await deps.hasWallet(principal.id)))
          throw new AppError('conflict', 'The address is the only way to sign in; link a wallet first.');
        await emails.remove(principal.id);
        return reply(204);
      },
    }),
    defineRoute({
      method: 'post',
      path: '/internal/email/bounces',
      operationId: 'reportBounce',
      summary: 'What the mail provider reports: a hard bounce or a complaint stops mail to the address',
      tags: ['Deliveries (internal)'],
      auth: ['service'],
      body: z.strictObject({
        address: emailAddressSchema,
        kind: z.enum(['hard', 'soft', 'complaint']),
        detail: z.string().max(500).default(''),
      }),
      responses: { 200: { description: 'What was done', schema: z.object({ blocked: z.boolean() }) } },
      errors: [],
      async handler({ body }) {
        const blocked =
          body.kind !== 'soft' && (await emails.block(body.address, `${body.kind}: ${body.detail}`.trim()));
        return reply(200, { blocked });
      },
    }),
  ];
}
