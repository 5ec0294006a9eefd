import protobuf from 'protobufjs';
import * as protojsonModule from 'protobufjs/ext/protojson.js';
import { AppError, type FieldError } from '../../../../lib/errors.ts';
import { nearest } from '../../../../lib/nearest.ts';
import type { ServiceMethod } from './service-methods.ts';

// A CommonJS module whose names Node does not see: they are members of its default export.
const { fromJson, toJson } = (protojsonModule as unknown as { default: typeof protojsonModule }).default;

/** Most problems that are listed at once; a wrong type in a list of thousands says the same thousands of times. */
const MAX_PROBLEMS = 20;

/**
 * A request in the JSON mapping of protobuf (https://protobuf.dev/programming-guides/json/) as bytes.
 * @throws AppError invalid_argument with the path of each field that does not fit and what is expected there;
 *   body_too_large
 */
export function encodeRequest(method: ServiceMethod, json: unknown, maxBytes: number): Buffer {
  let message: protobuf.Message;
  try {
    message = fromJson(method.request, json);
  } catch (cause) {
    const errors = [...problemsOf(method.request, json, '')].slice(0, MAX_PROBLEMS);
    const first = errors[0];
    throw new AppError(
      'invalid_argument',
      first
        ? `The body does not fit ${nameOf(method.request)} at ${first.pointer || 'its root'}: ${first.detail}`
        : `The body does not fit ${nameOf(method.request)}: ${(cause as Error).message}`,
      { ...(errors.length > 0 ? { errors } : {}), cause },
    );
  }
  const bytes = Buffer.from(method.request.encode(message).finish());
  if (bytes.length > maxBytes) {
    throw new AppError(
      'body_too_large',
      `The request has ${bytes.length} bytes as protobuf; this service takes messages of at most ${maxBytes}.`,
    );
  }
  return bytes;
}

/** An answer as JSON. @throws AppError dependency_unavailable when the bytes are no such message */
export function decodeAnswer(method: ServiceMethod, bytes: Uint8Array): unknown {
  try {
    return toJson(method.response, method.response.decode(bytes));
  } catch (cause) {
    throw new AppError(
      'dependency_unavailable',
      `The service answered bytes that are no ${nameOf(method.response)}; its message types have changed.`,
      { cause },
    );
  }
}

const nameOf = (type: protobuf.ReflectionObject): string => type.fullName.replace(/^\./, '');

const shapeOf = (value: unknown): string =>
  value === null
    ? 'null'
    : Array.isArray(value)
      ? 'a list'
      : typeof value === 'object'
        ? 'an object'
        : `a ${typeof value}`;

/** What a scalar type takes in JSON, and whether a value is that. */
const SCALARS: Readonly<Record<string, readonly [expected: string, fits: (v: unknown) => boolean]>> = (() => {
  const integer =
    (min: bigint, max: bigint) =>
    (v: unknown): boolean => {
      if (typeof v === 'number' && !Number.isInteger(v)) return false;
      if (typeof v === 'string' && !/^-?\d+(\.0+)?$/.test(v)) return false;
      if (typeof v !== 'number' && typeof v !== 'string') return false;
      const n = BigInt(typeof v === 'number' ? v : (v.split('.')[0] as string));
      return n >= min && n <= max;
    };
  const i32 = [
    'a whole number from -2147483648 to 2147483647',
    integer(-(2n ** 31n), 2n ** 31n - 1n),
  ] as const;
  const u32 = ['a whole number from 0 to 4294967295', integer(0n, 2n ** 32n - 1n)] as const;
  const i64 = [
    'a whole number of 64 bits, as a string when it is large',
    integer(-(2n ** 63n), 2n ** 63n - 1n),
  ] as const;
  const u64 = [
    'a whole number of 64 bits from 0, as a string when it is large',
    integer(0n, 2n ** 64n - 1n),
  ] as const;
  const float = [
    'a number, or "NaN", "Infinity", "-Infinity"',
    (v: unknown) =>
      typeof v === 'number' ||
      (typeof v === 'string' &&
        (/^-?(NaN|Infinity)$/.test(v) || (v.trim() !== '' && !Number.isNaN(Number(v))))),
  ] as const;
  return {
    int32: i32,
    sint32: i32,
    sfixed32: i32,
    uint32: u32,
    fixed32: u32,
    int64: i64,
    sint64: i64,
    sfixed64: i64,
    uint64: u64,
    fixed64: u64,
    float,
    double: float,
    bool: ['true or false', (v: unknown) => typeof v === 'boolean'],
    string: ['a string', (v: unknown) => typeof v === 'string'],
    bytes: ['bytes in Base64', (v: unknown) => typeof v === 'string' && /^[A-Za-z0-9+/_-]*={0,2}$/.test(v)],
  } as const;
})();

