import { sql } from 'kysely';
import { appendAudit } from '../audit/append-audit.ts';
import type { LaneStore } from '../transactions/lane-types.ts';
import { type GatewayPostgres, jsonRows } from './gateway-database.ts';

const ACTOR = 'worker';

/** The part of the lane store that follows blocks: confirm, finalize, take back. */
export function createSettleStore(
  postgres: GatewayPostgres,
): Pick<LaneStore, 'includedBlocks' | 'includedSlots' | 'confirm' | 'finalize' | 'uninclude'> {
  const { db } = postgres;
  return {
    async includedBlocks(chainId) {
      const { rows } = await sql<{ number: number; hash: string }>`
        SELECT DISTINCT block_number AS number, block_hash AS hash FROM nonce_slots WHERE chain_id = ${chainId} AND state = 'included' ORDER BY 1`.execute(
        db,
      );
      return rows;
    },

    async includedSlots(chainId, number, hash) {
      const { rows } = await sql<{
        signer: string;
        nonce: number;
        transaction_id: string | null;
        included_hash: string;
      }>`
        SELECT signer, nonce, transaction_id, included_hash FROM nonce_slots
        WHERE chain_id = ${chainId} AND state = 'included' AND block_number = ${number} AND block_hash = ${hash} ORDER BY signer, nonce`.execute(
        db,
      );
      return rows.map((row) => ({
        signer: row.signer,
        nonce: row.nonce,
        transactionId: row.transaction_id,
        hash: row.included_hash,
      }));
    },

    confirm: (chainId, number, hash, confirmations) =>
      postgres.transaction(async (trx) => {
        const { rows } = await sql<{ id: string }>`
          UPDATE transactions SET state = 'confirmed', confirmations = ${confirmations}
          WHERE chain_id = ${chainId} AND block_number = ${number} AND block_hash = ${hash} AND state = 'included' RETURNING id`.execute(
          trx,
        );
        await appendAudit(
          trx,
          rows.map(({ id }) => ({
            subject: `transaction:${id}`,
            action: 'confirmed',
            actor: ACTOR,
            details: { blockNumber: number, blockHash: hash, confirmations },
          })),
        );
      }),

    finalize: (chainId, number, hash, slots) =>
      postgres.transaction(async (trx) => {
        const records = sql`jsonb_to_recordset(${jsonRows(slots)}) AS r(signer text, nonce bigint)`;
        const { rows: settled } = await sql<{ transaction_id: string | null; outcome: string }>`
          UPDATE nonce_slots s SET state = 'settled', updated_at = now() FROM ${records}
          WHERE s.chain_id = ${chainId} AND s.signer = r.signer AND s.nonce = r.nonce AND s.state = 'included' AND s.block_number = ${number} AND s.block_hash = ${hash}
          RETURNING s.transaction_id, s.outcome`.execute(trx);
        const ids = settled.flatMap((row) => (row.transaction_id ? [{ id: row.transaction_id }] : []));
        if (ids.length === 0) return;
        const { rows } = await sql<{ id: string; state: string }>`
          UPDATE transactions t SET state = CASE t.outcome WHEN 'success' THEN 'finalized' WHEN 'reverted' THEN 'failed' ELSE 'cancelled' END
          FROM jsonb_to_recordset(${jsonRows(ids)}) AS r(id uuid) WHERE t.id = r.id AND t.state = 'confirmed' RETURNING t.id, t.state`.execute(
          trx,
        );
        await appendAudit(
          trx,
          rows.map(({ id, state }) => ({
            subject: `transaction:${id}`,
            action: state,
            actor: ACTOR,
            details: { blockNumber: number, blockHash: hash },
          })),
        );
      }),

    uninclude: (chainId, number, hash, slots) =>
      postgres.transaction(async (trx) => {
        const records = sql`jsonb_to_recordset(${jsonRows(slots)}) AS r(signer text, nonce bigint)`;
        const { rows: reopened } = await sql<{ transaction_id: string | null }>`
          UPDATE nonce_slots s SET state = 'open', included_hash = NULL, block_number = NULL, block_hash = NULL, outcome = NULL, updated_at = now() FROM ${records}
          WHERE s.chain_id = ${chainId} AND s.signer = r.signer AND s.nonce = r.nonce AND s.state = 'included' AND s.block_number = ${number} AND s.block_hash = ${hash}
          RETURNING s.transaction_id`.execute(trx);
        const ids = reopened.flatMap((row) => (row.transaction_id ? [{ id: row.transaction_id }] : []));
        if (ids.length === 0) return;
        await sql`
          UPDATE transactions t SET state = 'submitted', block_number = NULL, block_hash = NULL, outcome = NULL, confirmations = 0, gas_used = NULL,
            gas_price = NULL, included_at = NULL,
            error_code = CASE WHEN error_code = 'refused_by_chain' THEN error_code END, error_message = CASE WHEN error_code = 'refused_by_chain' THEN error_message END
          FROM jsonb_to_recordset(${jsonRows(ids)}) AS r(id uuid) WHERE t.id = r.id AND t.state IN ('included','confirmed')`.execute(
          trx,
        );
        // The mempool may have lost them with the block: nothing is taken as known to it any more.
        await sql`
          UPDATE attempts a SET accepted_at = NULL, last_broadcast_at = NULL FROM ${records}
          WHERE a.chain_id = ${chainId} AND a.signer = r.signer AND a.nonce = r.nonce`.execute(trx);
        await appendAudit(
          trx,
          ids.map(({ id }) => ({
            subject: `transaction:${id}`,
            action: 'reorged',
            actor: ACTOR,
            details: { blockNumber: number, blockHash: hash },
          })),
        );
      }),
  };
}
