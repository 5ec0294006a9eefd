import { z } from 'zod';
import type { CursorCodec } from '../../../lib/cursor.ts';
import { AppError } from '../../../lib/errors.ts';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import { CHANNELS } from '../preferences/schema.ts';
import type { UserPostgres } from '../shared/database.ts';
import { lineOfText } from '../shared/text.ts';
import type { DeliveryRow, deliveryStore, TargetRow } from './store.ts';
import type { Targets } from './targets.ts';

const targetSchema = z
  .object({
    id: z.uuid(),
    channel: z.enum(['push', 'fcm', 'webhook']),
    address: z.string().describe('URL of a webhook, host of a push service'),
    description: z.string().nullable(),
    createdAt: z.iso.datetime(),
    disabledAt: z.iso.datetime().nullable(),
    disabledReason: z.string().nullable(),
  })
  .meta({ id: 'DeliveryTarget' });

const deliverySchema = z
  .object({
    id: z.uuid(),
    notificationId: z.uuid().nullable(),
    kind: z.enum(['notice', 'reverted', 'code']),
    channel: z.enum(CHANNELS),
    state: z.enum(['waiting', 'sending', 'delivered', 'suppressed', 'dead']),
    reason: z.string().nullable().describe('Why it was not sent, or what the other side said last'),
    attempts: z.number().int(),
    dueAt: z.iso.datetime(),
    createdAt: z.iso.datetime(),
    finishedAt: z.iso.datetime().nullable(),
    log: z.array(
      z.object({ at: z.iso.datetime(), outcome: z.string(), detail: z.string(), tookMs: z.number().int() }),
    ),
  })
  .meta({ id: 'Delivery' });

const base64url = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^[A-Za-z0-9_-]+=*$/, 'expected base64url');
const description = lineOfText(80).nullable().optional();

