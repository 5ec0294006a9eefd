import { idempotencyTableSql } from '../../lib/idempotency.ts';
import type { Migration } from '../../lib/migrate.ts';
import { clientsSql } from './clients/tables.ts';
import { eventCursorsSql } from './data/tables.ts';
import { consentsSql } from './nfts/tables.ts';

/** Every step of the schema `api`, oldest first. Applied steps are never edited: add one. */
export const apiMigrations: readonly Migration[] = [
  { id: '0001-idempotency', sql: idempotencyTableSql },
  { id: '0002-clients', sql: clientsSql },
  { id: '0003-event-cursors', sql: eventCursorsSql },
  { id: '0004-consents', sql: consentsSql },
];
