import { idempotencyTableSql } from '../../lib/idempotency.ts';
import type { Migration } from '../../lib/migrate.ts';
import { clientsSql } from './clients/tables.ts';
import { eventCursorsSql } from './data/tables.ts';
import { revocationAnchorsSql } from './nfts/anchor-revocations.ts';
import { consentsSql } from './nfts/tables.ts';
import { offersSql } from './offers/tables.ts';
import { rewardsSql } from './rewards/tables.ts';
import { telemetrySql } from './telemetry/tables.ts';
import { submittedTransactionsSql } from './transactions/submission-store.ts';

/** Every step of the schema `api`, oldest first. Applied steps are never edited: add one. */
export const apiMigrations: readonly Migration[] = [
  { id: '0001-idempotency', sql: idempotencyTableSql },
  { id: '0002-clients', sql: clientsSql },
  { id: '0003-event-cursors', sql: eventCursorsSql },
  { id: '0004-consents', sql: consentsSql },
  { id: '0005-telemetry', sql: telemetrySql },
  { id: '0006-submitted-transactions', sql: submittedTransactionsSql },
  { id: '0007-rewards', sql: rewardsSql },
  { id: '0008-offers', sql: offersSql },
  { id: '0009-revocation-anchors', sql: revocationAnchorsSql },
];
