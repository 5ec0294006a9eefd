import type { OpenApiDocument } from '../../lib/http/openapi.ts';
import { isObject, operationsOf } from './operations.ts';

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

/** `generated.py`: one method per operation, on top of the hand-written transport. */
export function pythonClient(document: OpenApiDocument): string {
  const methods = operationsOf(document).map((op) => {
    const required = op.query.filter((q) => q.required);
    const optional = op.query.filter((q) => !q.required);
    const parameters = [
      'self',
      ...op.pathParameters.map((name) => `${argument(name)}: str`),
      ...(op.body ? ['body: Mapping[str, Any]'] : []),
      ...(required.length + optional.length > 0 || op.idempotent ? ['*'] : []),
      ...required.map((q) => `${argument(q.name)}: ${hint(q.schema)}`),
      ...optional.map((q) => `${argument(q.name)}: ${hint(q.schema)} | None = None`),
      ...(op.idempotent ? ['idempotency_key: str | None = None'] : []),
    ];
    const path = op.path.replace(/\{(\w+)\}/g, (_, name) => `{quote(${argument(name)}, safe='')}`);
    const query = op.query.map((q) => `"${q.name}": ${argument(q.name)}`).join(', ');
    const call = [
      `"${op.method}"`,
      `${op.pathParameters.length > 0 ? 'f' : ''}"${path}"`,
      ...(query ? [`query={${query}}`] : []),
      ...(op.body ? ['body=body'] : []),
      ...(op.idempotent ? ['idempotent=True', 'idempotency_key=idempotency_key'] : []),
    ];
    return `    def ${snake(op.id)}(${parameters.join(', ')}) -> Any:
        """${op.summary}.${op.deprecated ? ' Deprecated.' : ''}"""
        return self._call(${call.join(', ')})`;
  });
  return `# Generated from services/api/openapi.json by tools/openapi/sdk.ts; do not edit.
from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from .core import Transport


class RejuveClient(Transport):
    """One method per operation of the API."""

${methods.join('\n\n')}
`;
}
