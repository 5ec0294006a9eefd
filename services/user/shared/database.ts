import type { RawBuilder } from 'kysely';
import type { Executor, Postgres } from '../../../lib/postgres.ts';

/** The schema that the user service owns. */
export const USER_SCHEMA = 'users';

/** Queries are written in SQL with typed rows, so the table types stay open. */
export type Db = Executor<unknown>;
export type UserPostgres = Postgres<unknown>;

/** All rows of a query. */
export async function rows<R>(db: Db, query: RawBuilder<R>): Promise<R[]> {
  return (await query.execute(db)).rows;
}

/** The first row of a query, or undefined. */
export async function first<R>(db: Db, query: RawBuilder<R>): Promise<R | undefined> {
  return (await query.execute(db)).rows[0];
}

/** How many rows a statement changed. */
export async function affected(db: Db, query: RawBuilder<unknown>): Promise<number> {
  return Number((await query.execute(db)).numAffectedRows ?? 0n);
}
