import { transactionsMigration } from './0001-transactions.ts';
import { indexMigration } from './0002-index.ts';
import { webhooksMigration } from './0003-webhooks-spend-foreign.ts';
import { apiKeysMigration } from './0004-api-keys.ts';
import { callTokensMigration } from './0005-call-tokens.ts';
import { rpcJobsMigration } from './0006-rpc-jobs.ts';
import { snetMigration } from './0007-snet.ts';

/** Schema `gateway`, in order. Forward only: a published migration is never edited, only followed. */
export const gatewayMigrations = [
  transactionsMigration,
  indexMigration,
  webhooksMigration,
  apiKeysMigration,
  callTokensMigration,
  rpcJobsMigration,
  snetMigration,
];
