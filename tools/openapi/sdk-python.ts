import type { OpenApiDocument } from '../../lib/http/openapi.ts';
import { isObject, operationsOf } from './operations.ts';
import { createPythonTypes } from './python-types.ts';

export const snake = (name: string): string =>
  name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/[^A-Za-z0-9]+/g, '_')
    .toLowerCase();

const KEYWORDS = new Set([
  'from',
  'import',
  'class',
  'def',
  'global',
  'in',
  'is',
  'pass',
  'return',
  'lambda',
]);
const argument = (name: string): string => (KEYWORDS.has(snake(name)) ? `${snake(name)}_` : snake(name));

function hint(schema: unknown): string {
  if (!isObject(schema)) return 'Any';
  if (schema.type === 'integer') return 'int';
  if (schema.type === 'boolean') return 'bool';
  if (schema.type === 'number') return 'float';
  return 'str';
}

const capital = (name: string): string => (name[0] ?? '').toUpperCase() + name.slice(1);

/** `generated.py`: one method per operation, on top of the hand-written transport; and `types.py`, what they take and give. */
export function pythonClient(document: OpenApiDocument): { client: string; types: string } {
  const types = createPythonTypes(document);
  const named = (schema: unknown, place: string): string => {
    const type = types.typeOf(schema, place);
    // Names inside the types module, seen from here.
    return type.replace(/"([A-Za-z0-9]+)"/g, (_, name) => `t.${name}`);
  };
  const methods = operationsOf(document).map((op) => {
    const required = op.query.filter((q) => q.required);
    const optional = op.query.filter((q) => !q.required);
    const parameters = [
      'self',
      ...op.pathParameters.map((name) => `${argument(name)}: str`),
      ...(op.body ? [`body: ${named(op.body, `${capital(op.id)}Body`)}`] : []),
      ...(required.length + optional.length > 0 || op.idempotent ? ['*'] : []),
      ...required.map((q) => `${argument(q.name)}: ${hint(q.schema)}`),
      ...optional.map((q) => `${argument(q.name)}: ${hint(q.schema)} | None = None`),
      ...(op.idempotent ? ['idempotency_key: str | None = None'] : []),
      ...(op.events === undefined ? [] : ['*', 'last_event_id: str | None = None']),
    ];
    const path = op.path.replace(/\{(\w+)\}/g, (_, name) => `{_quote(${argument(name)}, safe='')}`);
    const query = op.query.map((q) => `"${q.name}": ${argument(q.name)}`).join(', ');
    const call = [
      `"${op.method}"`,
      `${op.pathParameters.length > 0 ? 'f' : ''}"${path}"`,
      ...(query ? [`query={${query}}`] : []),
      ...(op.body ? ['body=body'] : []),
      ...(op.idempotent ? ['idempotent=True', 'idempotency_key=idempotency_key'] : []),
    ];
    if (op.events !== undefined) {
      return `    def ${snake(op.id)}(${parameters.join(', ')}) -> Iterator[Event[t.${op.events}]]:
        """${op.summary}: every event as it comes, over lost connections, until the server has no more."""
        return self._stream(${call[1]}, last_event_id)`;
    }
    const answer = op.answer === undefined ? 'None' : named(op.answer, `${capital(op.id)}Answer`);
    return `    def ${snake(op.id)}(${parameters.join(', ')}) -> ${answer}:
        """${op.summary}.${op.deprecated ? ' Deprecated.' : ''}"""
        ${op.answer === undefined ? `self._call(${call.join(', ')})` : `return cast(${JSON.stringify(answer)}, self._call(${call.join(', ')}))`}`;
  });
  const client = `# Generated from services/api/openapi.json by tools/openapi/sdk.ts; do not edit.
from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Union, cast
from urllib.parse import quote as _quote

from . import types as t
from .core import Event, Transport


class RejuveClient(Transport):
    """One method per operation of the API."""

${methods.join('\n\n')}
`;
  return { client, types: types.module() };
}
