import { type Node, valuesJsonSchema } from './json-schema.ts';

/** values.schema.json: strict, with descriptions, for Helm and for editors. */
export function renderSchema(): string {
  const { $schema: _, ...schema } = tidy(valuesJsonSchema());
  return `${JSON.stringify(
    {
      $schema: 'http://json-schema.org/draft-07/schema#',
      $comment: 'Generated from tools/chart/values.ts. Do not edit.',
      title: 'Values of rejuve-platform',
      ...schema,
    },
    null,
    1,
  )}\n`;
}

/** Without what zod adds and nobody needs: bounds of safe integers, defaults of whole objects. */
function tidy(node: Node): Node {
  const out: Node = {};
  for (const [key, value] of Object.entries(node)) {
    if (key === 'maximum' && value === Number.MAX_SAFE_INTEGER) continue;
    if (key === 'minimum' && value === Number.MIN_SAFE_INTEGER) continue;
    if (key === 'default' && node.properties !== undefined) continue;
    if (key === 'propertyNames' && (value as Node).pattern === undefined) continue;
    if (key === 'properties') {
      out.properties = Object.fromEntries(
        Object.entries(value as Record<string, Node>).map(([name, child]) => [name, tidy(child)]),
      );
    } else if (key === 'items' || (key === 'additionalProperties' && typeof value === 'object')) {
      out[key] = tidy(value as Node);
    } else if (key === 'anyOf') out.anyOf = (value as Node[]).map(tidy);
    else out[key] = value;
  }
  return out;
}
