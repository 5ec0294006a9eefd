import type { Kysely } from 'kysely';
import type { ApiClientTable, ApiCredentialTable } from './clients/tables.ts';
import type { EventCursorTable } from './data/tables.ts';
import type { ConsentRecordTable, ConsentTransactionTable } from './nfts/tables.ts';

/** The tables of the schema `api`; nobody else reads them. */
export interface ApiDatabase {
  api_clients: ApiClientTable;
  api_credentials: ApiCredentialTable;
  event_cursors: EventCursorTable;
  consent_records: ConsentRecordTable;
  consent_transactions: ConsentTransactionTable;
}

/** A handle or a transaction on them. */
export type Db = Kysely<ApiDatabase>;
