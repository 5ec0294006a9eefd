import { z } from 'zod';
import { AppError } from '../../../lib/errors.ts';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import type { Clock } from '../../../lib/time.ts';
import type { AuditLog } from '../audit.ts';
import { type Attempts, createAttempts } from './attempts.ts';
import { cookieName, readCookie, sessionCookie } from './cookies.ts';
import { type Operator, ROLES, verifyPassword } from './operators.ts';
import { type Session, type Sessions, sessionOf } from './sessions.ts';

/** Tries at one name from one address, and from one address at any name, per five minutes. */
const WINDOW_MS = 300_000;
const TRIES_PER_NAME = 5;
const TRIES_PER_ADDRESS = 30;
/** Checked when the name is unknown, so that the answer takes as long as for a known one. */
const NOBODY = `scrypt$32768$8$1$${'A'.repeat(22)}$${'A'.repeat(43)}`;

const sessionSchema = z.object({
  operator: z.string(),
  role: z.enum(ROLES),
  csrf: z.string().describe('Send it in x-csrf-token with every change'),
  expiresAt: z.iso.datetime(),
});

const view = ({ operator, csrf, expiresAt }: Session): z.input<typeof sessionSchema> => ({
  operator: operator.name,
  role: operator.role,
  csrf,
  expiresAt: expiresAt.toISOString(),
});

/** Signing in and out. */
export function accessRoutes(deps: {
  operators: ReadonlyMap<string, Operator>;
  sessions: Sessions;
  audit: AuditLog;
  clock: Clock;
  secure: boolean;
}): Route[] {
  const { operators, sessions, audit, clock, secure } = deps;
  const byName: Attempts = createAttempts({ clock, limit: TRIES_PER_NAME, windowMs: WINDOW_MS });
  const byAddress: Attempts = createAttempts({ clock, limit: TRIES_PER_ADDRESS, windowMs: WINDOW_MS });
  const tags = ['session'];

  return [
    defineRoute({
      method: 'post',
      path: '/api/session',
      operationId: 'signIn',
      summary: 'Sign in',
      tags,
      auth: ['public'],
      body: z.strictObject({ name: z.string().max(64), password: z.string().max(1_000) }),
      responses: { 200: { description: 'Signed in; the cookie is set', schema: sessionSchema } },
      errors: ['unauthenticated', 'rate_limited', 'forbidden'],
      async handler({ body, req, requestId }) {
        const address = req.socket.remoteAddress ?? '';
        const key = `${address} ${body.name}`;
        const wait = Math.max(byAddress.take(address), byName.take(key));
        if (wait > 0) {
          throw new AppError('rate_limited', `Too many tries; wait ${wait} seconds.`, {
            retryAfterSeconds: wait,
          });
        }
        const operator = operators.get(body.name);
        const right = await verifyPassword(operator?.hash ?? NOBODY, body.password);
        if (operator === undefined || !right) {
          await audit.note({
            operator: body.name.slice(0, 64),
            role: '-',
            action: 'sign-in',
            requestId,
            outcome: 'refused',
          });
          throw new AppError('unauthenticated', 'The name or the password is wrong.');
        }
        byName.forget(key);
        const { id, session } = await sessions.open(operator);
        await audit.note({
          operator: operator.name,
          role: operator.role,
          action: 'sign-in',
          requestId,
          outcome: 'done',
        });
        const seconds = Math.floor((session.expiresAt.getTime() - clock.now()) / 1_000);
        return reply(200, view(session), { 'set-cookie': sessionCookie(id, seconds, secure) });
      },
    }),
    defineRoute({
      method: 'get',
      path: '/api/session',
      operationId: 'getSession',
      summary: 'Who is signed in',
      tags,
      auth: ['user'],
      responses: { 200: { description: 'The session', schema: sessionSchema } },
      errors: [],
      handler: ({ principal }) => reply(200, view(sessionOf(principal))),
    }),
    defineRoute({
      method: 'delete',
      path: '/api/session',
      operationId: 'signOut',
      summary: 'Sign out',
      tags,
      auth: ['user'],
      responses: { 204: { description: 'Signed out' } },
      errors: ['forbidden'],
      async handler({ req, principal, requestId }) {
        const id = readCookie(req, cookieName(secure));
        if (id !== undefined) await sessions.end(id);
        const { operator } = sessionOf(principal);
        await audit.note({
          operator: operator.name,
          role: operator.role,
          action: 'sign-out',
          requestId,
          outcome: 'done',
        });
        return reply(204, undefined, { 'set-cookie': sessionCookie('', 0, secure) });
      },
    }),
  ];
}
