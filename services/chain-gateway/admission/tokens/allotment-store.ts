import { sql } from 'kysely';
import type { GatewayExecutor, GatewayTransaction } from '../../store/gateway-database.ts';
import { postMovements } from './ledger-store.ts';

export interface NewAllotment {
  readonly id: string;
  readonly chainId: number;
  readonly payer: string;
  readonly asset: string;
  readonly unitPrice: number;
  readonly cap: number;
  readonly maxPerCall: number;
  readonly maxInFlight: number;
  readonly audience: string;
  readonly scope: string;
  readonly jkt: string | null;
  readonly subject: string;
  readonly validAfter: Date;
  readonly validBefore: Date;
}

/** A budget as its row says it is. */
export interface AllotmentRow {
  id: string;
  chain_id: number;
  payer: string;
  asset: string;
  unit_price: number;
  cap: number;
  settled: number;
  held: number;
  uncollected: number;
  max_per_call: number;
  max_in_flight: number;
  audience: string;
  scope: string;
  jkt: string | null;
  subject: string;
  valid_after: Date;
  valid_before: Date;
  epoch: number;
  revoked_at: Date | null;
  created_at: Date;
}

export async function insertAllotment(trx: GatewayTransaction, a: NewAllotment): Promise<void> {
  await sql`
    INSERT INTO call_token_allotments (id, chain_id, payer, asset, unit_price, cap, max_per_call, max_in_flight, audience, scope, jkt, subject, valid_after, valid_before)
    VALUES (${a.id}, ${a.chainId}, ${a.payer}, ${a.asset}, ${a.unitPrice}, ${a.cap}, ${a.maxPerCall}, ${a.maxInFlight}, ${a.audience}, ${a.scope},
      ${a.jkt}, ${a.subject}, ${a.validAfter}, ${a.validBefore})`.execute(trx);
  await postMovements(trx, [
    { allotmentId: a.id, kind: 'authorise', from: 'authorised', to: 'available', amount: a.cap },
  ]);
}

export async function findAllotment(db: GatewayExecutor, id: string): Promise<AllotmentRow | undefined> {
  const { rows } = await sql<AllotmentRow>`SELECT * FROM call_token_allotments WHERE id = ${id}`.execute(db);
  return rows[0];
}

/** Newest first. */
export async function listAllotments(
  db: GatewayExecutor,
  filter: { payer?: string | undefined; state?: 'active' | 'ended' | undefined },
  page: { before?: string | undefined; limit: number },
): Promise<AllotmentRow[]> {
  const over = sql`(revoked_at IS NOT NULL OR valid_before <= now() OR settled >= cap)`;
  const { rows } = await sql<AllotmentRow>`
    SELECT * FROM call_token_allotments
    WHERE (${filter.payer ?? null}::text IS NULL OR payer = ${filter.payer ?? null})
      AND (${filter.state ?? null}::text IS NULL OR ${over} = (${filter.state ?? null} = 'ended'))
      AND (${page.before ?? null}::uuid IS NULL OR id < ${page.before ?? null}::uuid)
    ORDER BY id DESC LIMIT ${page.limit}`.execute(db);
  return rows;
}

export interface AuthorizationRow {
  allotment_id: string;
  digest: string;
  kind: 'exchange' | 'top-up';
}

export async function findAuthorization(
  db: GatewayExecutor,
  payer: string,
  nonce: string,
): Promise<AuthorizationRow | undefined> {
  const { rows } = await sql<AuthorizationRow>`
    SELECT allotment_id, digest, kind FROM call_token_authorizations WHERE payer = ${payer} AND nonce = ${nonce}`.execute(
    db,
  );
  return rows[0];
}

/** @throws a unique violation when the payer used the nonce before. */
export async function insertAuthorization(
  trx: GatewayTransaction,
  a: {
    payer: string;
    nonce: string;
    digest: string;
    allotmentId: string;
    kind: 'exchange' | 'top-up';
    amount: number;
    signed: object;
    signature: string;
    wallet: 'key' | 'contract';
  },
): Promise<void> {
  await sql`
    INSERT INTO call_token_authorizations (payer, nonce, digest, allotment_id, kind, amount, signed, signature, wallet)
    VALUES (${a.payer}, ${a.nonce}, ${a.digest}, ${a.allotmentId}, ${a.kind}, ${a.amount}, ${JSON.stringify(a.signed)}::jsonb, ${a.signature}, ${a.wallet})`.execute(
    trx,
  );
}

