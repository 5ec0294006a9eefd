import { sql } from 'kysely';
import type { Allowance, Lane } from '../transactions/lane-types.ts';
import { type GatewayTransaction, jsonRows } from './gateway-database.ts';

type LaneKey = Pick<Lane, 'chainId' | 'signer'>;

/**
 * As many of the candidates, in order, as the signer may still afford in its period. What is under way counts with its
 * worst case, what is in a block with its real cost. The others stay prepared and say why they wait.
 */
export async function withinAllowance<T extends { id: string; committed: bigint }>(
  trx: GatewayTransaction,
  lane: LaneKey,
  all: readonly T[],
  allowance: Allowance | undefined,
): Promise<T[]> {
  if (!allowance) return [...all];
  const { rows } = await sql<{ spent: string }>`
    SELECT coalesce(sum(CASE WHEN gas_cost IS NULL THEN committed ELSE gas_cost + value END), 0)::text AS spent FROM signer_spend
    WHERE chain_id = ${lane.chainId} AND signer = ${lane.signer} AND at > now() - make_interval(secs => ${allowance.periodSeconds})`.execute(
    trx,
  );
  let spent = BigInt(rows[0]?.spent ?? 0);
  const allowed: T[] = [];
  for (const candidate of all) {
    if (spent + candidate.committed > allowance.wei) break;
    spent += candidate.committed;
    allowed.push(candidate);
  }
  const waiting = all.slice(allowed.length).map(({ id }) => ({ id }));
  if (waiting.length > 0) {
    await sql`
      UPDATE transactions t SET waiting_reason = 'spend_limit' FROM jsonb_to_recordset(${jsonRows(waiting)}) AS w(id uuid)
      WHERE t.id = w.id AND t.waiting_reason IS DISTINCT FROM 'spend_limit'`.execute(trx);
  }
  return allowed;
}

export async function recordSpend(
  trx: GatewayTransaction,
  lane: LaneKey,
  signed: readonly { id: string; nonce: number; committed: bigint; value: bigint }[],
): Promise<void> {
  await sql`
    INSERT INTO signer_spend (chain_id, signer, nonce, pool, purpose, committed, value)
    SELECT ${lane.chainId}, ${lane.signer}, s.nonce, t.pool, t.purpose, s.committed, s.value
    FROM jsonb_to_recordset(${jsonRows(signed.map(({ id, nonce, committed, value }) => ({ id, nonce, committed, value })))})
      AS s(id uuid, nonce bigint, committed numeric, value numeric) JOIN transactions t ON t.id = s.id`.execute(
    trx,
  );
}

/** A better paid attempt commits to more gas. */
export async function raiseSpend(
  trx: GatewayTransaction,
  lane: LaneKey,
  nonce: number,
  gas: bigint,
): Promise<void> {
  await sql`
    UPDATE signer_spend SET committed = greatest(committed, ${gas.toString()}::numeric + value)
    WHERE chain_id = ${lane.chainId} AND signer = ${lane.signer} AND nonce = ${nonce}`.execute(trx);
}

/** In a block: the real cost takes the place of the worst case. A no-op moved no value. */
export async function settleSpend(
  trx: GatewayTransaction,
  lane: LaneKey,
  rows: readonly { nonce: number; gas_used: bigint; gas_price: bigint; outcome: string }[],
): Promise<void> {
  await sql`
    UPDATE signer_spend s SET gas_cost = r.gas_used * r.gas_price, value = CASE WHEN r.outcome = 'success' THEN s.value ELSE 0 END
    FROM jsonb_to_recordset(${jsonRows(rows)}) AS r(nonce bigint, gas_used numeric, gas_price numeric, outcome text)
    WHERE s.chain_id = ${lane.chainId} AND s.signer = ${lane.signer} AND s.nonce = r.nonce`.execute(trx);
}

/** The nonce went to somebody else: nothing of ours was spent. */
export async function forgetSpend(trx: GatewayTransaction, lane: LaneKey, nonce: number): Promise<void> {
  await sql`DELETE FROM signer_spend WHERE chain_id = ${lane.chainId} AND signer = ${lane.signer} AND nonce = ${nonce}`.execute(
    trx,
  );
}
