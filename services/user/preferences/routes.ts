import { z } from 'zod';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import { etagOf, versionOfIfMatch } from '../shared/etag.ts';
import { preferencesSchema } from './schema.ts';
import type { PreferenceService } from './service.ts';

const headers = z.object({
  'if-match': z.string().optional().describe('ETag of the version that the change is based on'),
});
const etagHeader = { etag: { description: 'Version of the representation', schema: z.string() } };

export function preferenceRoutes(preferences: PreferenceService): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/v1/me/preferences',
      operationId: 'getPreferences',
      summary: 'What the person wants to be told, where and when',
      tags: ['Preferences'],
      auth: ['user'],
      responses: {
        200: {
          description: 'Complete settings, defaults filled in',
          schema: preferencesSchema,
          headers: etagHeader,
        },
      },
      errors: [],
      async handler({ principal }) {
        const { version, settings } = await preferences.get(principal.id);
        return reply(200, settings, { etag: etagOf(version) });
      },
    }),
    defineRoute({
      method: 'put',
      path: '/v1/me/preferences',
      operationId: 'putPreferences',
      summary: 'Replace the settings',
      description:
        'What is left out goes back to its default. Send If-Match to refuse overwriting a change made elsewhere.',
      tags: ['Preferences'],
      auth: ['user'],
      requestHeaders: headers,
      body: preferencesSchema,
      responses: {
        200: { description: 'The stored settings', schema: preferencesSchema, headers: etagHeader },
      },
      errors: ['precondition_failed'],
      async handler({ principal, body, headers: h }) {
        const { version, settings } = await preferences.put(
          principal.id,
          body,
          versionOfIfMatch(h['if-match']),
        );
        return reply(200, settings, { etag: etagOf(version) });
      },
    }),
  ];
}
