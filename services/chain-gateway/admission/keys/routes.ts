import { z } from 'zod';
import type { CursorCodec } from '../../../../lib/cursor.ts';
import { AppError } from '../../../../lib/errors.ts';
import { type AuthKind, defineRoute, type Route, reply } from '../../../../lib/http/route.ts';
import type { GatewayPostgres } from '../../store/gateway-database.ts';
import { CLIENT_PRIORITIES } from '../asked.ts';
import { listKeys, listSecrets } from './key-store.ts';
import type { KeyService, KeyView } from './service.ts';

const MAX_OVERLAP_S = 30 * 86_400;
const KEY_ID = /^[0-9a-f]{16}$/;

const limitSchema = z.strictObject({
  unitsPerSecond: z.int().min(1).max(1_000_000_000),
  burst: z.int().min(1).max(10_000_000_000).describe('Compute units that may be spent at once after a pause'),
});
const moment = z.iso.datetime();

const keySchema = z
  .object({
    id: z.string(),
    name: z.string(),
    state: z.enum(['active', 'expired', 'revoked']),
    chains: z.array(z.int()).nullable().describe('null: every chain that is served'),
    methods: z.array(z.string()).nullable().describe('Names, or prefixes that end in *; null: every method'),
    access: z.enum(['read', 'write']),
    priorities: z.array(z.enum(CLIENT_PRIORITIES)).describe('The first is what calls get that do not ask'),
    weight: z.int().describe('Share of contended capacity relative to other clients'),
    limit: limitSchema.nullable(),
    createdBy: z.string(),
    createdAt: moment,
    expiresAt: moment.nullable(),
    revokedAt: moment.nullable(),
    lastUsedAt: moment.nullable().describe('To within some seconds'),
    secrets: z
      .array(
        z.object({
          id: z.string().describe('The part of the key between the underscores; it is no secret'),
          createdAt: moment,
          expiresAt: moment.nullable().describe('End of the overlap after a rotation'),
          lastUsedAt: moment.nullable(),
        }),
      )
      .describe('Newest first'),
  })
  .meta({ id: 'ApiKey' });
const keyWithSecretSchema = keySchema
  .extend({ key: z.string().describe('The whole key. It is shown this once and kept nowhere.') })
  .meta({ id: 'ApiKeyWithSecret' });

const newKeySchema = z.strictObject({
  name: z.string().min(1).max(100).describe('What it is for; unique among live keys'),
  chains: z.array(z.int().min(1)).min(1).max(100).nullable().default(null),
  methods: z
    .array(
      z
        .string()
        .regex(
          /^[a-z][A-Za-z0-9]*(?:_[A-Za-z0-9_]*)?\*?$/,
          'expected a method name, or a prefix that ends in *',
        ),
    )
    .min(1)
    .max(200)
    .nullable()
    .default(null),
  access: z.enum(['read', 'write']).default('read'),
  priorities: z
    .array(z.enum(CLIENT_PRIORITIES))
    .min(1)
    .refine((names) => new Set(names).size === names.length, 'expected each class once')
    .default(['standard', 'background']),
  weight: z.int().min(1).max(100).default(1),
  limit: limitSchema.nullable().default(null),
  expiresAt: moment.nullable().default(null),
});

const usageSchema = z.object({
  period: z.string(),
  calls: z.number(),
  units: z.number().describe('Compute units spent at providers; what the cache answered costs nothing'),
  money: z.number(),
});

const iso = (date: Date | null): string | null => date?.toISOString() ?? null;

function describe({ key, secrets }: KeyView, now: number): z.input<typeof keySchema> {
  const used = secrets.flatMap(({ lastUsedAt }) => (lastUsedAt === null ? [] : [lastUsedAt.getTime()]));
  const expired = key.expiresAt !== null && key.expiresAt.getTime() <= now;
  return {
    id: key.id,
    name: key.name,
    state: key.revokedAt !== null ? 'revoked' : expired ? 'expired' : 'active',
    chains: key.chains === null ? null : [...key.chains],
    methods: key.methods === null ? null : [...key.methods],
    access: key.access,
    priorities: key.priorities as (typeof CLIENT_PRIORITIES)[number][],
    weight: key.weight,
    limit:
      key.unitsPerSecond === null || key.burst === null
        ? null
        : { unitsPerSecond: key.unitsPerSecond, burst: key.burst },
    createdBy: key.createdBy,
    createdAt: key.createdAt.toISOString(),
    expiresAt: iso(key.expiresAt),
    revokedAt: iso(key.revokedAt),
    lastUsedAt: used.length === 0 ? null : new Date(Math.max(...used)).toISOString(),
    secrets: secrets.map(({ id, createdAt, expiresAt, lastUsedAt }) => ({
      id,
      createdAt: createdAt.toISOString(),
      expiresAt: iso(expiresAt),
      lastUsedAt: iso(lastUsedAt),
    })),
  };
}

export interface KeyUsage {
  readonly today: z.input<typeof usageSchema>;
  readonly month: z.input<typeof usageSchema>;
}

