import type { OpenApiDocument } from '../../lib/http/openapi.ts';
import { isObject, type Json } from './operations.ts';

const capital = (name: string): string =>
  name
    .split(/[^A-Za-z0-9]+/)
    .filter((part) => part !== '')
    .map((part) => part[0]?.toUpperCase() + part.slice(1))
    .join('');

/**
 * JSON Schemas as Python types: `TypedDict`s, which cost nothing at run time and let an editor and a type checker know
 * every field. Objects inside objects get the name of their place.
 */
export function createPythonTypes(document: OpenApiDocument) {
  const definitions = new Map<string, string>();

  /** @param place the name that an object without one of its own gets */
  function typeOf(schema: unknown, place: string): string {
    if (!isObject(schema)) return 'Any';
    if (typeof schema.$ref === 'string') return `"${schema.$ref.split('/').at(-1)}"`;
    if (Array.isArray(schema.enum)) return literal(schema.enum);
    if (schema.const !== undefined) return literal([schema.const]);
    const variants = schema.anyOf ?? schema.oneOf;
    if (Array.isArray(variants)) {
      const several = variants.filter((one) => !(isObject(one) && one.type === 'null')).length > 1;
      return union(variants.map((one, i) => typeOf(one, several ? `${place}${i + 1}` : place)));
    }
    if (Array.isArray(schema.type))
      return union(schema.type.map((type) => typeOf({ ...schema, type }, place)));
    switch (schema.type) {
      case 'string':
        return 'str';
      case 'integer':
        return 'int';
      case 'number':
        return 'float';
      case 'boolean':
        return 'bool';
      case 'null':
        return 'None';
      case 'array':
        return `list[${typeOf(schema.items, `${place}Item`)}]`;
      default:
        return schema.type === 'object' || isObject(schema.properties) ? objectOf(schema, place) : 'Any';
    }
  }

  // Python knows no `1 | "x"` of values; Literal holds them.
  const literal = (values: readonly unknown[]): string =>
    `Literal[${values.map((value) => (value === true ? 'True' : value === false ? 'False' : JSON.stringify(value))).join(', ')}]`;
  const union = (types: readonly string[]): string => {
    const different = [...new Set(types)];
    return different.length === 1 ? (different[0] as string) : `Union[${different.join(', ')}]`;
  };

  function objectOf(schema: Json, place: string): string {
    if (!isObject(schema.properties)) {
      const inner = isObject(schema.additionalProperties)
        ? typeOf(schema.additionalProperties, `${place}Value`)
        : 'Any';
      return `dict[str, ${inner}]`;
    }
    define(place, schema);
    return `"${place}"`;
  }

  function define(name: string, schema: Json): void {
    const required = Array.isArray(schema.required) ? schema.required : [];
    // The functional form: fields such as `from` are no identifiers.
    const fields = Object.entries((schema.properties ?? {}) as Json).map(([field, inner]) => {
      const type = typeOf(inner, `${name}${capital(field)}`);
      return `    "${field}": ${required.includes(field) ? type : `NotRequired[${type}]`},`;
    });
    definitions.set(name, `${name} = TypedDict("${name}", {\n${fields.join('\n')}\n})`);
  }

  const components =
    isObject(document.components) && isObject(document.components.schemas) ? document.components.schemas : {};
  for (const [name, schema] of Object.entries(components)) {
    if (isObject(schema) && isObject(schema.properties)) define(name, schema);
    else definitions.set(name, `${name} = ${typeOf(schema, `${name}Of`)}`);
  }

  return {
    typeOf,
    /** `types.py`, after every type was asked for. */
    module: (): string => `# Generated from services/api/openapi.json by tools/openapi/sdk.ts; do not edit.
"""Shapes of everything the API takes and gives. At run time they are plain dicts and lists."""

from __future__ import annotations

import sys
from typing import Any, Literal, Union

if sys.version_info >= (3, 11):
    from typing import NotRequired, TypedDict
else:
    from typing_extensions import NotRequired, TypedDict

${[...definitions.values()].join('\n')}
`,
  };
}
