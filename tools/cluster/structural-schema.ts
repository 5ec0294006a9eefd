import { z } from 'zod';

/** A structural OpenAPI v3 schema, as a CRD wants it. */
export type StructuralSchema = { [key: string]: unknown };

/** JSON Schema keywords that a CRD accepts as they are. */
const KEPT = new Set([
  'type',
  'format',
  'description',
  'default',
  'enum',
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'pattern',
  'minItems',
  'maxItems',
  'required',
]);

/**
 * Turns a zod schema into a structural schema: the subset of JSON Schema that the API server enforces and prunes by.
 * Metadata that begins with `x-kubernetes-` is kept. Throws on anything a structural schema cannot say, with its path.
 */
export function structuralSchema(schema: z.ZodType): StructuralSchema {
  return convert(z.toJSONSchema(schema, { io: 'input', target: 'draft-7' }) as StructuralSchema, '');
}

function convert(source: StructuralSchema, path: string): StructuralSchema {
  const out: StructuralSchema = {};
  for (const [key, value] of Object.entries(source)) {
    if (KEPT.has(key) || key.startsWith('x-kubernetes-')) out[key] = value;
    else if (key === 'properties') {
      out.properties = Object.fromEntries(
        Object.entries(value as Record<string, StructuralSchema>).map(([name, child]) => [
          name,
          convert(child, `${path}.${name}`),
        ]),
      );
    } else if (key === 'items') out.items = convert(value as StructuralSchema, `${path}[]`);
    else if (key === 'const') out.enum = [value];
    else if (key === 'additionalProperties') {
      // An object with properties is closed by pruning; a map keeps the schema of its values.
      if (typeof value === 'object' && value !== null)
        out.additionalProperties = convert(value as StructuralSchema, `${path}{}`);
    } else if (key !== '$schema' && key !== 'propertyNames' && key !== 'id') {
      throw new Error(`${path || 'schema'}: a structural schema cannot say "${key}"`);
    }
  }
  // zod writes a pattern beside every date-time; the format says the same in fewer words.
  if (out.format === 'date-time') delete out.pattern;
  if (out.type === 'integer' && out.minimum === Number.MIN_SAFE_INTEGER) delete out.minimum;
  if (out.type === 'integer' && out.maximum === Number.MAX_SAFE_INTEGER) delete out.maximum;
  return out;
}