/** `/v1/keys`: for the operator; where no operator credential is configured, for our services. */
export function createKeyRoutes(deps: {
  service: KeyService;
  postgres: GatewayPostgres;
  cursors: CursorCodec;
  now: () => number;
  usage: (principal: string) => Promise<KeyUsage>;
}): Route[] {
  const { service, postgres, cursors, now } = deps;
  const tags = ['api keys'];
  const auth: AuthKind[] = ['admin'];
  const params = z.object({ id: z.string().regex(KEY_ID, 'expected the id of a key: 16 hex digits') });

  const create = defineRoute({
    method: 'post',
    path: '/v1/keys',
    operationId: 'createKey',
    summary: 'Create an API key; its secret is in this answer and nowhere else',
    description:
      'Not repeatable by Idempotency-Key, because the answer is not kept: a second try meets the first by its name (409), and rotating that key gives a secret.',
    tags,
    auth,
    body: newKeySchema,
    responses: { 201: { description: 'The key, with its secret', schema: keyWithSecretSchema } },
    errors: ['conflict', 'invalid_argument'],
    async handler({ body, principal }) {
      const expiresAt = body.expiresAt === null ? null : new Date(body.expiresAt);
      if (expiresAt !== null && expiresAt.getTime() <= now())
        throw new AppError('invalid_argument', 'expiresAt is in the past.');
      const { token, ...view } = await service.create(principal.id, { ...body, expiresAt });
      return reply(201, { ...describe(view, now()), key: token }, { 'cache-control': 'no-store' });
    },
  });

  const list = defineRoute({
    method: 'get',
    path: '/v1/keys',
    operationId: 'listKeys',
    summary: 'List API keys, newest first',
    tags,
    auth,
    query: z.strictObject({
      live: z.stringbool().default(false).describe('Leave out revoked and expired keys'),
      cursor: z.string().optional(),
      limit: z.coerce.number().int().min(1).max(200).default(50),
    }),
    responses: {
      200: {
        description: 'One page',
        schema: z.object({
          data: z.array(keySchema),
          page: z.object({ next: z.string().nullable(), hasMore: z.boolean() }),
        }),
      },
    },
    errors: ['invalid_cursor'],
    async handler({ query: { live, cursor, limit } }) {
      const name = `keys?${live}`;
      const position = cursor === undefined ? undefined : cursors.decode(name, cursor);
      const before = position === undefined ? undefined : String(position[0]);
      const rows = await listKeys(postgres.db, { before, live, limit: limit + 1 });
      const keys = rows.slice(0, limit);
      const secrets = await listSecrets(
        postgres.db,
        keys.map(({ id }) => id),
      );
      const last = keys.at(-1);
      const hasMore = rows.length > limit && last !== undefined;
      return reply(200, {
        data: keys.map((key) =>
          describe({ key, secrets: secrets.filter(({ keyId }) => keyId === key.id) }, now()),
        ),
        page: {
          hasMore,
          next: hasMore ? cursors.encode(name, [last.id]) : null,
        },
      });
    },
  });

  const get = defineRoute({
    method: 'get',
    path: '/v1/keys/{id}',
    operationId: 'getKey',
    summary: 'Read one API key',
    tags,
    auth,
    params,
    responses: { 200: { description: 'The key, without secrets', schema: keySchema } },
    errors: ['not_found'],
    handler: async ({ params: { id } }) => reply(200, describe(await service.get(id), now())),
  });

  const rotate = defineRoute({
    method: 'post',
    path: '/v1/keys/{id}/rotate',
    operationId: 'rotateKey',
    summary: 'Give an API key a new secret; the old ones go on for a while',
    tags,
    auth,
    params,
    body: z.strictObject({
      overlapSeconds: z
        .int()
        .min(0)
        .max(MAX_OVERLAP_S)
        .default(86_400)
        .describe('How long the present secrets go on; 0 ends them now'),
    }),
    responses: { 200: { description: 'The key, with its new secret', schema: keyWithSecretSchema } },
    errors: ['not_found', 'conflict'],
    async handler({ params: { id }, body }) {
      const { token, ...view } = await service.rotate(id, body.overlapSeconds);
      return reply(200, { ...describe(view, now()), key: token }, { 'cache-control': 'no-store' });
    },
  });

  const revoke = defineRoute({
    method: 'delete',
    path: '/v1/keys/{id}',
    operationId: 'revokeKey',
    summary: 'Revoke an API key on every replica, for ever',
    description:
      'Calls under way finish; WebSockets opened with it are closed. Revoking twice changes nothing.',
    tags,
    auth,
    params,
    responses: { 200: { description: 'The key, revoked', schema: keySchema } },
    errors: ['not_found'],
    handler: async ({ params: { id }, principal }) =>
      reply(200, describe(await service.revoke(id, principal.id), now())),
  });

  const usage = defineRoute({
    method: 'get',
    path: '/v1/keys/{id}/usage',
    operationId: 'getKeyUsage',
    summary: 'What an API key spent at providers, today and this month (UTC)',
    tags,
    auth,
    params,
    responses: {
      200: { description: 'Usage', schema: z.object({ today: usageSchema, month: usageSchema }) },
    },
    errors: ['not_found'],
    async handler({ params: { id } }) {
      const { key } = await service.get(id);
      return reply(200, await deps.usage(`key:${key.id}`));
    },
  });

  return [create, list, get, rotate, revoke, usage];
}
