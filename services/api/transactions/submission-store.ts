import type { Generated } from 'kysely';
import type { Db } from '../database.ts';

/** A transaction that a person signed herself; saved before it is broadcast. */
export interface SubmittedTransactionTable {
  id: string;
  principal: string;
  chain_id: number;
  hash: string;
  raw: string;
  from_address: string;
  to_address: string | null;
  value: string;
  nonce: string;
  data_selector: string | null;
  created_at: Generated<Date>;
}

export const submittedTransactionsSql = `
CREATE TABLE submitted_transactions (
  id text PRIMARY KEY,
  principal text NOT NULL,
  chain_id bigint NOT NULL,
  hash text NOT NULL UNIQUE,
  raw text NOT NULL,
  from_address text NOT NULL,
  to_address text,
  value numeric(78, 0) NOT NULL,
  nonce bigint NOT NULL,
  data_selector text,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX submitted_transactions_principal ON submitted_transactions (principal, id DESC);
`;

export interface Submitted {
  readonly id: string;
  readonly principal: string;
  readonly hash: string;
  readonly raw: string;
  readonly from: string;
  readonly to: string | null;
  readonly value: string;
  readonly nonce: number;
  readonly createdAt: Date;
}

const COLUMNS = [
  'id',
  'principal',
  'hash',
  'raw',
  'from_address as from',
  'to_address as to',
  'value',
  'nonce',
  'created_at as createdAt',
] as const;
const toSubmitted = (row: Omit<Submitted, 'nonce'> & { nonce: unknown }): Submitted => ({
  ...row,
  nonce: Number(row.nonce),
});

export type SubmissionStore = ReturnType<typeof createSubmissionStore>;

export function createSubmissionStore(db: Db) {
  return {
    /** @returns the row with this hash, which may be an earlier one. */
    async add(
      entry: Omit<Submitted, 'createdAt'> & { chainId: number; selector: string | null },
    ): Promise<Submitted> {
      await db
        .insertInto('submitted_transactions')
        .values({
          id: entry.id,
          principal: entry.principal,
          chain_id: entry.chainId,
          hash: entry.hash,
          raw: entry.raw,
          from_address: entry.from,
          to_address: entry.to,
          value: entry.value,
          nonce: String(entry.nonce),
          data_selector: entry.selector,
        })
        .onConflict((conflict) => conflict.column('hash').doNothing())
        .execute();
      const row = await db
        .selectFrom('submitted_transactions')
        .select(COLUMNS)
        .where('hash', '=', entry.hash)
        .executeTakeFirstOrThrow();
      return toSubmitted(row);
    },
    async find(id: string): Promise<Submitted | undefined> {
      const row = await db
        .selectFrom('submitted_transactions')
        .select(COLUMNS)
        .where('id', '=', id)
        .executeTakeFirst();
      return row && toSubmitted(row);
    },
    /** Newest first: ids sort by time. */
    async list(principal: string, before: string | undefined, limit: number): Promise<Submitted[]> {
      let query = db
        .selectFrom('submitted_transactions')
        .select(COLUMNS)
        .where('principal', '=', principal)
        .orderBy('id', 'desc')
        .limit(limit);
      if (before !== undefined) query = query.where('id', '<', before);
      return (await query.execute()).map(toSubmitted);
    },
  };
}
