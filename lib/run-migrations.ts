import { commonKeys, databaseUrl, defineConfig, loadConfig } from './config.ts';
import { runProcess } from './lifecycle.ts';
import { createLogger } from './log.ts';
import { type Migration, migrate } from './migrate.ts';
import { createPostgres } from './postgres.ts';

/** A database that is just being started is waited for this long. */
const WAIT_MS = 60_000;
const RETRY_MS = 1_000;

/**
 * The `migrate.ts` of a service: brings its schema up to date and leaves. Exit code 0 when it is, also when there was
 * nothing to do. Services do the same at their start; this is for doing it before any of them is replaced.
 */
export function runMigrations(schema: string, migrations: readonly Migration[]): void {
  runProcess('migrate', async (scope) => {
    const config = loadConfig(
      defineConfig({
        service: 'migrate',
        keys: { ...commonKeys, DATABASE_URL: databaseUrl().describe(`Postgres with the schema ${schema}`) },
      }),
      { env: process.env },
    );
    const log = createLogger({ service: 'migrate', level: config.LOG_LEVEL, pretty: config.LOG_PRETTY });
    // A migration may take as long as it takes; the Job that runs us has a deadline.
    const postgres = createPostgres({
      url: config.DATABASE_URL,
      schema,
      log,
      poolMax: 2,
      statementTimeoutMs: 0,
    });
    scope.defer('postgres', () => postgres.close());
    await waitFor(() => postgres.ping());
    const applied = await migrate({ pool: postgres.pool, schema, migrations, log });
    log.info(
      { schema, applied },
      applied.length === 0 ? 'the schema is up to date' : 'the schema was migrated',
    );
    setImmediate(() => scope.shutdown('done'));
    return { log, drainTimeoutMs: 0 };
  });
}

async function waitFor(ping: () => Promise<void>): Promise<void> {
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    try {
      await ping();
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
