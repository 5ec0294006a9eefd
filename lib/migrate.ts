import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { Logger } from './log.ts';

/** One forward step of a schema. Expand first, contract in a later release: the previous release must still run. */
export interface Migration {
  /** `0001-create-accounts`: applied in the order of the list, recorded under this id. */
  readonly id: string;
  readonly sql: string;
}

/** Any constant will do, as long as nobody else in the database uses it; the schema's name is hashed into it. */
const LOCK_CLASS = 0x72656a76;

const checksum = (sql: string): string =>
  createHash('sha256').update(sql.replace(/\s+/g, ' ').trim()).digest('hex');

/**
 * Brings `schema` up to date. Any number of processes may call it at once: one works, the others wait for its
 * advisory lock and find nothing to do. Each step runs in a transaction of its own, together with its record.
 *
 * @returns the ids that this call applied.
 * @throws Error when an applied migration was edited, or the database knows a newer one than this release.
 */
export async function migrate(options: {
  pool: pg.Pool;
  schema: string;
  migrations: readonly Migration[];
  log: Logger;
}): Promise<string[]> {
  const { pool, schema, migrations, log } = options;
  if (!/^[a-z][a-z0-9_]*$/.test(schema)) throw new Error(`"${schema}" is not a plain schema name`);
  const client = await pool.connect();
  const applied: string[] = [];
  try {
    // A waiting replica must not be cut off by the pool's statement timeout.
    await client.query('set statement_timeout = 0');
    await client.query('select pg_advisory_lock($1, hashtext($2))', [LOCK_CLASS, schema]);
    await client.query(`create schema if not exists ${schema}`);
    await client.query(
      `create table if not exists ${schema}.schema_migrations (
         id text primary key, checksum text not null, applied_at timestamptz not null default now())`,
    );
    const { rows } = await client.query<{ id: string; checksum: string }>(
      `select id, checksum from ${schema}.schema_migrations`,
    );
    const known = new Map(rows.map((row) => [row.id, row.checksum]));
    for (const migration of migrations) {
      const recorded = known.get(migration.id);
      if (recorded !== undefined) {
        if (recorded !== checksum(migration.sql)) {
          throw new Error(
            `migration ${schema}/${migration.id} was edited after it was applied; write a new one instead`,
          );
        }
        continue;
      }
      await applyOne(client, schema, migration);
      applied.push(migration.id);
      log.info({ schema, migration: migration.id }, 'migration applied');
    }
    const ours = new Set(migrations.map((m) => m.id));
    const newer = [...known.keys()].filter((id) => !ours.has(id));
    // Expand/contract: an older release may run on a newer schema (a rollback), so this is a notice and no error.
    if (newer.length > 0) log.warn({ schema, newer }, 'the database has migrations of a newer release');
    return applied;
  } finally {
    await client.query('select pg_advisory_unlock_all()').catch(() => undefined);
    // The session's settings were changed: let it go instead of handing it to somebody else.
    client.release(true);
  }
}

async function applyOne(client: pg.PoolClient, schema: string, migration: Migration): Promise<void> {
  await client.query('begin');
  try {
    await client.query(`set local search_path = ${schema}`);
    await client.query(migration.sql);
    await client.query(`insert into ${schema}.schema_migrations (id, checksum) values ($1, $2)`, [
      migration.id,
      checksum(migration.sql),
    ]);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    throw new Error(`migration ${schema}/${migration.id} failed: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
