import { runMigrations } from '../../lib/run-migrations.ts';
import { apiMigrations } from './migrations.ts';

runMigrations('api', apiMigrations);
