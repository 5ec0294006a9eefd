import { z } from 'zod';
import { valuesSchema } from './values.ts';

/** The little of JSON Schema that our values use. */
export interface Node {
  type?: string | string[];
  description?: string;
  default?: unknown;
  properties?: Record<string, Node>;
  items?: Node;
  anyOf?: Node[];
  enum?: unknown[];
  additionalProperties?: boolean | Node;
  [key: string]: unknown;
}

/** The values as JSON Schema: what Helm checks, before any default is filled in. */
export const valuesJsonSchema = (): Node => z.toJSONSchema(valuesSchema, { io: 'input' }) as unknown as Node;

/** The values with every default. */
export const defaultValues = (): Record<string, unknown> => valuesSchema.parse({});

/** `string`, `integer`, `list`, `a | b` for enumerations: for people. */
export function typeOf(node: Node): string {
  if (node.enum) return node.enum.map((value) => (value === '' ? "''" : String(value))).join(' | ');
  if (node.anyOf) return [...new Set(node.anyOf.map(typeOf))].join(' or ');
  if (node.type === 'array') return 'list';
  if (node.type === 'object') return 'map';
  return String(node.type ?? 'any');
}
