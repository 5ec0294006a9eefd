import { sql } from 'kysely';
import { appendAudit } from '../audit/append-audit.ts';
import type { Candidate, Preparation } from '../transactions/prepare.ts';
import type { GatewayPostgres } from './gateway-database.ts';

const ACTOR = 'worker';
/** A worker that dies while it prepares gives its claim back after this long. */
const CLAIM_SECONDS = 15;

export interface ClaimedCandidate extends Candidate {
  readonly pool: string;
  readonly version: number;
  readonly expired: boolean;
}

/** Takes queued transactions for a while, so that two workers do not simulate the same one. */
export async function claimQueued(
  postgres: GatewayPostgres,
  chainId: number,
  pools: readonly string[],
  limit: number,
): Promise<ClaimedCandidate[]> {
  const { rows } = await sql<{
    id: string;
    to_address: string;
    data: string;
    value: string;
    urgency: Candidate['urgency'];
    max_fee_cap: string | null;
    pool: string;
    version: number;
    expired: boolean;
  }>`
    UPDATE transactions t SET prepare_after = now() + make_interval(secs => ${CLAIM_SECONDS})
    WHERE t.id IN (SELECT id FROM transactions WHERE state = 'queued' AND chain_id = ${chainId} AND prepare_after <= now() AND pool = ANY(${pools})
      ORDER BY prepare_after, id LIMIT ${limit} FOR UPDATE SKIP LOCKED)
    RETURNING t.id, t.to_address, t.data, t.value::text, t.urgency, t.max_fee_cap::text, t.pool, t.version, coalesce(t.deadline_at < now(), false) AS expired`.execute(
    postgres.db,
  );
  return rows
    .map((row) => ({
      id: row.id,
      to: row.to_address,
      data: row.data,
      value: BigInt(row.value),
      urgency: row.urgency,
      maxFeeCap: row.max_fee_cap === null ? null : BigInt(row.max_fee_cap),
      pool: row.pool,
      version: row.version,
      expired: row.expired,
    }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Writes what preparation found. A transaction that changed meanwhile (cancelled) is left alone. */
export function recordPreparation(
  postgres: GatewayPostgres,
  candidate: ClaimedCandidate,
  signer: string,
  result: Preparation,
  retryMs: number,
): Promise<void> {
  return postgres.transaction(async (trx) => {
    const guard = sql`WHERE id = ${candidate.id} AND state = 'queued' AND version = ${candidate.version}`;
    if (result.kind === 'ready') {
      const { rows } = await sql`
        UPDATE transactions SET state = 'prepared', signer = ${signer}, gas_limit = ${result.gasLimit.toString()}::bigint,
          cost_estimate = ${result.costEstimate.toString()}::numeric, access_list = ${result.accessList ? JSON.stringify(result.accessList) : null}::jsonb,
          waiting_reason = NULL ${guard} RETURNING id`.execute(trx);
      if (rows.length > 0) {
        await appendAudit(trx, [
          {
            subject: `transaction:${candidate.id}`,
            action: 'prepared',
            actor: ACTOR,
            details: { signer, gasLimit: result.gasLimit, costEstimate: result.costEstimate },
          },
        ]);
      }
    } else if (result.kind === 'refused') {
      const { rows } = await sql`
        UPDATE transactions SET state = 'rejected', error_code = ${result.code}, error_message = ${result.message.slice(0, 1000)}, waiting_reason = NULL ${guard} RETURNING id`.execute(
        trx,
      );
      if (rows.length > 0) {
        await appendAudit(trx, [
          {
            subject: `transaction:${candidate.id}`,
            action: 'rejected',
            actor: ACTOR,
            details: { code: result.code, message: result.message },
          },
        ]);
      }
    } else {
      await sql`
        UPDATE transactions SET waiting_reason = ${result.reason}, prepare_after = now() + make_interval(secs => ${retryMs / 1000}) ${guard}`.execute(
        trx,
      );
    }
  });
}

/** How much each lane of a pool has before it; the least loaded one that is not paused comes first. */
export async function laneLoads(
  postgres: GatewayPostgres,
  chainId: number,
  pool: string,
): Promise<{ signer: string; load: number; pausedReason: string | null }[]> {
  const { rows } = await sql<{ signer: string; load: number; paused_reason: string | null }>`
    SELECT l.signer, l.paused_reason, (SELECT count(*) FROM transactions t WHERE t.chain_id = l.chain_id AND t.signer = l.signer
      AND t.state IN ('prepared','signed','submitted'))::int AS load
    FROM lanes l WHERE l.chain_id = ${chainId} AND l.pool = ${pool} ORDER BY (l.paused_reason IS NOT NULL), load, l.signer`.execute(
    postgres.db,
  );
  return rows.map((row) => ({ signer: row.signer, load: row.load, pausedReason: row.paused_reason }));
}

/** Prepared work of a paused lane goes back to the queue, where another signer of the pool may take it. */
export async function returnPrepared(
  postgres: GatewayPostgres,
  chainId: number,
  signer: string,
): Promise<number> {
  const { rows } = await sql`
    UPDATE transactions SET state = 'queued', signer = NULL, gas_limit = NULL, prepare_after = now(), waiting_reason = 'signer_paused'
    WHERE chain_id = ${chainId} AND signer = ${signer} AND state = 'prepared' RETURNING id`.execute(
    postgres.db,
  );
  return rows.length;
}
