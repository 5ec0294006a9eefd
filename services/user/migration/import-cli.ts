import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { databaseUrl, defineConfig, integer, loadConfig } from '../../../lib/config.ts';
import { createLogger } from '../../../lib/log.ts';
import { migrate } from '../../../lib/migrate.ts';
import { createPostgres } from '../../../lib/postgres.ts';
import { systemRandom } from '../../../lib/random.ts';
import { systemClock } from '../../../lib/time.ts';
import { cursorStore } from '../events/store.ts';
import { postEntries } from '../ledger/posting.ts';
import { ledgerStore } from '../ledger/store.ts';
import { userMigrations } from '../migrations.ts';
import { USER_SCHEMA } from '../shared/database.ts';
import { importPeople } from './import-people.ts';
import { importStore } from './import-store.ts';

/** `node services/user/migration/import-cli.ts [--dry-run] FILE.csv` — see docs/migration/import.md. Exit code 1: some lines are faulty. */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { 'dry-run': { type: 'boolean', default: false } },
});
const [file] = positionals;
if (file === undefined) {
  process.stderr.write('usage: import-cli.ts [--dry-run] FILE.csv\n');
  process.exit(64);
}
const config = loadConfig(
  defineConfig({
    service: 'user import',
    keys: {
      DATABASE_URL: databaseUrl().describe('Postgres'),
      CHAIN_ID: integer({ min: 1, default: 31_337 }).describe('Chain of the wallets'),
    },
  }),
  { env: process.env },
);
const log = createLogger({ service: 'user-import', level: 'warn' });
const postgres = createPostgres<unknown>({
  url: config.DATABASE_URL,
  schema: USER_SCHEMA,
  log,
  poolMax: 2,
  statementTimeoutMs: 60_000,
});
try {
  await migrate({ pool: postgres.pool, schema: USER_SCHEMA, migrations: userMigrations, log });
  const report = await importPeople(readFileSync(file, 'utf8'), {
    postgres,
    store: importStore,
    clock: systemClock,
    random: systemRandom(systemClock),
    chainId: config.CHAIN_ID,
    pinCursor: (trx) => cursorStore.pin(trx, 'main'),
    post: (trx, drafts) => postEntries(trx, drafts, new Date(systemClock.now()), ledgerStore),
    dryRun: values['dry-run'],
    onProgress: (lines) => process.stderr.write(`\r${lines} lines`),
  });
  process.stderr.write('\n');
  for (const fault of report.faults)
    process.stdout.write(`line ${fault.line}: ${fault.field || 'line'}: ${fault.detail}\n`);
  const { faults: _faults, ...figures } = report;
  process.stdout.write(`${JSON.stringify({ ...figures, dryRun: values['dry-run'] })}\n`);
  process.exitCode = report.faulty > 0 ? 1 : 0;
} finally {
  await postgres.close();
}
