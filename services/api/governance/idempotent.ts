import { createHash } from 'node:crypto';
import type { Transaction } from 'kysely';
import { z } from 'zod';
import { type Principal, type Reply, reply } from '../../../lib/http/route.ts';
import { requireIdempotencyKey, withIdempotency } from '../../../lib/idempotency.ts';
import type { Postgres } from '../../../lib/postgres.ts';
import type { ApiDatabase } from '../database.ts';
import { principalKey } from './authorise.ts';

/** Of every POST that creates. Missing or malformed is answered by {@link requireIdempotencyKey} in its own words. */
export const idempotencyHeaders = z.object({
  // Required in the document; absence is answered by requireIdempotencyKey, which says what to do.
  'idempotency-key': z
    .preprocess((value) => value ?? '', z.string())
    .meta({
      minLength: 8,
      maxLength: 200,
      pattern: '^[\\x21-\\x7e]+$',
      description: 'A new UUID for each new intent; the same key again answers the first answer again.',
      examples: ['0199c3a4-6a7e-7000-8000-2f1f5a3b9c01'],
    }),
});

export const idempotencyErrors = [
  'idempotency_key_required',
  'idempotency_key_reused',
  'idempotency_in_progress',
] as const;

/** Says on a replayed answer that nothing was done a second time. */
export const REPLAYED_HEADER = 'idempotency-replayed';

/**
 * A key for another service that no other principal or operation of ours can produce, from what the client sent.
 * It is the same for every retry, on whichever replica.
 */
export function scopedKey(principal: Principal, operation: string, key: string): string {
  return createHash('sha256')
    .update(`${principalKey(principal)}\n${operation}\n${key}`)
    .digest('hex');
}

interface Keyed {
  readonly principal: Principal;
  readonly headers: { 'idempotency-key': string | undefined };
  readonly body: unknown;
}

/** The client's key, checked, and its scoped form. */
export function keyOf(context: Keyed, operation: string): { key: string; scoped: string } {
  const key = requireIdempotencyKey(context.headers['idempotency-key']);
  return { key, scoped: scopedKey(context.principal, operation, key) };
}

interface Effect<T> {
  /**
   * Runs first and outside the database transaction: whatever asks other services. No connection is held while they
   * answer, and nothing of it needs undoing. It is skipped when the answer is known already.
   */
  readonly prepare: () => Promise<T>;
  /** Runs in the transaction that also records the answer; only the database from here on. */
  readonly act: (trx: Transaction<ApiDatabase>, prepared: T) => Promise<{ status: number; body: unknown }>;
}

export type RunIdempotent = ReturnType<typeof createIdempotent>;

/** Not an answer: the key is new. */
class NotYet extends Error {}

type Database = Pick<Postgres<ApiDatabase>, 'transaction'>;
type Make = (trx: Transaction<ApiDatabase>) => Promise<{ status: number; body: unknown }>;

/** The record of one keyed request. */
function recordOf(postgres: Database, context: Keyed, operation: string, fingerprint: unknown) {
  const { key, scoped } = keyOf(context, operation);
  const request = { principal: principalKey(context.principal), operation, key, body: fingerprint ?? null };
  /** The answer of the first time, which is this one when there was none. */
  const keep = (make: Make) => postgres.transaction((trx) => withIdempotency(trx, request, () => make(trx)));
  return {
    scoped,
    keep,
    async known() {
      try {
        return await keep(() => Promise.reject(new NotYet()));
      } catch (error) {
        if (error instanceof NotYet) return undefined;
        throw error;
      }
    },
  };
}

const told = (answer: { status: number; body: unknown; replayed: boolean }): Reply =>
  reply(answer.status, answer.body, answer.replayed ? { [REPLAYED_HEADER]: 'true' } : {});

/**
 * Runs a creating request at most once per principal and key. The effect is made in the same database transaction as
 * the record of its answer: a crash leaves both or neither.
 */
export function createIdempotent(postgres: Database) {
  return async <T>(
    context: Keyed,
    operation: string,
    effect: Effect<T> | Make,
    /** What distinguishes one request from another; by default its body. */
    fingerprint: unknown = context.body,
  ): Promise<Reply> => {
    const record = recordOf(postgres, context, operation, fingerprint);
    if (typeof effect === 'function') return told(await record.keep(effect));
    const known = await record.known();
    if (known) return told(known);
    const prepared = await effect.prepare();
    return told(await record.keep((trx) => effect.act(trx, prepared)));
  };
}

export type RunIdempotentOutside = ReturnType<typeof createIdempotentOutside>;

/**
 * The same promise for effects that are idempotent by nature and must not run inside a database transaction (they
 * call other services, or open transactions of their own). Two requests at once may both act; both get one answer.
 */
export function createIdempotentOutside(postgres: Database) {
  return async (
    context: Keyed,
    operation: string,
    act: (scoped: string) => Promise<{ status: number; body: unknown }>,
    fingerprint: unknown = context.body,
  ): Promise<Reply> => {
    const record = recordOf(postgres, context, operation, fingerprint);
    const known = await record.known();
    if (known) return told(known);
    const made = await act(record.scoped);
    const { status, body } = await record.keep(async () => made);
    return reply(status, body);
  };
}
