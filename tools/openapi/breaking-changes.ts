import type { OpenApiDocument } from '../../lib/http/openapi.ts';

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

/** Follows `$ref` inside one document. */
function resolve(document: Json, schema: unknown): Json {
  let at = schema;
  for (let hops = 0; isObject(at) && typeof at.$ref === 'string' && hops < 20; hops++) {
    at = at.$ref
      .slice(2)
      .split('/')
      .reduce<unknown>((value, part) => (isObject(value) ? value[part] : undefined), document);
  }
  return isObject(at) ? at : {};
}

const typesOf = (schema: Json): string[] =>
  (Array.isArray(schema.type) ? schema.type : schema.type === undefined ? [] : [schema.type]).map(String);

/** Schemas nest, and some hold themselves. */
const MAX_DEPTH = 12;

/**
 * What a client that was written for `before` cannot live with in `after`.
 * @param direction `request`: clients send it, so nothing may become required, narrower or unknown;
 *   `response`: clients read it, so nothing they may rely on may vanish or change its type.
 */
function compareSchemas(
  [before, a]: [Json, unknown],
  [after, b]: [Json, unknown],
  direction: 'request' | 'response',
  where: string,
  depth = 0,
): string[] {
  if (depth > MAX_DEPTH) return [];
  const [old, now] = [resolve(before, a), resolve(after, b)];
  const found: string[] = [];
  const [oldTypes, newTypes] = [typesOf(old), typesOf(now)];
  if (oldTypes.length > 0 && newTypes.length > 0) {
    const lost =
      direction === 'request'
        ? oldTypes.filter((t) => !newTypes.includes(t))
        : newTypes.filter((t) => !oldTypes.includes(t));
    if (lost.length > 0) found.push(`${where}: type changed from ${oldTypes} to ${newTypes}`);
  }
  const [oldEnum, newEnum] = [old.enum, now.enum];
  if (direction === 'request' && Array.isArray(oldEnum) && Array.isArray(newEnum)) {
    for (const value of oldEnum)
      if (!newEnum.includes(value)) found.push(`${where}: value ${value} is not accepted any more`);
  }
  const [oldProperties, newProperties] = [old.properties, now.properties];
  if (isObject(oldProperties) && isObject(newProperties)) {
    const required = (schema: Json): unknown[] => (Array.isArray(schema.required) ? schema.required : []);
    for (const [name, property] of Object.entries(oldProperties)) {
      const at = `${where}/${name}`;
      if (!(name in newProperties)) {
        if (direction === 'response' || now.additionalProperties === false) found.push(`${at}: removed`);
        continue;
      }
      if (direction === 'response' && required(old).includes(name) && !required(now).includes(name)) {
        found.push(`${at}: may be missing now`);
      }
      found.push(
        ...compareSchemas([before, property], [after, newProperties[name]], direction, at, depth + 1),
      );
    }
    if (direction === 'request') {
      for (const name of required(now)) {
        if (!required(old).includes(name)) found.push(`${where}/${name}: required now`);
      }
    }
  }
  if (old.items && now.items) {
    found.push(
      ...compareSchemas([before, old.items], [after, now.items], direction, `${where}[]`, depth + 1),
    );
  }
  return found;
}

const contentOf = (holder: unknown): Json => {
  const content = isObject(holder) && isObject(holder.content) ? holder.content : {};
  const [first] = Object.values(content);
  return isObject(first) && isObject(first.schema) ? first.schema : {};
};

/** Every breaking change from one published document to the next, one line each. */
export function breakingChanges(before: OpenApiDocument, after: OpenApiDocument): string[] {
  const found: string[] = [];
  for (const [path, methods] of Object.entries(before.paths)) {
    for (const [method, old] of Object.entries(methods)) {
      const where = `${method.toUpperCase()} ${path}`;
      const now = after.paths[path]?.[method];
      if (!now) {
        found.push(`${where}: removed`);
        continue;
      }
      const parameters = (operation: Json): Json[] =>
        Array.isArray(operation.parameters) ? operation.parameters.filter(isObject) : [];
      for (const parameter of parameters(old)) {
        const same = parameters(now).find((p) => p.name === parameter.name && p.in === parameter.in);
        const at = `${where} ${parameter.in} ${parameter.name}`;
        if (!same) found.push(`${at}: removed`);
        else found.push(...compareSchemas([before, parameter.schema], [after, same.schema], 'request', at));
      }
      for (const parameter of parameters(now)) {
        const known = parameters(old).find((p) => p.name === parameter.name && p.in === parameter.in);
        if (parameter.required === true && known?.required !== true) {
          found.push(`${where} ${parameter.in} ${parameter.name}: required now`);
        }
      }
      found.push(
        ...compareSchemas(
          [before, contentOf(old.requestBody)],
          [after, contentOf(now.requestBody)],
          'request',
          `${where} body`,
        ),
      );
      const [oldResponses, newResponses] = [old.responses, now.responses];
      if (!isObject(oldResponses) || !isObject(newResponses)) continue;
      for (const [status, response] of Object.entries(oldResponses)) {
        if (!status.startsWith('2')) continue;
        if (!(status in newResponses)) found.push(`${where}: no longer answers ${status}`);
        else {
          const [x, y] = [contentOf(response), contentOf(newResponses[status])];
          found.push(...compareSchemas([before, x], [after, y], 'response', `${where} ${status}`));
        }
      }
      const scopes = (operation: Json): unknown[] =>
        Array.isArray(operation['x-required-scopes']) ? operation['x-required-scopes'] : [];
      for (const scope of scopes(now)) {
        if (!scopes(old).includes(scope)) found.push(`${where}: needs the scope ${scope} now`);
      }
    }
  }
  return found;
}