/** Walks JSON along a message type and tells everything that does not fit. */
function* problemsOf(type: protobuf.Type, json: unknown, at: string): Generator<FieldError> {
  // Well-known types have spellings of their own; the converter judges them.
  if (nameOf(type).startsWith('google.protobuf.')) return;
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    yield {
      pointer: at,
      rule: 'type',
      detail: `expected an object (${nameOf(type)}), found ${shapeOf(json)}`,
    };
    return;
  }
  const byName = new Map<string, protobuf.Field>();
  for (const field of type.fieldsArray) {
    const { jsonName, protoName } = field as protobuf.Field & { jsonName?: string; protoName?: string };
    for (const name of [field.name, jsonName, protoName]) if (name) byName.set(name, field.resolve());
  }
  const seen = new Map<string, string>();
  for (const [key, value] of Object.entries(json)) {
    const pointer = `${at}/${key.replace(/~/g, '~0').replace(/\//g, '~1')}`;
    const field = byName.get(key);
    if (!field) {
      const known = type.fieldsArray.map((f) => f.name);
      const guess = nearest(key, known);
      yield {
        pointer,
        rule: 'unknown',
        detail: `${nameOf(type)} has no field ${key}; ${guess ? `did you mean ${guess}?` : `it has: ${known.join(', ') || 'none'}`}`,
      };
      continue;
    }
    if (value === null) continue;
    const group = field.partOf?.name;
    const other = group === undefined ? undefined : seen.get(group);
    if (other !== undefined)
      yield {
        pointer,
        rule: 'oneof',
        detail: `only one of ${group} may be set, and ${other} is set already`,
      };
    if (group !== undefined) seen.set(group, key);
    yield* problemsOfField(field, value, pointer);
  }
}

function* problemsOfField(field: protobuf.Field, value: unknown, at: string): Generator<FieldError> {
  if (field.map) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      yield { pointer: at, rule: 'type', detail: `expected an object (a map), found ${shapeOf(value)}` };
      return;
    }
    for (const [key, item] of Object.entries(value)) yield* problemsOfValue(field, item, `${at}/${key}`);
    return;
  }
  if (!field.repeated) return yield* problemsOfValue(field, value, at);
  if (!Array.isArray(value)) {
    yield { pointer: at, rule: 'type', detail: `expected a list, found ${shapeOf(value)}` };
    return;
  }
  for (const [index, item] of value.entries()) yield* problemsOfValue(field, item, `${at}/${index}`);
}

function* problemsOfValue(field: protobuf.Field, value: unknown, at: string): Generator<FieldError> {
  const resolved = field.resolvedType;
  if (resolved instanceof protobuf.Type) return yield* problemsOf(resolved, value, at);
  if (resolved instanceof protobuf.Enum) {
    const names = Object.keys(resolved.values);
    if (typeof value === 'number' && Number.isInteger(value)) return;
    if (typeof value === 'string' && names.includes(value)) return;
    const guess = typeof value === 'string' ? nearest(value, names) : undefined;
    yield {
      pointer: at,
      rule: 'enum',
      detail: `expected one of ${names.join(', ')}${guess ? `; did you mean ${guess}?` : `; found ${shapeOf(value)}`}`,
    };
    return;
  }
  const scalar = SCALARS[field.type];
  if (scalar && !scalar[1](value))
    yield { pointer: at, rule: 'type', detail: `expected ${scalar[0]}, found ${shapeOf(value)}` };
}
