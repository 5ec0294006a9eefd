import { transactionsMigration } from './0001-transactions.ts';
import { indexMigration } from './0002-index.ts';

/** Schema `gateway`, in order. Forward only: a published migration is never edited, only followed. */
export const gatewayMigrations = [transactionsMigration, indexMigration];
