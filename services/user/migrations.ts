import type { Migration } from '../../lib/migrate.ts';
import { authMigrations } from './auth/migrations.ts';
import { deliveryMigrations } from './deliveries/migrations.ts';
import { emailMigrations } from './emails/migrations.ts';
import { eventMigrations } from './events/migrations.ts';
import { ledgerMigrations } from './ledger/migrations.ts';
import { migrationMigrations } from './migration/migrations.ts';
import { notificationMigrations } from './notifications/migrations.ts';
import { partnerMigrations } from './partners/migrations.ts';
import { preferenceMigrations } from './preferences/migrations.ts';
import { profileMigrations } from './profiles/migrations.ts';
import { rewardMigrations } from './rewards/migrations.ts';
import { sessionMigrations } from './sessions/migrations.ts';
import { walletMigrations } from './wallets/migrations.ts';

/** Every step of the schema in the order of its number; each feature keeps its own beside its code. */
export const userMigrations: readonly Migration[] = [
  ...profileMigrations,
  ...preferenceMigrations,
  ...authMigrations,
  ...sessionMigrations,
  ...walletMigrations,
  ...ledgerMigrations,
  ...eventMigrations,
  ...notificationMigrations,
  ...emailMigrations,
  ...deliveryMigrations,
  ...rewardMigrations,
  ...partnerMigrations,
  ...migrationMigrations,
].sort((a, b) => (a.id < b.id ? -1 : 1));
