import { Kysely, PostgresDialect, sql, type Transaction } from 'kysely';
import pg from 'pg';
import { AppError } from './errors.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import { queryTracer } from './tracing/query-tracer.ts';
import { activeTracer } from './tracing/tracer.ts';

/** A database handle or a transaction: stores take this, and the caller decides which (an explicit parameter). */
export type Executor<DB> = Kysely<DB> | Transaction<DB>;

export interface Postgres<DB> {
  readonly db: Kysely<DB>;
  readonly pool: pg.Pool;
  readonly schema: string;
  /** Runs `fn` in one transaction, retried when Postgres asks for it (serialisation failure, deadlock). */
  transaction<T>(fn: (trx: Transaction<DB>) => Promise<T>): Promise<T>;
  /** Rejects when no query can be answered. */
  ping(signal?: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export interface PostgresOptions {
  readonly url: string;
  /** The schema that the service owns; the only one on its search path. */
  readonly schema: string;
  readonly log: Logger;
  readonly metrics?: Metrics;
  /** Connections at most; the sum over all replicas must stay below the server's max_connections. Default 10. */
  readonly poolMax?: number;
  /** The server cancels a statement that runs longer, milliseconds. Default 10 s. */
  readonly statementTimeoutMs?: number;
  readonly applicationName?: string;
}

const CONNECT_TIMEOUT_MS = 3_000;
/** An idle transaction holds locks and old row versions; none of ours has a reason to idle. */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 15_000;
const TRANSACTION_ATTEMPTS = 4;

/** Postgres error codes after which the same transaction may be tried again (Appendix A of the manual). */
const RETRYABLE = new Set(['40001', '40P01']);

// 64-bit integers arrive as strings by default; ours are counters and heights that fit 2^53.
pg.types.setTypeParser(pg.types.builtins.INT8, (text) => {
  const value = Number(text);
  if (!Number.isSafeInteger(value))
    throw new RangeError(`int8 ${text} does not fit a JavaScript number; select it as text`);
  return value;
});

const quoteIdentifier = (name: string): string => `"${name.replace(/"/g, '""')}"`;

/** A pool that survives a restart of the server: a broken connection is dropped, the next query makes a new one. */
export function createPostgres<DB>(options: PostgresOptions): Postgres<DB> {
  const { url, schema, log, metrics, poolMax = 10, statementTimeoutMs = 10_000 } = options;
  const pool = new pg.Pool({
    connectionString: url,
    max: poolMax,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    statement_timeout: statementTimeoutMs,
    // The client's own limit, a little longer than the server's: it ends a wait on a server that was cut off.
    query_timeout: statementTimeoutMs + 2_000,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    application_name: options.applicationName ?? `rejuve-${schema}`,
    options: `-c search_path=${quoteIdentifier(schema)}`,
  });
  pool.on('error', (error) =>
    log.warn({ err: error }, 'an idle Postgres connection broke; the next query opens a new one'),
  );
  // A connection that breaks between two queries of a transaction tells it by an event; without a listener that
  // would end the process. The next query on it fails, and that failure is handled where the query was made.
  pool.on('connect', (client) => {
    client.on('error', (error) => log.debug({ err: error }, 'a busy Postgres connection broke'));
  });
  metrics?.gauge({
    name: 'postgres_pool_connections',
    help: 'Connections of this process by state; waiting means queries without a connection.',
    labels: ['schema', 'state'],
    collect: (gauge) => {
      gauge.set({ schema, state: 'idle' }, pool.idleCount);
      gauge.set({ schema, state: 'busy' }, pool.totalCount - pool.idleCount);
      gauge.set({ schema, state: 'waiting' }, pool.waitingCount);
    },
  });

  const db = new Kysely<DB>({
    dialect: new PostgresDialect({ pool }),
    ...(activeTracer() === undefined ? {} : { log: queryTracer(schema) }),
  });
  return {
    db,
    pool,
    schema,
    async transaction(fn) {
      for (let attempt = 1; ; attempt++) {
        try {
          return await db.transaction().execute(fn);
        } catch (error) {
          const code = (error as { code?: string }).code;
          if (attempt >= TRANSACTION_ATTEMPTS || code === undefined || !RETRYABLE.has(code)) throw error;
          log.debug({ code, attempt }, 'transaction retried');
        }
      }
    },
    async ping() {
      await sql`select 1`.execute(db);
    },
    close: () => db.destroy(),
  };
}

/** True when the statement failed because a row with the same key exists (optionally: by that constraint). */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  const e = error as { code?: string; constraint?: string };
  return e?.code === '23505' && (constraint === undefined || e.constraint === constraint);
}

/** SQLSTATE classes and codes that mean "the server is away": connection, resources, shutdown. */
const UNAVAILABLE = /^(08|53|57P0)/;
const NETWORK = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
]);

/** True when Postgres could not be reached, as opposed to a statement that is wrong. */
export function isPostgresUnavailable(error: unknown): boolean {
  const e = error as { code?: string; message?: string };
  if (e?.code !== undefined && (UNAVAILABLE.test(e.code) || NETWORK.has(e.code))) return true;
  return /timeout exceeded when trying to connect|Connection terminated|Query read timeout|Cannot use a pool after/.test(
    e?.message ?? '',
  );
}

/** Says in our words that the database is away; anything else passes unchanged. */
export function asDependencyError(error: unknown): unknown {
  if (!isPostgresUnavailable(error)) return error;
  return new AppError(
    'dependency_unavailable',
    'The database cannot be reached at the moment; try again in a few seconds.',
    {
      retryAfterSeconds: 2,
      cause: error,
    },
  );
}
