import { type Node, valuesJsonSchema } from './json-schema.ts';
import { nearMisses } from './near-misses.ts';

/** values.schema.json: strict, with descriptions, for Helm and for editors. */
export function renderSchema(): string {
  const { $schema: _, ...schema } = tidy(valuesJsonSchema());
  const { root, definitions } = share(schema);
  return `${JSON.stringify({
    $schema: 'http://json-schema.org/draft-07/schema#',
    $comment: 'Generated from tools/chart/values.ts. Do not edit.',
    title: 'Values of rejuve-platform',
    ...root,
    definitions,
  }).replaceAll('"description":', '\n"description":')}\n`;
}

const children = (record: Record<string, Node>, map: (child: Node) => Node): Record<string, Node> =>
  Object.fromEntries(Object.entries(record).map(([name, child]) => [name, map(child)]));

/**
 * Without what zod adds and nobody needs (bounds of safe integers, defaults of whole objects), and with an answer to
 * typing slips: Helm says of an unknown name only that it is not allowed, so names one slip away from a known one get a
 * rule of their own, whose violation reads "value must be 'did you mean replicas?'".
 */
function tidy(node: Node): Node {
  const out: Node = {};
  for (const [key, value] of Object.entries(node)) {
    if (key === 'maximum' && value === Number.MAX_SAFE_INTEGER) continue;
    if (key === 'minimum' && value === Number.MIN_SAFE_INTEGER) continue;
    if (key === 'default' && node.properties !== undefined) continue;
    if (key === 'propertyNames') continue;
    if (key === 'properties') {
      const properties = value as Record<string, Node>;
      const names = Object.keys(properties);
      out.properties = children(properties, tidy);
      if (node.additionalProperties === false)
        out.patternProperties = Object.fromEntries(
          names.map((name) => [nearMisses(name, names), { const: `did you mean ${name}?` }]),
        );
    } else if (key === 'items') out.items = tidy(value as Node);
    else if (key === 'additionalProperties' && typeof value === 'object') {
      const pattern = (node.propertyNames as Node | undefined)?.pattern;
      if (typeof pattern === 'string') {
        out.patternProperties = { [pattern]: tidy(value as Node) };
        out.additionalProperties = false;
      } else out.additionalProperties = tidy(value as Node);
    } else if (key === 'anyOf') out.anyOf = (value as Node[]).map(tidy);
    else out[key] = value;
  }
  return out;
}

/** Parts of at least this many characters that occur twice are written once. */
const WORTH_SHARING = 300;

function share(schema: Node): { root: Node; definitions: Record<string, Node> } {
  const counts = new Map<string, number>();
  const keyOf = ({ description: _, ...rest }: Node): string => JSON.stringify(rest);
  const count = (node: Node): void => {
    if (node.properties) {
      const key = keyOf(node);
      const seen = (counts.get(key) ?? 0) + 1;
      counts.set(key, seen);
      // What is inside a shared part is shared with it.
      if (seen > 1 && key.length >= WORTH_SHARING) return;
      for (const child of Object.values(node.properties)) count(child);
    }
  };
  count(schema);
  const names = new Map<string, string>();
  const definitions: Record<string, Node> = {};
  const replace = (node: Node): Node => {
    if (!node.properties) return node;
    const key = keyOf(node);
    if ((counts.get(key) ?? 0) < 2 || key.length < WORTH_SHARING)
      return { ...node, properties: children(node.properties, replace) };
    let name = names.get(key);
    if (name === undefined) {
      name = `part${names.size + 1}`;
      names.set(key, name);
      const { description: _, ...rest } = node;
      definitions[name] = { ...rest, properties: children(node.properties, replace) };
    }
    return {
      ...(node.description === undefined ? {} : { description: node.description }),
      allOf: [{ $ref: `#/definitions/${name}` }],
    };
  };
  return { root: { ...schema, properties: children(schema.properties ?? {}, replace) }, definitions };
}
