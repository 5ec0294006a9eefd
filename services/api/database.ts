import type { Kysely } from 'kysely';
import type { ApiClientTable, ApiCredentialTable } from './clients/tables.ts';
import type { EventCursorTable } from './data/tables.ts';
import type { RevocationAnchorTable } from './nfts/anchor-revocations.ts';
import type { ConsentRecordTable, ConsentTransactionTable } from './nfts/tables.ts';
import type { OfferTable, RedemptionTable } from './offers/tables.ts';
import type { ClaimTable, OpportunityTable, ProgressTable } from './rewards/tables.ts';
import type {
  AnalyticsEventTable,
  AnalyticsOptOutTable,
  RequestLogTable,
  UsageDailyTable,
} from './telemetry/tables.ts';
import type { SubmittedTransactionTable } from './transactions/submission-store.ts';

/** The tables of the schema `api`; nobody else reads them. */
export interface ApiDatabase {
  api_clients: ApiClientTable;
  api_credentials: ApiCredentialTable;
  event_cursors: EventCursorTable;
  consent_records: ConsentRecordTable;
  consent_transactions: ConsentTransactionTable;
  revocation_anchors: RevocationAnchorTable;
  submitted_transactions: SubmittedTransactionTable;
  opportunities: OpportunityTable;
  opportunity_progress: ProgressTable;
  opportunity_claims: ClaimTable;
  partner_offers: OfferTable;
  redemptions: RedemptionTable;
  usage_daily: UsageDailyTable;
  request_log: RequestLogTable;
  analytics_events: AnalyticsEventTable;
  analytics_opt_outs: AnalyticsOptOutTable;
}

/** A handle or a transaction on them. */
export type Db = Kysely<ApiDatabase>;
