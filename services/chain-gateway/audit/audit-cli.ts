import { databaseUrl, defineConfig, loadConfig } from '../../../lib/config.ts';
import { createLogger } from '../../../lib/log.ts';
import { createPostgres } from '../../../lib/postgres.ts';
import type { GatewayTables } from '../store/gateway-database.ts';
import { readAudit, verifyAudit } from './seal-audit.ts';

const USAGE = `usage: audit-cli.ts verify [--head HASH]   recompute the chain; exit 1 when it is broken
       audit-cli.ts export [--from SEQ]   every entry as a line of JSON, with its link`;

/** `verify` and `export` of the trail, against DATABASE_URL. */
async function main(args: readonly string[]): Promise<number> {
  const [command] = args;
  if (command !== 'verify' && command !== 'export') {
    process.stderr.write(`${USAGE}\n`);
    return 2;
  }
  const option = (name: string): string | undefined => {
    const at = args.indexOf(`--${name}`);
    return at < 0 ? undefined : args[at + 1];
  };
  const config = loadConfig(
    defineConfig({
      service: 'audit',
      keys: { DATABASE_URL: databaseUrl().describe('Postgres of the gateway') },
    }),
    { env: process.env },
  );
  const postgres = createPostgres<GatewayTables>({
    url: config.DATABASE_URL,
    schema: 'gateway',
    log: createLogger({ service: 'audit', level: 'warn' }),
    poolMax: 2,
  });
  try {
    if (command === 'export') {
      for await (const { details, ...entry } of readAudit(postgres.db, Number(option('from') ?? 1))) {
        process.stdout.write(`${JSON.stringify({ ...entry, details: JSON.parse(details) })}\n`);
      }
      return 0;
    }
    const verdict = await verifyAudit(postgres.db, option('head'));
    process.stdout.write(`${JSON.stringify(verdict, null, 2)}\n`);
    return verdict.broken ? 1 : 0;
  } finally {
    await postgres.close();
  }
}

process.exitCode = await main(process.argv.slice(2));
