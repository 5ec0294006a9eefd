import { z } from 'zod';
import type { CursorCodec } from '../../../lib/cursor.ts';
import { AppError } from '../../../lib/errors.ts';
import { defineRoute, type Route, reply, stream } from '../../../lib/http/route.ts';
import { openEventStream } from '../../../lib/http/sse.ts';
import type { Clock } from '../../../lib/time.ts';
import type { Hub } from './hub.ts';
import type { InboxRow } from './inbox-store.ts';
import type { Inbox } from './service.ts';

const notificationSchema = z
  .object({
    id: z.uuid(),
    type: z
      .string()
      .describe('What happened: transfer.in, transfer.out, nft.in, identity.created, security.…'),
    stage: z
      .enum(['pending', 'confirmed', 'finalized', 'reverted'])
      .describe('How sure the chain is; `reverted` takes back what was said before'),
    title: z.string(),
    body: z.string(),
    data: z.record(z.string(), z.unknown()).describe('The facts, by type'),
    occurredAt: z.iso.datetime(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
    readAt: z.iso.datetime().nullable(),
    archivedAt: z.iso.datetime().nullable(),
  })
  .meta({ id: 'Notification' });

export type Describe = (row: InboxRow, locale: string) => { title: string; body: string };

/** How soon an open stream notices that its session was closed. */
const SESSION_CHECK_MS = 30_000;

const limitQuery = z.coerce.number().int().min(1).max(200).default(50);
const flag = z.enum(['true', 'false']).default('false');

export function notificationRoutes(deps: {
  inbox: Inbox;
  hub: Hub;
  clock: Clock;
  cursors: CursorCodec;
  describe: Describe;
  localeOf: (personId: string) => Promise<string>;
  heartbeatMs?: number;
  /** Rejects when the stream's session has ended meanwhile. */
  requireSession: (sessionId: string, personId: string) => Promise<unknown>;
  /** Streams end when the process shuts down; clients come back elsewhere with their Last-Event-ID. */
  shutdown: AbortSignal;
}): Route[] {
  const { inbox, hub, clock, cursors, describe, localeOf, heartbeatMs = 15_000 } = deps;
  const toJson = (row: InboxRow, locale: string) => ({
    id: row.id,
    type: row.type,
    stage: row.stage,
    ...describe(row, locale),
    data: row.data,
    occurredAt: row.occurredAt.toISOString(),
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
    readAt: row.readAt?.toISOString() ?? null,
    archivedAt: row.archivedAt?.toISOString() ?? null,
  });
  const base = { tags: ['Notifications'], auth: ['user'] as const };
  const mark = (
    path: string,
    operationId: string,
    summary: string,
    column: 'read_at' | 'archived_at',
    on: boolean,
  ): Route =>
    defineRoute({
      ...base,
      method: 'post',
      path: `/v1/notifications/{id}/${path}`,
      operationId,
      summary,
      params: z.object({ id: z.uuid() }),
      responses: { 200: { description: 'The notification as it is now', schema: notificationSchema } },
      errors: ['not_found'],
      handler: async ({ principal, params }) =>
        reply(
          200,
          toJson(await inbox.mark(principal.id, params.id, column, on), await localeOf(principal.id)),
        ),
    });

  return [
    defineRoute({
      ...base,
      method: 'get',
      path: '/v1/notifications',
      operationId: 'listNotifications',
      summary: 'The inbox, the newest first',
      query: z.strictObject({
        cursor: z.string().max(500).optional(),
        limit: limitQuery,
        unread: flag,
        archived: flag,
      }),
      responses: {
        200: {
          description: 'A page',
          schema: z.object({
            data: z.array(notificationSchema),
            page: z.object({ next: z.string().nullable(), hasMore: z.boolean() }),
          }),
        },
      },
      errors: ['invalid_cursor'],
      async handler({ principal, query }) {
        const list = `inbox:${principal.id}:${query.unread}:${query.archived}`;
        const position = query.cursor === undefined ? undefined : cursors.decode(list, query.cursor);
        const before = position && { createdAt: new Date(Number(position[0])), id: String(position[1]) };
        const found = await inbox.list(principal.id, {
          before,
          unreadOnly: query.unread === 'true',
          archived: query.archived === 'true',
          limit: query.limit + 1,
        });
        const page = found.slice(0, query.limit);
        const last = page.at(-1);
        const hasMore = found.length > query.limit;
        const locale = await localeOf(principal.id);
        return reply(200, {
          data: page.map((row) => toJson(row, locale)),
          page: {
            next: hasMore && last ? cursors.encode(list, [last.createdAt.getTime(), last.id]) : null,
            hasMore,
          },
        });
      },
    }),
    defineRoute({
      ...base,
      method: 'get',
      path: '/v1/notifications/unread-count',
      operationId: 'countUnreadNotifications',
      summary: 'How many are unread',
      responses: { 200: { description: 'The count', schema: z.object({ unread: z.number().int() }) } },
      errors: [],
      handler: async ({ principal }) => reply(200, { unread: await inbox.unreadCount(principal.id) }),
    }),
    mark('read', 'readNotification', 'Mark as read', 'read_at', true),
    mark('unread', 'unreadNotification', 'Mark as unread', 'read_at', false),
    mark('archive', 'archiveNotification', 'Put away', 'archived_at', true),
    mark('unarchive', 'unarchiveNotification', 'Take back out', 'archived_at', false),
    defineRoute({
      ...base,
      method: 'post',
      path: '/v1/notifications/read-all',
      operationId: 'readAllNotifications',
      summary: 'Mark everything as read',
      responses: {
        200: { description: 'How many were unread', schema: z.object({ read: z.number().int() }) },
      },
      errors: [],
      handler: async ({ principal }) => reply(200, { read: await inbox.markAllRead(principal.id) }),
    }),
    defineRoute({
      ...base,
      method: 'get',
      path: '/v1/notifications/stream',
      operationId: 'streamNotifications',
      summary: 'New and changed notifications as server-sent events',
      description:
        'Events are named `notification`; their id is the position in the inbox. Reconnect with Last-Event-ID and nothing ' +
        'that happened in between is missed. Without it the stream starts now; `0` replays the whole inbox.',
      query: z.strictObject({
        lastEventId: z
          .string()
          .regex(/^\d{1,15}$/)
          .optional(),
      }),
      requestHeaders: z.object({ 'last-event-id': z.string().max(100).optional() }),
      responses: { 200: { description: 'The stream', contentType: 'text/event-stream' } },
      errors: ['invalid_request'],
      timeoutMs: 0,
      handler: async ({ principal, headers, query, req, res }) => {
        const given = headers['last-event-id'] ?? query.lastEventId;
        if (given !== undefined && !/^\d{1,15}$/.test(given))
          throw new AppError('invalid_request', 'Last-Event-ID must be the id of an event of this stream.');
        const locale = await localeOf(principal.id);
        return stream(async () => {
          // The position is taken before the answer starts: what happens after the client sees 200 is in the stream.
          let events: ReturnType<typeof openEventStream> | undefined;
          const early: InboxRow[] = [];
          const write = (rows: readonly InboxRow[]): boolean =>
            rows.every(
              (row) =>
                events?.send({
                  id: String(row.position),
                  event: 'notification',
                  data: toJson(row, locale),
                }) ?? false,
            );
          const stop = await hub.open({
            personId: principal.id,
            position: given === undefined ? undefined : Number(given),
            deliver: (rows) => {
              if (!events) {
                early.push(...rows);
                return true;
              }
              return write(rows);
            },
          });
          events = openEventStream(req, res, { clock, heartbeatMs });
          write(early);
          const sessionId = String(principal.claims?.sessionId);
          const check = clock.setInterval(() => {
            deps.requireSession(sessionId, principal.id).catch((error: unknown) => {
              // Only a session that has ended closes the stream; a database that is away does not.
              if (error instanceof AppError && error.code === 'session_revoked') events?.close();
            });
          }, SESSION_CHECK_MS);
          const leave = (): void => events?.close();
          deps.shutdown.addEventListener('abort', leave, { once: true });
          if (deps.shutdown.aborted) leave();
          void events.closed.then(() => {
            stop();
            check.cancel();
            deps.shutdown.removeEventListener('abort', leave);
          });
        });
      },
    }),
  ];
}
