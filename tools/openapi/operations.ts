import type { OpenApiDocument } from '../../lib/http/openapi.ts';

export type Json = Record<string, unknown>;
export const isObject = (value: unknown): value is Json =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

export interface Operation {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly summary: string;
  readonly deprecated: boolean;
  readonly pathParameters: readonly string[];
  readonly query: readonly { name: string; required: boolean; schema: Json; description: string }[];
  readonly body: Json | undefined;
  readonly answer: Json | undefined;
  readonly idempotent: boolean;
  /** Name of the schema of each event, where the answer is a stream of them. */
  readonly events: string | undefined;
}

const schemaOf = (holder: unknown, type: string): Json | undefined => {
  const content = isObject(holder) && isObject(holder.content) ? holder.content[type] : undefined;
  return isObject(content) && isObject(content.schema) ? content.schema : undefined;
};

/** The operations that SDKs offer: JSON in, JSON or events out. OAuth forms are handled by hand. */
export function operationsOf(document: OpenApiDocument): Operation[] {
  return Object.entries(document.paths)
    .flatMap(([path, methods]) =>
      Object.entries(methods).flatMap(([method, op]): Operation[] => {
        const parameters = (Array.isArray(op.parameters) ? op.parameters : []).filter(isObject);
        const responses = isObject(op.responses) ? op.responses : {};
        const ok = Object.entries(responses).find(([status]) => status.startsWith('2'))?.[1];
        const content = isObject(ok) && isObject(ok.content) ? Object.keys(ok.content) : [];
        const events = typeof op['x-event-data'] === 'string' ? op['x-event-data'] : undefined;
        if (events === undefined && content.some((type) => !type.endsWith('json'))) return [];
        if (path.startsWith('/v1/oauth/')) return [];
        return [
          {
            id: String(op.operationId),
            method: method.toUpperCase(),
            path,
            summary: String(op.summary ?? ''),
            deprecated: op.deprecated === true,
            pathParameters: parameters.filter((p) => p.in === 'path').map((p) => String(p.name)),
            query: parameters
              .filter((p) => p.in === 'query')
              .map((p) => ({
                name: String(p.name),
                required: p.required === true,
                schema: isObject(p.schema) ? p.schema : {},
                description: String(p.description ?? ''),
              })),
            body: schemaOf(op.requestBody, 'application/json'),
            answer: schemaOf(ok, 'application/json'),
            idempotent: parameters.some((p) => p.name === 'idempotency-key'),
            events,
          },
        ];
      }),
    )
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}
