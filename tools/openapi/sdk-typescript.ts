import type { OpenApiDocument } from '../../lib/http/openapi.ts';
import { isObject, type Json, operationsOf } from './operations.ts';

const property = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name));

/** A JSON Schema as a TypeScript type. */
export function typeOf(schema: unknown): string {
  if (!isObject(schema)) return 'unknown';
  if (typeof schema.$ref === 'string') return schema.$ref.split('/').at(-1) ?? 'unknown';
  if (Array.isArray(schema.enum)) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const variants = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(variants)) return [...new Set(variants.map(typeOf))].join(' | ');
  if (Array.isArray(schema.type)) return schema.type.map((type) => typeOf({ ...schema, type })).join(' | ');
  switch (schema.type) {
    case 'string':
      return 'string';
    case 'integer':
    case 'number':
      return 'number';
    case 'boolean':
      return 'boolean';
    case 'null':
      return 'null';
    case 'array':
      return `readonly (${typeOf(schema.items)})[]`;
    case 'object':
      return objectType(schema);
    default:
      return isObject(schema.properties) ? objectType(schema) : 'unknown';
  }
}

function objectType(schema: Json): string {
  if (!isObject(schema.properties)) {
    return `Readonly<Record<string, ${isObject(schema.additionalProperties) ? typeOf(schema.additionalProperties) : 'unknown'}>>`;
  }
  const required = Array.isArray(schema.required) ? schema.required : [];
  const members = Object.entries(schema.properties).map(([name, inner]) => {
    const optional = !required.includes(name);
    return `readonly ${property(name)}${optional ? '?' : ''}: ${typeOf(inner)}${optional ? ' | undefined' : ''};`;
  });
  return `{ ${members.join(' ')} }`;
}

/** `generated/client.ts`: types of all schemas, one method per operation. */
export function typescriptClient(document: OpenApiDocument): string {
  const components =
    isObject(document.components) && isObject(document.components.schemas) ? document.components.schemas : {};
  const types = Object.entries(components).map(
    ([name, schema]) => `export type ${name} = ${typeOf(schema)};`,
  );
  const methods = operationsOf(document).map((op) => {
    const query = op.query.map(
      (q) =>
        `readonly ${property(q.name)}${q.required ? '' : '?'}: ${typeOf(q.schema)}${q.required ? '' : ' | undefined'};`,
    );
    const needed = op.query.some((q) => q.required);
    const parameters = [
      ...op.pathParameters.map((name) => `${name}: string`),
      ...(op.body ? [`body: ${typeOf(op.body)}`] : []),
      ...(query.length > 0 ? [`query: { ${query.join(' ')} }${needed ? '' : ' = {}'}`] : []),
      'options: RequestOptions = {}',
    ];
    const path = op.path.replace(/\{(\w+)\}/g, (_, name) => `\${encodeURIComponent(${name})}`);
    const spec = [
      `method: '${op.method}'`,
      `path: \`${path}\``,
      ...(query.length > 0 ? ['query'] : []),
      ...(op.body ? ['body'] : []),
      ...(op.idempotent ? ['idempotent: true'] : []),
    ];
    if (op.events !== undefined) {
      return `  /**
   * ${op.summary}: every event as it comes, over lost connections, until the server has no more.
   * @param options.lastEventId continues after an event that was seen before
   */
  ${op.id}(${parameters.join(', ').replace('RequestOptions', 'StreamOptions')}): AsyncGenerator<StreamEvent<${op.events}>, void> {
    return this.#transport.stream({ ${spec.join(', ')} }, options);
  }`;
    }
    return `  /** ${op.summary}.${op.deprecated ? ' @deprecated' : ''} */
  ${op.id}(${parameters.join(', ')}): Promise<${op.answer ? typeOf(op.answer) : 'void'}> {
    return this.#transport.call({ ${spec.join(', ')} }, options);
  }`;
  });
  return `// Generated from services/api/openapi.json by tools/openapi/sdk.ts; do not edit.
import { type ClientOptions, type RequestOptions, type StreamEvent, type StreamOptions, Transport } from '../core.ts';

${types.join('\n')}

/** One method per operation of the API. */
export class RejuveClient {
  readonly #transport: Transport;

  constructor(options: ClientOptions) {
    this.#transport = new Transport(options);
  }

${methods.join('\n\n')}
}
`;
}