export function deliveryRoutes(deps: {
  targets: Targets;
  postgres: Pick<UserPostgres, 'db'>;
  store: typeof deliveryStore;
  cursors: CursorCodec;
  vapidPublicKey: string;
  requireStepUp: (principal: { id: string; claims?: Readonly<Record<string, unknown>> }) => Promise<void>;
  ownsNotification: (personId: string, id: string) => Promise<boolean>;
  /** Switches e-mail off for the person a token was made for; false when the token is not ours. */
  unsubscribe: (token: string) => Promise<boolean>;
  clock: { now(): number };
}): Route[] {
  const { targets, postgres, store, cursors } = deps;
  const targetJson = (row: TargetRow & { address: string }) => ({
    id: row.id,
    channel: row.channel,
    address: row.address,
    description: row.description,
    createdAt: row.createdAt.toISOString(),
    disabledAt: row.disabledAt?.toISOString() ?? null,
    disabledReason: row.disabledReason,
  });
  const withLog = async (found: readonly DeliveryRow[]) => {
    const attempts = Map.groupBy(
      await store.attempts(
        postgres.db,
        found.map((d) => d.id),
      ),
      (a) => a.deliveryId,
    );
    return found.map((d) => ({
      id: d.id,
      notificationId: d.inboxId,
      kind: d.kind,
      channel: d.channel,
      state: d.state,
      reason: d.reason,
      attempts: d.attempts,
      dueAt: d.dueAt.toISOString(),
      createdAt: d.createdAt.toISOString(),
      finishedAt: d.finishedAt?.toISOString() ?? null,
      log: (attempts.get(d.id) ?? []).map((a) => ({
        at: a.at.toISOString(),
        outcome: a.outcome,
        detail: a.detail,
        tookMs: a.tookMs,
      })),
    }));
  };
  const list = z.object({ data: z.array(deliverySchema) });
  const user = { tags: ['Delivery'], auth: ['user'] as const };
  const service = { tags: ['Deliveries (internal)'], auth: ['service'] as const };
  const created = (schema: z.ZodType) => ({ 201: { description: 'Registered', schema } });
  const added = (row: TargetRow, address: string) => reply(201, targetJson({ ...row, address }));

  return [
    defineRoute({
      method: 'get',
      path: '/v1/push/key',
      operationId: 'getPushKey',
      summary: 'The key that browsers subscribe with (VAPID)',
      tags: ['Delivery'],
      auth: ['public'],
      responses: {
        200: { description: 'applicationServerKey', schema: z.object({ publicKey: z.string() }) },
      },
      errors: [],
      handler: () => reply(200, { publicKey: deps.vapidPublicKey }),
    }),
    defineRoute({
      ...user,
      method: 'post',
      path: '/v1/me/push-subscriptions',
      operationId: 'addPushSubscription',
      summary: 'Register a browser for web push',
      body: z.strictObject({
        endpoint: z.url().max(2_000),
        keys: z.strictObject({ p256dh: base64url(100), auth: base64url(40) }),
        expirationTime: z.number().nullable().optional(),
        description,
      }),
      responses: created(targetSchema),
      errors: ['invalid_argument', 'conflict'],
      async handler({ principal, body }) {
        const row = await targets.addPush(
          principal.id,
          { endpoint: body.endpoint, ...body.keys },
          body.description ?? null,
        );
        return added(row, new URL(body.endpoint).host);
      },
    }),
    defineRoute({
      ...user,
      method: 'post',
      path: '/v1/me/devices',
      operationId: 'addDevice',
      summary: 'Register a device for FCM',
      body: z.strictObject({
        token: z
          .string()
          .min(20)
          .max(4_096)
          .regex(/^[\x21-\x7e]+$/),
        description,
      }),
      responses: created(targetSchema),
      errors: ['conflict'],
      handler: async ({ principal, body }) =>
        added(await targets.addFcm(principal.id, { token: body.token }, body.description ?? null), 'device'),
    }),
    defineRoute({
      ...user,
      method: 'post',
      path: '/v1/me/webhooks',
      operationId: 'addWebhook',
      summary: 'Register a webhook (Standard Webhooks)',
      description:
        'The secret is shown this once. Only public https addresses; redirects are not followed. 410 switches it off.',
      body: z.strictObject({ url: z.url().max(2_000), description }),
      responses: created(targetSchema.extend({ secret: z.string() }).meta({ id: 'CreatedWebhook' })),
      errors: ['invalid_argument', 'conflict', 'step_up_required'],
      async handler({ principal, body }) {
        await deps.requireStepUp(principal);
        const { row, secret } = await targets.addWebhook(principal.id, body.url, body.description ?? null);
        return reply(201, { ...targetJson({ ...row, address: body.url }), secret });
      },
    }),
    defineRoute({
      ...user,
      method: 'post',
      path: '/v1/me/webhooks/{id}/rotate',
      operationId: 'rotateWebhookSecret',
      summary: 'A new secret; the old one signs along for a day',
      params: z.object({ id: z.uuid() }),
      responses: {
        200: {
          description: 'The new secret',
          schema: z.object({ secret: z.string(), previousUntil: z.iso.datetime() }),
        },
      },
      errors: ['not_found', 'step_up_required'],
      async handler({ principal, params }) {
        await deps.requireStepUp(principal);
        const { secret, previousUntil } = await targets.rotate(principal.id, params.id);
        return reply(200, { secret, previousUntil: previousUntil.toISOString() });
      },
    }),
    defineRoute({
      ...user,
      method: 'get',
      path: '/v1/me/delivery-targets',
      operationId: 'listDeliveryTargets',
      summary: 'Browsers, devices and webhooks',
      responses: { 200: { description: 'Targets', schema: z.object({ data: z.array(targetSchema) }) } },
      errors: [],
      handler: async ({ principal }) =>
        reply(200, { data: (await targets.list(principal.id)).map(targetJson) }),
    }),
    defineRoute({
      ...user,
      method: 'delete',
      path: '/v1/me/delivery-targets/{id}',
      operationId: 'removeDeliveryTarget',
      summary: 'Remove a browser, device or webhook',
      params: z.object({ id: z.uuid() }),
      responses: { 204: { description: 'Removed' } },
      errors: ['not_found'],
      async handler({ principal, params }) {
        await targets.remove(principal.id, params.id);
        return reply(204);
      },
    }),
    defineRoute({
      ...user,
      method: 'get',
      path: '/v1/notifications/{id}/deliveries',
      operationId: 'explainNotification',
      summary: 'Where a notification was sent, and why not elsewhere',
      params: z.object({ id: z.uuid() }),
      responses: { 200: { description: 'Deliveries', schema: list } },
      errors: ['not_found'],
      async handler({ principal, params }) {
        if (!(await deps.ownsNotification(principal.id, params.id)))
          throw new AppError('not_found', 'There is no such notification.');
        return reply(200, { data: await withLog(await store.ofInbox(postgres.db, params.id)) });
      },
    }),
    ...(['get', 'post'] as const).map((method) =>
      defineRoute({
        method,
        path: '/v1/unsubscribe',
        operationId: method === 'post' ? 'unsubscribeOneClick' : 'showUnsubscribe',
        summary:
          method === 'post'
            ? 'Switch e-mail off (RFC 8058)'
            : 'The page that a person sees who follows the link',
        tags: ['Delivery'],
        auth: ['public'] as const,
        query: z.strictObject({ token: z.string().max(300) }),
        responses: { 200: { description: 'Done, or the question', contentType: 'text/html' } },
        errors: ['invalid_token'] as const,
        async handler({ query }) {
          const form = `<form method="post" action="?token=${encodeURIComponent(query.token)}"><button>Stop e-mails · E-Mails abbestellen</button></form>`;
          // Link scanners of mail servers follow every link: only POST changes something.
          if (method === 'post' && !(await deps.unsubscribe(query.token)))
            throw new AppError(
              'invalid_token',
              'This link is not valid; change the settings after signing in.',
            );
          return reply(200, method === 'post' ? '<p>Done · Erledigt</p>' : form, {
            'content-security-policy': "default-src 'none'; form-action 'self'",
          });
        },
      }),
    ),
    defineRoute({
      ...service,
      method: 'get',
      path: '/internal/people/{personId}/deliveries',
      operationId: 'listDeliveriesOfPerson',
      summary: 'For support: why did she not get it?',
      params: z.object({ personId: z.uuid() }),
      query: z.strictObject({ limit: z.coerce.number().int().min(1).max(500).default(100) }),
      responses: { 200: { description: 'The newest first', schema: list } },
      errors: [],
      handler: async ({ params, query }) =>
        reply(200, { data: await withLog(await store.ofPerson(postgres.db, params.personId, query.limit)) }),
    }),
    defineRoute({
      ...service,
      method: 'get',
      path: '/internal/deliveries/dead',
      operationId: 'listDeadLetters',
      summary: 'Dead letters with their reasons',
      query: z.strictObject({
        channel: z.enum(CHANNELS).optional(),
        cursor: z.string().max(500).optional(),
        limit: z.coerce.number().int().min(1).max(200).default(50),
      }),
      responses: {
        200: {
          description: 'A page',
          schema: list.extend({ page: z.object({ next: z.string().nullable(), hasMore: z.boolean() }) }),
        },
      },
      errors: ['invalid_cursor'],
      async handler({ query }) {
        const name = `dead:${query.channel ?? ''}`;
        const position = query.cursor === undefined ? undefined : cursors.decode(name, query.cursor);
        const found = await store.dead(postgres.db, {
          channel: query.channel,
          before: position && { at: new Date(Number(position[0])), id: String(position[1]) },
          limit: query.limit + 1,
        });
        const page = found.slice(0, query.limit);
        const last = page.at(-1);
        const hasMore = found.length > query.limit;
        return reply(200, {
          data: await withLog(page),
          page: {
            next:
              hasMore && last?.finishedAt ? cursors.encode(name, [last.finishedAt.getTime(), last.id]) : null,
            hasMore,
          },
        });
      },
    }),
    defineRoute({
      ...service,
      method: 'post',
      path: '/internal/deliveries/redrive',
      operationId: 'redriveDeadLetters',
      summary: 'Send dead letters again: one, those of a channel, or all',
      body: z.strictObject({ id: z.uuid().optional(), channel: z.enum(CHANNELS).optional() }),
      responses: { 200: { description: 'How many', schema: z.object({ redriven: z.number().int() }) } },
      errors: [],
      handler: async ({ body }) =>
        reply(200, { redriven: await store.redrive(postgres.db, body, new Date(deps.clock.now())) }),
    }),
  ];
}
