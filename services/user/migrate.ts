import { runMigrations } from '../../lib/run-migrations.ts';
import { userMigrations } from './migrations.ts';
import { USER_SCHEMA } from './shared/database.ts';

runMigrations(USER_SCHEMA, userMigrations);
