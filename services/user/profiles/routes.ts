import { z } from 'zod';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import { etagOf, versionOfIfMatch } from '../shared/etag.ts';
import { lineOfText, localeSchema, timeZoneSchema } from '../shared/text.ts';
import type { Profiles } from './service.ts';
import type { ProfileRow } from './store.ts';

const profileSchema = z
  .object({
    id: z.uuid().describe('Opaque id of the person; the `sub` of her access tokens'),
    displayName: z.string().nullable(),
    locale: z.string(),
    timeZone: z.string(),
    version: z.number().int().describe('Also the ETag'),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .meta({ id: 'Profile' });

const changeSchema = z
  .strictObject({
    displayName: lineOfText(80).nullable().optional(),
    locale: localeSchema.optional(),
    timeZone: timeZoneSchema.optional(),
  })
  .meta({ id: 'ProfileChange' });

export const ifMatchHeader = z.object({
  'if-match': z
    .string()
    .optional()
    .describe('ETag of the version that the change is based on; 412 when it is not current'),
});

const toJson = (row: ProfileRow) => ({
  id: row.personId,
  displayName: row.displayName,
  locale: row.locale,
  timeZone: row.timeZone,
  version: row.version,
  createdAt: row.createdAt.toISOString(),
  updatedAt: row.updatedAt.toISOString(),
});

const etagHeader = { etag: { description: 'Version of the representation', schema: z.string() } };

export function profileRoutes(profiles: Profiles): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/v1/me',
      operationId: 'getMe',
      summary: 'The profile of the signed-in person',
      tags: ['Profile'],
      auth: ['user'],
      responses: { 200: { description: 'The profile', schema: profileSchema, headers: etagHeader } },
      errors: ['not_found'],
      async handler({ principal }) {
        const row = await profiles.get(principal.id);
        return reply(200, toJson(row), { etag: etagOf(row.version) });
      },
    }),
    defineRoute({
      method: 'patch',
      path: '/v1/me',
      operationId: 'changeMe',
      summary: 'Change the profile',
      description: 'Fields that are left out keep their value; `null` clears the display name.',
      tags: ['Profile'],
      auth: ['user'],
      requestHeaders: ifMatchHeader,
      body: changeSchema,
      responses: { 200: { description: 'The changed profile', schema: profileSchema, headers: etagHeader } },
      errors: ['precondition_failed', 'not_found'],
      async handler({ principal, body, headers }) {
        const row = await profiles.change(principal.id, body, versionOfIfMatch(headers['if-match']));
        return reply(200, toJson(row), { etag: etagOf(row.version) });
      },
    }),
  ];
}