/** @returns false when it was revoked meanwhile, or would grow beyond what Redis counts exactly. */
export async function raiseCap(trx: GatewayTransaction, id: string, amount: number): Promise<boolean> {
  const { rows } = await sql`
    UPDATE call_token_allotments SET cap = cap + ${amount}
    WHERE id = ${id} AND revoked_at IS NULL AND cap + ${amount} <= 9007199254740991 RETURNING id`.execute(
    trx,
  );
  if (rows.length === 0) return false;
  await postMovements(trx, [
    { allotmentId: id, kind: 'authorise', from: 'authorised', to: 'available', amount },
  ]);
  return true;
}

/** Ends an allotment: tokens of earlier epochs get no hold any more. Repeated, it changes nothing. */
export async function revokeAllotment(
  db: GatewayExecutor,
  id: string,
): Promise<{ epoch: number } | undefined> {
  const { rows } = await sql<{ epoch: number }>`
    UPDATE call_token_allotments SET epoch = epoch + (revoked_at IS NULL)::int, revoked_at = coalesce(revoked_at, now())
    WHERE id = ${id} RETURNING epoch`.execute(db);
  return rows[0];
}

/** Live exchanges per allotment at most; the one unused the longest gives way. */
const MAX_GRANTS = 32;

export interface GrantRow {
  id: string;
  allotment_id: string;
  client_id: string;
  scope: string;
}

export async function insertGrant(
  trx: GatewayTransaction,
  g: { id: string; allotmentId: string; refreshHash: Buffer; clientId: string; scope: string },
): Promise<void> {
  await sql`
    DELETE FROM call_token_grants WHERE id IN (
      SELECT id FROM call_token_grants WHERE allotment_id = ${g.allotmentId} ORDER BY last_used_at DESC OFFSET ${MAX_GRANTS - 1})`.execute(
    trx,
  );
  await sql`
    INSERT INTO call_token_grants (id, allotment_id, refresh_hash, client_id, scope)
    VALUES (${g.id}, ${g.allotmentId}, ${g.refreshHash}, ${g.clientId}, ${g.scope})`.execute(trx);
}

export async function useGrant(db: GatewayExecutor, refreshHash: Buffer): Promise<GrantRow | undefined> {
  const { rows } = await sql<GrantRow>`
    UPDATE call_token_grants SET last_used_at = now() WHERE refresh_hash = ${refreshHash} RETURNING id, allotment_id, client_id, scope`.execute(
    db,
  );
  return rows[0];
}

export interface UsageRow {
  settled: number;
  released: number;
  expired: number;
  units: number;
  first_at: Date | null;
  last_at: Date | null;
}

export async function usageOf(db: GatewayExecutor, id: string): Promise<UsageRow> {
  const { rows } = await sql<UsageRow>`
    SELECT count(*) FILTER (WHERE state = 'settled')::int AS settled, count(*) FILTER (WHERE state = 'released')::int AS released,
      count(*) FILTER (WHERE state = 'expired')::int AS expired, coalesce(sum(units), 0)::bigint AS units, min(at) AS first_at, max(at) AS last_at
    FROM call_token_calls WHERE allotment_id = ${id}`.execute(db);
  return rows[0] as UsageRow;
}

export interface StatementRow {
  seq: number;
  call_id: string;
  state: 'settled' | 'released' | 'expired';
  method: string;
  held: number;
  amount: number;
  units: number;
  at: Date;
}

/** Newest first. */
export async function statementOf(
  db: GatewayExecutor,
  id: string,
  filter: { state?: string | undefined; from?: Date | undefined; to?: Date | undefined },
  page: { before?: number | undefined; limit: number },
): Promise<StatementRow[]> {
  const { rows } = await sql<StatementRow>`
    SELECT seq, call_id, state, method, held, amount, units, at FROM call_token_calls
    WHERE allotment_id = ${id}
      AND (${filter.state ?? null}::text IS NULL OR state = ${filter.state ?? null})
      AND (${filter.from ?? null}::timestamptz IS NULL OR at >= ${filter.from ?? null})
      AND (${filter.to ?? null}::timestamptz IS NULL OR at < ${filter.to ?? null})
      AND (${page.before ?? null}::bigint IS NULL OR seq < ${page.before ?? null})
    ORDER BY seq DESC LIMIT ${page.limit}`.execute(db);
  return rows;
}

export async function subjectSalt(db: GatewayExecutor): Promise<Buffer> {
  const { rows } = await sql<{ subject_salt: Buffer }>`SELECT subject_salt FROM call_token_state`.execute(db);
  return rows[0]?.subject_salt as Buffer;
}
