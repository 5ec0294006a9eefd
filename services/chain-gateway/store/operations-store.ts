import { sql } from 'kysely';
import type { GatewayExecutor } from './gateway-database.ts';

export interface LaneRow {
  signer: string;
  pool: string;
  next_nonce: number;
  paused_reason: string | null;
  paused_since: Date | null;
  open: number;
  prepared: number;
  oldest_open_seconds: number | null;
}

/** Every lane with what it carries. */
export async function listLanes(db: GatewayExecutor, chainId: number): Promise<LaneRow[]> {
  const { rows } = await sql<LaneRow>`
    SELECT l.signer, l.pool, l.next_nonce, l.paused_reason, l.paused_since,
      (SELECT count(*)::int FROM nonce_slots s WHERE s.chain_id = l.chain_id AND s.signer = l.signer AND s.state = 'open') AS open,
      (SELECT count(*)::int FROM transactions t WHERE t.chain_id = l.chain_id AND t.signer = l.signer AND t.state = 'prepared') AS prepared,
      (SELECT extract(epoch FROM now() - min(s.created_at))::float FROM nonce_slots s WHERE s.chain_id = l.chain_id AND s.signer = l.signer AND s.state = 'open') AS oldest_open_seconds
    FROM lanes l WHERE l.chain_id = ${chainId} ORDER BY l.pool, l.signer`.execute(db);
  return rows;
}

export interface TimelineRow {
  at: Date;
  action: string;
  actor: string;
  details: Record<string, unknown>;
  sealed: boolean;
}

/** The trail of one transaction, oldest first. */
export async function transactionTimeline(db: GatewayExecutor, id: string): Promise<TimelineRow[]> {
  const { rows } = await sql<TimelineRow>`
    SELECT e.at, e.action, e.actor, e.details, EXISTS (SELECT 1 FROM audit_chain c WHERE c.entry_id = e.id) AS sealed
    FROM audit_entries e WHERE e.subject = ${`transaction:${id}`} ORDER BY e.id LIMIT 500`.execute(db);
  return rows;
}

export interface AttemptRow {
  nonce: number;
  number: number;
  kind: string;
  hash: string;
  max_fee: string;
  max_priority: string;
  created_at: Date;
  broadcasts: number;
  last_error: string | null;
  accepted_at: Date | null;
}

export async function transactionAttempts(db: GatewayExecutor, id: string): Promise<AttemptRow[]> {
  const { rows } = await sql<AttemptRow>`
    SELECT a.nonce, a.number, a.kind, a.hash, a.max_fee::text, a.max_priority::text, a.created_at, a.broadcasts, a.last_error, a.accepted_at
    FROM attempts a JOIN nonce_slots s USING (chain_id, signer, nonce) WHERE s.transaction_id = ${id} ORDER BY a.nonce, a.number`.execute(
    db,
  );
  return rows;
}

export interface GasCostRow {
  day: string;
  purpose: string;
  pool: string;
  signer: string;
  transactions: number;
  gas_wei: string;
  value_wei: string;
}

/** Gas and value that left, by day, purpose and signer. */
export async function gasCosts(db: GatewayExecutor, chainId: number, days: number): Promise<GasCostRow[]> {
  const { rows } = await sql<GasCostRow>`
    SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, coalesce(purpose, 'none') AS purpose, pool, signer, count(*)::int AS transactions,
      coalesce(sum(gas_cost), 0)::text AS gas_wei, sum(value)::text AS value_wei
    FROM signer_spend WHERE chain_id = ${chainId} AND at > now() - make_interval(days => ${days}) AND gas_cost IS NOT NULL
    GROUP BY 1, 2, 3, 4 ORDER BY 1 DESC, 6 DESC`.execute(db);
  return rows;
}

export interface UrgencyRow {
  purpose: string;
  urgency: 'slow' | 'standard' | 'fast';
  transactions: number;
  p50: number;
  p95: number;
  gas_price: string;
  gas_used: string;
}

/** How quickly and at what price each urgency got into blocks, by purpose. */
export async function urgencyStats(
  db: GatewayExecutor,
  chainId: number,
  days: number,
): Promise<UrgencyRow[]> {
  const { rows } = await sql<UrgencyRow>`
    SELECT coalesce(purpose, 'none') AS purpose, urgency, count(*)::int AS transactions,
      percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM included_at - created_at))::float AS p50,
      percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM included_at - created_at))::float AS p95,
      round(avg(gas_price))::text AS gas_price, sum(gas_used)::text AS gas_used
    FROM transactions WHERE chain_id = ${chainId} AND included_at > now() - make_interval(days => ${days}) AND gas_price IS NOT NULL
    GROUP BY 1, 2 ORDER BY 1, 2`.execute(db);
  return rows;
}

export interface BurstRow {
  purpose: string;
  contract: string;
  function: string;
  bursts: number;
  calls: number;
}

/** Calls of one kind that came within the same minute: they could have shared a transaction. */
export async function burstStats(db: GatewayExecutor, chainId: number, days: number): Promise<BurstRow[]> {
  const { rows } = await sql<BurstRow>`
    SELECT purpose, contract, function, count(*)::int AS bursts, sum(calls)::int AS calls FROM (
      SELECT coalesce(purpose, 'none') AS purpose, contract, function, date_trunc('minute', created_at) AS minute, count(*) AS calls
      FROM transactions WHERE chain_id = ${chainId} AND contract IS NOT NULL AND included_at > now() - make_interval(days => ${days})
      GROUP BY 1, 2, 3, 4 HAVING count(*) >= 5) AS b
    GROUP BY 1, 2, 3 ORDER BY calls DESC LIMIT 20`.execute(db);
  return rows;
}

export interface HourRow {
  hour: number;
  transactions: number;
  gas_price: string;
}

export async function hourStats(db: GatewayExecutor, chainId: number, days: number): Promise<HourRow[]> {
  const { rows } = await sql<HourRow>`
    SELECT extract(hour FROM included_at AT TIME ZONE 'UTC')::int AS hour, count(*)::int AS transactions, round(avg(gas_price))::text AS gas_price
    FROM transactions WHERE chain_id = ${chainId} AND included_at > now() - make_interval(days => ${days}) AND gas_price IS NOT NULL
    GROUP BY 1 ORDER BY 1`.execute(db);
  return rows;
}

/** Deliveries that were given up are tried again. @returns how many. */
export async function redriveWebhooks(db: GatewayExecutor, transactionId: string): Promise<number> {
  const { rows } = await sql`
    UPDATE webhook_deliveries SET dead_at = NULL, attempts = 0, next_at = now() WHERE transaction_id = ${transactionId} AND dead_at IS NOT NULL RETURNING id`.execute(
    db,
  );
  return rows.length;
}
