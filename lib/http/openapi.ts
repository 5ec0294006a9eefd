import { z } from 'zod';
import { ERROR_TABLE, type ErrorCode } from '../errors.ts';
import type { AuthKind, Route } from './route.ts';

export interface OpenApiInfo {
  readonly title: string;
  readonly version: string;
  readonly description: string;
  readonly servers?: readonly { url: string; description: string }[];
  readonly tags?: readonly { name: string; description: string }[];
  /** What we send to others (Standard Webhooks), by name. */
  readonly webhooks?: Readonly<Record<string, WebhookSpec>>;
  /** A valid request per operation id. */
  readonly examples?: Readonly<Record<string, ExampleRequest>>;
}

export interface ExampleRequest {
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface WebhookSpec {
  readonly summary: string;
  readonly description: string;
  /** The whole body. */
  readonly body: z.ZodType;
}

export type OpenApiDocument = Record<string, unknown> & {
  openapi: string;
  paths: Record<string, Record<string, Record<string, unknown>>>;
};

const SECURITY: Readonly<Record<Exclude<AuthKind, 'public'>, object>> = {
  user: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'Access token of a signed-in person.',
  },
  'api-key': { type: 'http', scheme: 'bearer', description: 'API key: `Bearer rjv_<id>_<secret>`.' },
  service: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'Short-lived token of one of our own services.',
  },
  partner: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'OAuth 2 access token of a partner.',
  },
  admin: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'Access token of an operator.' },
  'call-token': {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'Call token; with `Authorization: DPoP` and a `DPoP` header when it is bound to a key.',
  },
};

/** Errors that any route can answer with. */
const ALWAYS: readonly ErrorCode[] = ['internal_error', 'deadline_exceeded'];

function errorsOf(route: Route): ErrorCode[] {
  const codes = new Set<ErrorCode>([...route.errors, ...ALWAYS, 'invalid_request']);
  if (!route.auth.includes('public'))
    for (const code of ['unauthenticated', 'invalid_token', 'expired_token'] as const) codes.add(code);
  if (route.scopes?.length) codes.add('insufficient_scope');
  if (route.body)
    for (const code of ['malformed_json', 'body_too_large', 'unsupported_media_type'] as const)
      codes.add(code);
  return [...codes].sort();
}

const problemSchema = {
  type: 'object',
  description: 'RFC 9457 problem details.',
  required: ['type', 'title', 'status', 'detail', 'code', 'retry'],
  properties: {
    type: { type: 'string', format: 'uri-reference', description: 'Where this kind of error is explained.' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'What was wrong, where, and what to do.' },
    code: { type: 'string', enum: Object.keys(ERROR_TABLE) },
    retry: {
      type: 'string',
      enum: ['same', 'later', 'elsewhere', 'never'],
      description: 'Whether and where a retry helps.',
    },
    requestId: { type: 'string', description: 'Quote it to support.' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['pointer', 'rule', 'detail'],
        properties: {
          pointer: {
            type: 'string',
            description: 'JSON pointer into the body, `?query`, `{path}` or `header:name`.',
          },
          rule: { type: 'string' },
          detail: { type: 'string' },
        },
      },
    },
  },
} as const;

/** Collects named schemas (`.meta({ id })`) into components, so that SDKs get names and not copies. */
function createSchemaCollector() {
  const components: Record<string, unknown> = { Problem: problemSchema };
  const convert = (schema: z.ZodType, io: 'input' | 'output'): Record<string, unknown> => {
    const json = z.toJSONSchema(schema, {
      target: 'draft-2020-12',
      io,
      unrepresentable: 'any',
      reused: 'inline',
    }) as Record<string, unknown>;
    delete json.$schema;
    const definitions = json.$defs as Record<string, Record<string, unknown>> | undefined;
    delete json.$defs;
    for (const [name, definition] of Object.entries(definitions ?? {})) components[name] = relink(definition);
    const id = json.id;
    if (typeof id === 'string') {
      components[id] = relink(json);
      return { $ref: `#/components/schemas/${id}` };
    }
    return relink(json);
  };
  return { components, convert };
}

/** zod points into `#/$defs/X`; OpenAPI keeps schemas in `#/components/schemas/X`. */
function relink<T>(value: T): T {
  if (Array.isArray(value)) return value.map(relink) as T;
  if (value === null || typeof value !== 'object') return value;
  const out: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) {
    if (key === '$ref' && typeof inner === 'string')
      out[key] = inner.replace('#/$defs/', '#/components/schemas/');
    else if (key === 'id' && typeof inner === 'string' && 'type' in value) continue;
    else out[key] = relink(inner);
  }
  return out as T;
}

type Convert = (schema: z.ZodType, io: 'input' | 'output') => Record<string, unknown>;

function parametersOf(route: Route, convert: Convert, example: ExampleRequest | undefined): unknown[] {
  const groups = [
    ['path', route.params],
    ['query', route.query],
    ['header', route.requestHeaders],
  ] as const;
  return groups.flatMap(([place, schema]) => {
    if (!schema) return [];
    const json = convert(schema, 'input') as {
      properties?: Record<string, Record<string, unknown>>;
      required?: string[];
    };
    const values: Readonly<Record<string, unknown>> = (place !== 'header' && example?.[place]) || {};
    return Object.entries(json.properties ?? {}).map(([name, { description, ...rest }]) => ({
      name,
      in: place,
      required: place === 'path' || (json.required ?? []).includes(name),
      ...(description ? { description } : {}),
      ...(values[name] === undefined ? {} : { example: values[name] }),
      schema: rest,
    }));
  });
}

