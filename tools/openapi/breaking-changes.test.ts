import { describe, expect, it } from '@jest/globals';
import type { OpenApiDocument } from '../../lib/http/openapi.ts';
import { breakingChanges } from './breaking-changes.ts';

type Schema = Record<string, unknown>;
const object = (properties: Record<string, Schema>, required: string[] = []): Schema => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
});
const json = (schema: Schema) => ({ content: { 'application/json': { schema } } });
const text: Schema = { type: 'string' };

function document(
  change: { body?: Schema; answer?: Schema; parameters?: unknown[]; path?: string; scopes?: string[] } = {},
): OpenApiDocument {
  return {
    openapi: '3.1.0',
    components: { schemas: { Named: object({ id: text }, ['id']) } },
    paths: {
      [change.path ?? '/v1/things']: {
        post: {
          parameters: change.parameters ?? [],
          'x-required-scopes': change.scopes ?? ['a'],
          requestBody: json(
            change.body ?? object({ name: text, kind: { type: 'string', enum: ['x', 'y'] } }, ['name']),
          ),
          responses: { 200: json(change.answer ?? object({ id: text, note: text }, ['id'])) },
        },
      },
    },
  };
}
const changes = (change: Parameters<typeof document>[0]) => breakingChanges(document(), document(change));

describe('breakingChanges', () => {
  it('lets additions pass', () => {
    expect(changes({})).toEqual([]);
    expect(changes({ answer: object({ id: text, note: text, more: text }, ['id', 'more']) })).toEqual([]);
    expect(
      changes({
        body: object({ name: text, kind: { type: 'string', enum: ['x', 'y', 'z'] }, more: text }, ['name']),
      }),
    ).toEqual([]);
    expect(changes({ parameters: [{ name: 'q', in: 'query', required: false, schema: text }] })).toEqual([]);
    expect(changes({ answer: { $ref: '#/components/schemas/Named' } })).toEqual([
      'POST /v1/things 200/note: removed',
    ]);
  });
  it('names what breaks', () => {
    expect(changes({ path: '/v1/other' })).toEqual(['POST /v1/things: removed']);
    expect(changes({ answer: object({ id: { type: 'integer' }, note: text }, ['id']) })[0]).toContain(
      'type changed',
    );
    expect(changes({ answer: object({ id: text, note: text }) })).toEqual([
      'POST /v1/things 200/id: may be missing now',
    ]);
    expect(
      changes({ body: object({ name: text, kind: { type: 'string', enum: ['x'] } }, ['name']) })[0],
    ).toContain('value y');
    expect(
      changes({
        body: object({ name: text, kind: { type: 'string', enum: ['x', 'y'] } }, ['name', 'kind']),
      })[0],
    ).toContain('required now');
    expect(changes({ parameters: [{ name: 'q', in: 'query', required: true, schema: text }] })[0]).toContain(
      'required now',
    );
    expect(changes({ scopes: ['a', 'b'] })[0]).toContain('needs the scope b');
  });
});
