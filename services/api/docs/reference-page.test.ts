import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { buildOpenApi } from '../../../lib/http/openapi.ts';
import { defineRoute, reply } from '../../../lib/http/route.ts';
import { renderReference } from './reference-page.ts';

describe('renderReference', () => {
  it('comes to an end for a schema that holds itself, and tells it by its name', () => {
    const argument: z.ZodType = z
      .lazy(() => z.union([z.string(), z.array(argument)]))
      .meta({ id: 'Argument' });
    const route = defineRoute({
      method: 'post',
      path: '/v1/calls',
      operationId: 'call',
      summary: 'Call',
      tags: ['Calls'],
      auth: ['public'],
      body: z.strictObject({ args: z.array(argument).describe('What it is called with') }),
      responses: { 204: { description: 'Done' } },
      errors: [],
      handler: () => reply(204),
    });
    const document = buildOpenApi([route], { title: 'Test', description: 'Test', version: '1' });
    const html = renderReference(document, false);
    expect(html).toContain('Argument[]');
    expect(html).toContain('What it is called with');
  });
});