function responsesOf(route: Route, convert: Convert): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [status, spec] of Object.entries(route.responses)) {
    const headers = Object.fromEntries(
      Object.entries(spec.headers ?? {}).map(([name, header]) => [
        name,
        {
          description: header.description,
          schema: header.schema ? convert(header.schema, 'output') : { type: 'string' },
        },
      ]),
    );
    out[status] = {
      description: spec.description,
      ...(Object.keys(headers).length > 0 ? { headers } : {}),
      ...(spec.schema || spec.contentType
        ? {
            content: {
              [spec.contentType ?? 'application/json']: {
                schema: spec.schema
                  ? convert(spec.schema, 'output')
                  : spec.contentType === 'text/event-stream'
                    ? EVENTS
                    : { type: 'string' },
                ...(spec.example === undefined ? {} : { example: spec.example }),
              },
            },
          }
        : {}),
    };
  }
  const byStatus = Map.groupBy(errorsOf(route), (code) => ERROR_TABLE[code].status);
  for (const [status, codes] of [...byStatus].sort(([a], [b]) => a - b)) {
    if (out[status]) continue;
    out[status] = {
      description: codes.map((code) => `\`${code}\`: ${ERROR_TABLE[code].title}.`).join(' '),
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    };
  }
  return out;
}

/** A stream is a sequence of these; JSON Schema has no word for that. */
const EVENTS = {
  description: 'Server-sent events: lines of `id`, `event` and `data`, each event ended by an empty line.',
};

const WEBHOOK_HEADERS = [
  ['webhook-id', 'The same for every try: what was handled once is not handled again'],
  ['webhook-timestamp', 'Unix seconds; refuse what is older than five minutes'],
  [
    'webhook-signature',
    '`v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`; several while a secret rotates',
  ],
] as const;

function webhookOperation(name: string, spec: WebhookSpec, convert: Convert): Record<string, unknown> {
  return {
    operationId: `${name.replace(/\W(\w)/g, (_, letter: string) => letter.toUpperCase())}Webhook`,
    summary: spec.summary,
    description: spec.description,
    tags: ['Webhooks'],
    security: [],
    parameters: WEBHOOK_HEADERS.map(([header, description]) => ({
      name: header,
      in: 'header',
      required: true,
      description,
      schema: { type: 'string' },
    })),
    requestBody: {
      required: true,
      content: { 'application/json': { schema: convert(spec.body, 'output') } },
    },
    responses: {
      '2XX': { description: 'Received. Anything else, or no answer in time, is tried again later.' },
      '410': { description: 'No more of this: it is not tried again, and a subscription ends.' },
    },
  };
}

/** The OpenAPI 3.1 document of a list of routes; the same schemas that validate, so that it cannot lie. */
export function buildOpenApi(routes: readonly Route[], info: OpenApiInfo): OpenApiDocument {
  const { components, convert } = createSchemaCollector();
  const paths: OpenApiDocument['paths'] = {};
  const kinds = new Set<Exclude<AuthKind, 'public'>>();
  for (const route of routes.filter((r) => !r.hidden)) {
    const security = route.auth.map((kind) => {
      if (kind === 'public') return {};
      kinds.add(kind);
      return { [kind]: [] };
    });
    const operation: Record<string, unknown> = {
      operationId: route.operationId,
      summary: route.summary,
      ...(route.description ? { description: route.description } : {}),
      tags: [...route.tags],
      security,
      ...(route.scopes?.length ? { 'x-required-scopes': [...route.scopes] } : {}),
      ...(route.deprecated ? { deprecated: true } : {}),
      ...route.extensions,
    };
    const example = info.examples?.[route.operationId];
    const parameters = parametersOf(route, convert, example);
    if (parameters.length > 0) operation.parameters = parameters;
    if (route.body) {
      operation.requestBody = {
        required: true,
        content: {
          [route.bodyType ?? 'application/json']: {
            schema: convert(route.body, 'input'),
            ...(example?.body === undefined ? {} : { example: example.body }),
          },
        },
      };
    }
    operation.responses = responsesOf(route, convert);
    paths[route.path] = { ...paths[route.path], [route.method]: operation };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: info.title,
      version: info.version,
      description: info.description,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [...(info.servers ?? [{ url: '/', description: 'This server' }])],
    tags: [
      ...(info.tags ??
        [...new Set(routes.filter((r) => !r.hidden).flatMap((r) => r.tags))].map((name) => ({
          name,
          description: name,
        }))),
    ],
    paths,
    ...(info.webhooks
      ? {
          webhooks: Object.fromEntries(
            Object.entries(info.webhooks).map(([name, spec]) => [
              name,
              { post: webhookOperation(name, spec, convert) },
            ]),
          ),
        }
      : {}),
    components: {
      schemas: Object.fromEntries(Object.entries(components).sort(([a], [b]) => (a < b ? -1 : 1))),
      securitySchemes: Object.fromEntries([...kinds].sort().map((kind) => [kind, SECURITY[kind]])),
    },
  };
}
