import { z } from 'zod';
import { AppError, type FieldError } from '../errors.ts';
import { nearest } from '../nearest.ts';

type Place = 'body' | 'query' | 'path' | 'header';

function pointer(place: Place, path: readonly PropertyKey[]): string {
  if (place === 'body')
    return path.map((part) => `/${String(part).replace(/~/g, '~0').replace(/\//g, '~1')}`).join('') || '/';
  const name = path.map(String).join('.');
  return { query: `?${name}`, path: `{${name}}`, header: `header:${name}` }[place];
}

/** The shape of a value in words, never the value: it may be a secret or personal. */
export function shapeOf(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'string')
    return value === '' ? 'an empty string' : `a string of ${value.length} characters`;
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'number') return Number.isInteger(value) ? 'a whole number' : 'a number';
  return `a ${typeof value}`;
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const part of path) {
    if (value === null || typeof value !== 'object') return undefined;
    value = (value as Record<PropertyKey, unknown>)[part];
  }
  return value;
}

function knownKeys(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let at: unknown = schema;
  for (const part of path) {
    at =
      at instanceof z.ZodObject ? at.shape[String(part)] : at instanceof z.ZodArray ? at.element : undefined;
    while (at instanceof z.ZodOptional || at instanceof z.ZodNullable || at instanceof z.ZodDefault)
      at = at.unwrap();
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

type Issue = z.core.$ZodIssue;

function toFieldErrors(issue: Issue, place: Place, schema: z.ZodType, input: unknown): FieldError[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const guess = nearest(key, knownKeys(schema, issue.path));
      return {
        pointer: pointer(place, [...issue.path, key]),
        rule: 'unknown',
        detail: `There is no ${place === 'query' ? 'query parameter' : 'field'} of this name${guess ? `; did you mean "${guess}"?` : '.'}`,
      };
    });
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    // Of several alternatives, explain the one that came closest: the fewest complaints.
    const closest = [...issue.errors].sort((a, b) => a.length - b.length)[0] ?? [];
    const inner = closest.flatMap((e) =>
      toFieldErrors({ ...e, path: [...issue.path, ...e.path] } as Issue, place, schema, input),
    );
    if (inner.length > 0) return inner;
  }
  const value = valueAt(input, issue.path);
  const missing = value === undefined;
  return [
    {
      pointer: pointer(place, issue.path),
      rule: missing
        ? 'required'
        : issue.code === 'custom'
          ? 'format'
          : issue.code.replace('invalid_', '').replace('too_', 'too-'),
      detail: missing
        ? 'Required, and missing.'
        : `${issue.message.replace(/\.$/, '')}; got ${shapeOf(value)}.`,
    },
  ];
}

/** At most this many complaints per answer: the rest would not help, and the answer stays bounded. */
const MAX_FIELD_ERRORS = 20;

/**
 * Parses one part of a request.
 * @throws AppError `invalid_request` with one field error for each thing that is wrong.
 */
export function parsePart(schema: z.ZodType | undefined, input: unknown, place: Place): unknown {
  if (schema === undefined) {
    if (place === 'query' && input && typeof input === 'object') {
      const first = Object.keys(input)[0];
      if (first !== undefined) {
        throw new AppError(
          'invalid_request',
          `This resource takes no query parameters; remove "${first.slice(0, 64)}".`,
          {
            errors: Object.keys(input)
              .slice(0, MAX_FIELD_ERRORS)
              .map((key) => ({
                pointer: pointer('query', [key]),
                rule: 'unknown',
                detail: 'There is no query parameter of this name.',
              })),
          },
        );
      }
    }
    return undefined;
  }
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues
    .flatMap((issue) => toFieldErrors(issue, place, schema, input))
    .slice(0, MAX_FIELD_ERRORS);
  const first = errors[0];
  throw new AppError(
    'invalid_request',
    first ? `${first.pointer}: ${first.detail}` : 'The request is not valid.',
    { errors },
  );
}
