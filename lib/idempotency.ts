import { createHash } from 'node:crypto';
import { type Kysely, sql, type Transaction } from 'kysely';
import { AppError } from './errors.ts';

/**
 * The table behind `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): add this SQL to the migrations of
 * the service that uses {@link withIdempotency}.
 */
export const idempotencyTableSql = `
create table idempotency_keys (
  principal text not null,
  operation text not null,
  key text not null,
  request_hash text not null,
  status integer not null,
  body jsonb,
  created_at timestamptz not null default now(),
  primary key (principal, operation, key)
);
create index idempotency_keys_created_at on idempotency_keys (created_at);
`;

/** A key is kept at least this long; clients must not replay after it. */
export const IDEMPOTENCY_RETENTION_MS = 7 * 24 * 60 * 60 * 1000;

/** Printable ASCII without blanks: a UUID is best. */
const KEY = /^[\x21-\x7e]{8,200}$/;

/** JSON with sorted keys, so that the same request in another key order has the same hash. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value && typeof value === 'object') {
    const entries = Object.entries(value).filter(([, v]) => v !== undefined);
    entries.sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([k, v]) => `${JSON.stringify(k)}:${canonical(v)}`).join(',')}}`;
  }
  return JSON.stringify(value, (_key, v) => (typeof v === 'bigint' ? v.toString() : v)) ?? 'null';
}

/** The fingerprint of a parsed request body. */
export const requestHash = (body: unknown): string =>
  createHash('sha256').update(canonical(body)).digest('hex');

/** @throws AppError `idempotency_key_required` or `invalid_request` */
export function requireIdempotencyKey(header: string | undefined): string {
  if (header === undefined || header === '') {
    throw new AppError(
      'idempotency_key_required',
      'Send an Idempotency-Key header (a new UUID for each new intent), so that a retry cannot act twice.',
      {
        errors: [{ pointer: 'header:idempotency-key', rule: 'required', detail: 'Required, and missing.' }],
      },
    );
  }
  if (!KEY.test(header)) {
    throw new AppError(
      'invalid_request',
      'The Idempotency-Key must be 8 to 200 printable ASCII characters without blanks; a UUID is best.',
      {
        errors: [
          {
            pointer: 'header:idempotency-key',
            rule: 'format',
            detail: 'Expected 8 to 200 printable ASCII characters.',
          },
        ],
      },
    );
  }
  return header;
}

export interface IdempotentAnswer {
  readonly status: number;
  readonly body: unknown;
}

/**
 * Runs `act` at most once per (principal, operation, key), inside the caller's transaction: the effect and the record
 * of its answer commit together or not at all, so that a crash in between leaves neither.
 *
 * - same key, same body: the first answer again, `replayed: true`;
 * - same key, other body: AppError `idempotency_key_reused` (422);
 * - the first one still runs elsewhere: AppError `idempotency_in_progress` (409).
 *
 * An error thrown by `act` is not recorded: the client may try again with the same key.
 */
export async function withIdempotency<DB>(
  // biome-ignore lint/suspicious/noExplicitAny: any schema that has the table; kysely's generics cannot say so.
  trx: Transaction<DB> | Transaction<any>,
  request: { principal: string; operation: string; key: string; body: unknown },
  act: () => Promise<IdempotentAnswer>,
): Promise<IdempotentAnswer & { replayed: boolean }> {
  const { principal, operation, key } = request;
  const hash = requestHash(request.body);
  // The lock ends with the transaction: two requests with one key cannot both pass the look-up below.
  const lock = await sql<{ locked: boolean }>`
    select pg_try_advisory_xact_lock(hashtextextended(${`${principal}\n${operation}\n${key}`}, 0)) as locked`.execute(
    trx,
  );
  if (!lock.rows[0]?.locked) {
    throw new AppError(
      'idempotency_in_progress',
      'A request with this Idempotency-Key is still being handled; ask again shortly.',
      { retryAfterSeconds: 1 },
    );
  }
  const { rows } = await sql<{ request_hash: string; status: number; body: unknown }>`
    select request_hash, status, body from idempotency_keys
    where principal = ${principal} and operation = ${operation} and key = ${key}`.execute(trx);
  const [known] = rows;
  if (known) {
    if (known.request_hash !== hash) {
      throw new AppError(
        'idempotency_key_reused',
        'This Idempotency-Key was used with a different request. Use a new key for a new intent.',
        {
          errors: [
            { pointer: 'header:idempotency-key', rule: 'reused', detail: 'Belongs to another request body.' },
          ],
        },
      );
    }
    return { status: known.status, body: known.body, replayed: true };
  }
  const answer = await act();
  await sql`
    insert into idempotency_keys (principal, operation, key, request_hash, status, body)
    values (${principal}, ${operation}, ${key}, ${hash}, ${answer.status}, ${JSON.stringify(answer.body ?? null)}::jsonb)`.execute(
    trx,
  );
  return { ...answer, replayed: false };
}

/** Deletes keys past their retention; call it now and then. @returns how many were deleted (at most `limit`). */
export async function pruneIdempotencyKeys(
  // biome-ignore lint/suspicious/noExplicitAny: see withIdempotency.
  db: Kysely<any>,
  now: number,
  limit = 1_000,
): Promise<number> {
  const before = new Date(now - IDEMPOTENCY_RETENTION_MS);
  const result = await sql`
    delete from idempotency_keys where ctid in (
      select ctid from idempotency_keys where created_at < ${before} limit ${limit})`.execute(db);
  return Number(result.numAffectedRows ?? 0);
}
