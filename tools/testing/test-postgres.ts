import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { ensureDatabase } from '../stack/parts/postgres.ts';
import { serverUrl, TEST_POSTGRES_URL } from './servers.ts';

/** A database that belongs to one test file. */
export interface TestPostgres {
  readonly url: string;
  readonly database: string;
  /** Cuts every connection to it, as a dying server does; new connections are accepted. */
  cutConnections(): Promise<void>;
  /** Removes the database, whoever is still connected. */
  drop(): Promise<void>;
}

/** Creates an empty database on the server of this run. Call `drop()` in `afterAll`. */
export async function createTestPostgres(): Promise<TestPostgres> {
  const admin = serverUrl(TEST_POSTGRES_URL);
  const database = `test_${randomBytes(6).toString('hex')}`;
  const url = await ensureDatabase(admin, database);

  const asAdmin = async (sql: string, values: unknown[] = []): Promise<void> => {
    const client = new pg.Client({ connectionString: admin });
    await client.connect();
    try {
      await client.query(sql, values);
    } finally {
      await client.end();
    }
  };
  return {
    url,
    database,
    cutConnections: () =>
      asAdmin('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [database]),
    drop: () => asAdmin(`DROP DATABASE IF EXISTS "${database}" WITH (FORCE)`),
  };
}
