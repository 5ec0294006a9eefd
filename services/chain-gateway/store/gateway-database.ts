import { type RawBuilder, sql, type Transaction } from 'kysely';
import type { Executor, Postgres } from '../../../lib/postgres.ts';

/**
 * The tables of schema `gateway` are reached by hand-written SQL (set-based statements, locks, json record sets), so
 * the query builder needs no table types; each store types its rows.
 */
// biome-ignore lint/complexity/noBannedTypes: no table is known to the builder on purpose.
export type GatewayTables = {};
export type GatewayPostgres = Postgres<GatewayTables>;
export type GatewayExecutor = Executor<GatewayTables>;
export type GatewayTransaction = Transaction<GatewayTables>;

/** Rows as one json parameter, for `jsonb_to_recordset`. Bigints become strings, which Postgres casts. */
export const jsonRows = (rows: readonly object[]): RawBuilder<unknown> =>
  sql`${JSON.stringify(rows, (_key, value) => (typeof value === 'bigint' ? value.toString() : value))}::jsonb`;
