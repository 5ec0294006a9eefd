import type { Logger } from '../../../lib/log.ts';
import { migrate } from '../../../lib/migrate.ts';
import { createPostgres } from '../../../lib/postgres.ts';
import { createTestPostgres } from '../../../tools/testing/test-postgres.ts';
import { gatewayMigrations } from '../migrations/gateway-migrations.ts';
import type { GatewayPostgres, GatewayTables } from '../store/gateway-database.ts';

/** An empty gateway database, to build an index in from nothing. */
export async function openReplay(
  log: Logger,
): Promise<{ postgres: GatewayPostgres; close(): Promise<void> }> {
  const database = await createTestPostgres();
  const postgres = createPostgres<GatewayTables>({ url: database.url, schema: 'gateway', log });
  await migrate({ pool: postgres.pool, schema: 'gateway', migrations: gatewayMigrations, log });
  return {
    postgres,
    async close() {
      await postgres.close();
      await database.drop();
    },
  };
}
