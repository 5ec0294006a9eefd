import type { Kysely } from 'kysely';
import { z } from 'zod';
import { AppError } from '../../lib/errors.ts';
import { defineRoute, type Principal, type Route, reply } from '../../lib/http/route.ts';
import type { Logger } from '../../lib/log.ts';
import { sessionOf } from './access/sessions.ts';
import type { ConsoleDatabase } from './database.ts';

export interface AuditEntry {
  readonly operator: string;
  readonly role: string;
  readonly action: string;
  readonly subject?: string;
  readonly outcome: 'done' | 'refused';
  readonly requestId: string;
}

export interface AuditLog {
  note(entry: AuditEntry): Promise<void>;
  /** Records that somebody does something, does it, and records how it went. What cannot be recorded is not done. */
  act<T>(
    who: { principal: Principal; requestId: string },
    what: { action: string; subject: string; detail?: Record<string, unknown> },
    fn: () => Promise<T>,
  ): Promise<T>;
}

export function createAuditLog(deps: { db: Kysely<ConsoleDatabase>; log: Logger }): AuditLog {
  const { db, log } = deps;
  return {
    async note({ operator, role, action, subject = '', outcome, requestId }) {
      await db
        .insertInto('audit')
        .values({ operator, role, action, subject, outcome, detail: '{}', request_id: requestId })
        .execute();
    },
    async act({ principal, requestId }, { action, subject, detail = {} }, fn) {
      const { operator } = sessionOf(principal);
      const { id } = await db
        .insertInto('audit')
        .values({
          operator: operator.name,
          role: operator.role,
          action,
          subject,
          outcome: 'begun',
          detail: JSON.stringify(detail),
          request_id: requestId,
        })
        .returning('id')
        .executeTakeFirstOrThrow();
      const end = (outcome: string): Promise<unknown> =>
        db
          .updateTable('audit')
          .set({ outcome })
          .where('id', '=', id)
          .execute()
          .catch((error) =>
            log.warn({ err: error, action, subject }, 'the end of an action was not recorded'),
          );
      try {
        const result = await fn();
        await end('done');
        return result;
      } catch (error) {
        await end(error instanceof AppError ? `failed: ${error.code}` : 'failed');
        throw error;
      }
    },
  };
}

const PAGE = 100;

/** The log itself, newest first. */
export function auditRoutes(deps: { db: Kysely<ConsoleDatabase> }): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/api/audit',
      operationId: 'listAudit',
      summary: 'Who did what, newest first',
      tags: ['audit'],
      auth: ['user'],
      query: z.strictObject({
        before: z
          .string()
          .regex(/^\d{1,18}$/)
          .optional(),
      }),
      responses: {
        200: {
          description: 'A page',
          schema: z.object({
            entries: z.array(
              z.object({
                id: z.string(),
                at: z.iso.datetime(),
                operator: z.string(),
                role: z.string(),
                action: z.string(),
                subject: z.string(),
                outcome: z.string(),
                requestId: z.string(),
              }),
            ),
          }),
        },
      },
      errors: [],
      async handler({ query }) {
        const rows = await deps.db
          .selectFrom('audit')
          .selectAll()
          .$if(query.before !== undefined, (q) => q.where('id', '<', query.before ?? ''))
          .orderBy('id', 'desc')
          .limit(PAGE)
          .execute();
        return reply(200, {
          entries: rows.map((row) => ({
            id: String(row.id),
            at: row.at.toISOString(),
            operator: row.operator,
            role: row.role,
            action: row.action,
            subject: row.subject,
            outcome: row.outcome,
            requestId: row.request_id,
          })),
        });
      },
    }),
  ];
}
