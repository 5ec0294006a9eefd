import { runMigrations } from '../../lib/run-migrations.ts';
import { gatewayMigrations } from './migrations/gateway-migrations.ts';

runMigrations('gateway', gatewayMigrations);
