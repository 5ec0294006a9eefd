import { sql } from 'kysely';
import { appendAudit } from '../audit/append-audit.ts';
import type {
  Inclusion,
  Intent,
  Lane,
  LaneStore,
  OpenSlot,
  SavedAttempt,
} from '../transactions/lane-types.ts';
import { type GatewayPostgres, type GatewayTransaction, jsonRows } from './gateway-database.ts';
import { createSettleStore } from './settle-store.ts';
import { forgetSpend, raiseSpend, recordSpend, settleSpend, withinAllowance } from './spend-store.ts';

/** Answers "invalid" this often, and never "accepted": the chain will not take it; the nonce is spent on a no-op. */
const INVALID_LIMIT = 3;
const ACTOR = 'worker';

interface IntentRow {
  id: string;
  to_address: string;
  data: string;
  value: string;
  gas_limit: number;
  access_list: Intent['accessList'] | null;
  urgency: Intent['urgency'];
  max_fee_cap: string | null;
  cancel_requested_at: Date | null;
  speed_ups: number;
  requeues: number;
  created_at: Date;
}

const INTENT_COLUMNS = sql.raw(
  't.id, t.to_address, t.data, t.value::text, t.gas_limit, t.access_list, t.urgency, t.max_fee_cap::text, t.cancel_requested_at, t.speed_ups, t.requeues, t.created_at',
);

const intentOf = (row: IntentRow): Intent => ({
  id: row.id,
  to: row.to_address,
  data: row.data,
  value: BigInt(row.value),
  gasLimit: BigInt(row.gas_limit),
  accessList: row.access_list ?? undefined,
  urgency: row.urgency,
  maxFeeCap: row.max_fee_cap === null ? null : BigInt(row.max_fee_cap),
  cancelRequested: row.cancel_requested_at !== null,
  speedUps: row.speed_ups,
  requeues: row.requeues,
  createdAt: row.created_at.getTime(),
});

interface AttemptJson {
  number: number;
  kind: OpenSlot['attempts'][number]['kind'];
  hash: string;
  raw: string;
  gas: string;
  fee: string;
  tip: string;
  created: number;
  broadcasts: number;
  sent: number | null;
  accepted: number | null;
  error: string | null;
}

async function lockLane(
  trx: GatewayTransaction,
  lane: Pick<Lane, 'chainId' | 'signer'>,
): Promise<{ next_nonce: number; paused_reason: string | null }> {
  const { rows } = await sql<{ next_nonce: number; paused_reason: string | null }>`
    SELECT next_nonce, paused_reason FROM lanes WHERE chain_id = ${lane.chainId} AND signer = ${lane.signer} FOR UPDATE`.execute(
    trx,
  );
  const [row] = rows;
  if (!row) throw new Error(`no lane for ${lane.signer} on chain ${lane.chainId}`);
  return row;
}

interface AttemptRow {
  nonce: number;
  number: number;
  kind: string;
  hash: string;
  raw: string;
  gas_limit: bigint;
  max_fee: bigint;
  max_priority: bigint;
}

async function insertAttempts(
  trx: GatewayTransaction,
  lane: Pick<Lane, 'chainId' | 'signer'>,
  rows: readonly AttemptRow[],
): Promise<void> {
  await sql`
    INSERT INTO attempts (chain_id, signer, nonce, number, kind, hash, raw, gas_limit, max_fee, max_priority)
    SELECT ${lane.chainId}, ${lane.signer}, nonce, number, kind, hash, raw, gas_limit, max_fee, max_priority
    FROM jsonb_to_recordset(${jsonRows(rows)}) AS a(nonce bigint, number int, kind text, hash text, raw text, gas_limit bigint, max_fee numeric, max_priority numeric)`.execute(
    trx,
  );
}

/** Creates the lane of a signer when it has none; `next` is the chain's own count. */
export async function ensureLane(
  postgres: GatewayPostgres,
  lane: { chainId: number; signer: string; pool: string; nextNonce: number },
): Promise<void> {
  await sql`
    INSERT INTO lanes (chain_id, signer, pool, next_nonce) VALUES (${lane.chainId}, ${lane.signer}, ${lane.pool}, ${lane.nextNonce})
    ON CONFLICT (chain_id, signer) DO UPDATE SET pool = EXCLUDED.pool WHERE lanes.pool <> EXCLUDED.pool`.execute(
    postgres.db,
  );
}

/** {@link LaneStore} in Postgres. */
export function createLaneStore(postgres: GatewayPostgres): LaneStore {
  const { db } = postgres;
  const subjectOf = (lane: Pick<Lane, 'chainId' | 'signer'>, id: string | null) =>
    id ? `transaction:${id}` : `lane:${lane.chainId}:${lane.signer}`;

  return {
    ...createSettleStore(postgres),

    async lane(chainId, signer) {
      const { rows } = await sql<{ next_nonce: number; paused_reason: string | null }>`
        SELECT next_nonce, paused_reason FROM lanes WHERE chain_id = ${chainId} AND signer = ${signer}`.execute(
        db,
      );
      const [row] = rows;
      if (!row) throw new Error(`no lane for ${signer} on chain ${chainId}`);
      return { chainId, signer, nextNonce: row.next_nonce, pausedReason: row.paused_reason };
    },

    async openSlots(chainId, signer) {
      const { rows } = await sql<
        { nonce: number; foreign_seen_block: number | null; attempts: AttemptJson[] } & (
          | IntentRow
          | { id: null }
        )
      >`
        SELECT s.nonce, s.foreign_seen_block, ${INTENT_COLUMNS},
          (SELECT jsonb_agg(jsonb_build_object('number', a.number, 'kind', a.kind, 'hash', a.hash, 'raw', a.raw, 'gas', a.gas_limit::text,
             'fee', a.max_fee::text, 'tip', a.max_priority::text, 'created', (extract(epoch from a.created_at) * 1000)::bigint, 'broadcasts', a.broadcasts,
             'sent', (extract(epoch from a.last_broadcast_at) * 1000)::bigint, 'accepted', (extract(epoch from a.accepted_at) * 1000)::bigint,
             'error', a.last_error) ORDER BY a.number)
           FROM attempts a WHERE a.chain_id = s.chain_id AND a.signer = s.signer AND a.nonce = s.nonce) AS attempts
        FROM nonce_slots s LEFT JOIN transactions t ON t.id = s.transaction_id
        WHERE s.chain_id = ${chainId} AND s.signer = ${signer} AND s.state = 'open' ORDER BY s.nonce`.execute(
        db,
      );
      return rows.map((row) => ({
        nonce: row.nonce,
        foreignSeenBlock: row.foreign_seen_block,
        intent: row.id === null ? undefined : intentOf(row),
        attempts: (row.attempts ?? []).map((a) => ({
          number: a.number,
          kind: a.kind,
          hash: a.hash,
          raw: a.raw,
          gasLimit: BigInt(a.gas),
          maxFeePerGas: BigInt(a.fee),
          maxPriorityFeePerGas: BigInt(a.tip),
          createdAt: a.created,
          broadcasts: a.broadcasts,
          lastBroadcastAt: a.sent,
          acceptedAt: a.accepted,
          lastError: a.error,
        })),
      }));
    },

    async preparedCount(chainId, signer) {
      const { rows } = await sql<{ count: number }>`
        SELECT count(*) AS count FROM transactions WHERE state = 'prepared' AND chain_id = ${chainId} AND signer = ${signer}`.execute(
        db,
      );
      return Number(rows[0]?.count ?? 0);
    },

    async missingNonces(chainId, signer, from, to) {
      const { rows } = await sql<{ nonce: number }>`
        SELECT n AS nonce FROM generate_series(${from}::bigint, ${to - 1}::bigint) AS n
        WHERE NOT EXISTS (SELECT 1 FROM nonce_slots s WHERE s.chain_id = ${chainId} AND s.signer = ${signer} AND s.nonce = n) ORDER BY n LIMIT 64`.execute(
        db,
      );
      return rows.map((row) => row.nonce);
    },

    signPrepared: (lane, { minNonce, limit, sign, allowance }) =>
      postgres.transaction(async (trx) => {
        const { next_nonce } = await lockLane(trx, lane);
        const { rows } = await sql<IntentRow>`
          SELECT ${INTENT_COLUMNS} FROM transactions t WHERE t.state = 'prepared' AND t.chain_id = ${lane.chainId} AND t.signer = ${lane.signer}
            AND t.cancel_requested_at IS NULL
          ORDER BY t.id LIMIT ${limit} FOR UPDATE SKIP LOCKED`.execute(trx);
        if (rows.length === 0) return [];
        const first = Math.max(next_nonce, minNonce);
        const all = await Promise.all(
          rows.map(async (row, i) => {
            const intent = intentOf(row);
            const next = await sign(intent, first + i);
            const committed = next.gasLimit * next.fees.maxFeePerGas + intent.value;
            return { id: row.id, nonce: first + i, committed, value: intent.value, ...next };
          }),
        );
        const signed = await withinAllowance(trx, lane, all, allowance);
        if (signed.length === 0) return [];
        await sql`
          INSERT INTO nonce_slots (chain_id, signer, nonce, transaction_id)
          SELECT ${lane.chainId}, ${lane.signer}, nonce, id FROM jsonb_to_recordset(${jsonRows(signed.map(({ id, nonce }) => ({ id, nonce })))}) AS s(id uuid, nonce bigint)`.execute(
          trx,
        );
        await recordSpend(trx, lane, signed);
        await insertAttempts(
          trx,
          lane,
          signed.map(({ nonce, signed: bytes, fees, gasLimit }) => ({
            nonce,
            number: 1,
            kind: 'send',
            hash: bytes.hash,
            raw: bytes.raw,
            gas_limit: gasLimit,
            max_fee: fees.maxFeePerGas,
            max_priority: fees.maxPriorityFeePerGas,
          })),
        );
        await sql`
          UPDATE transactions t SET state = 'signed', nonce = s.nonce, hash = s.hash, waiting_reason = NULL
          FROM jsonb_to_recordset(${jsonRows(signed.map(({ id, nonce, signed: { hash } }) => ({ id, nonce, hash })))}) AS s(id uuid, nonce bigint, hash text)
          WHERE t.id = s.id`.execute(trx);
        await sql`
          UPDATE lanes SET next_nonce = ${first + signed.length}, updated_at = now() WHERE chain_id = ${lane.chainId} AND signer = ${lane.signer}`.execute(
          trx,
        );
        await appendAudit(
          trx,
          signed.map(({ id, nonce, signed: { hash }, fees }) => ({
            subject: `transaction:${id}`,
            action: 'signed',
            actor: ACTOR,
            details: {
              chainId: lane.chainId,
              signer: lane.signer,
              nonce,
              hash,
              maxFeePerGas: fees.maxFeePerGas,
              maxPriorityFeePerGas: fees.maxPriorityFeePerGas,
            },
          })),
        );
        return signed.map(
          ({ id, nonce, signed: { hash, raw } }): SavedAttempt => ({ nonce, transactionId: id, hash, raw }),
        );
      }),

    saveReplacement: (lane, nonce, { number, kind, signed, fees, gasLimit }) =>
      postgres.transaction(async (trx) => {
        await lockLane(trx, lane);
        const { rows } = await sql<{ transaction_id: string | null; latest: number }>`
          SELECT s.transaction_id, (SELECT max(number) FROM attempts a WHERE a.chain_id = s.chain_id AND a.signer = s.signer AND a.nonce = s.nonce) AS latest
          FROM nonce_slots s WHERE s.chain_id = ${lane.chainId} AND s.signer = ${lane.signer} AND s.nonce = ${nonce} AND s.state = 'open' FOR UPDATE`.execute(
          trx,
        );
        const [slot] = rows;
        if (!slot || slot.latest !== number - 1) return false;
        await insertAttempts(trx, lane, [
          {
            nonce,
            number,
            kind,
            hash: signed.hash,
            raw: signed.raw,
            gas_limit: gasLimit,
            max_fee: fees.maxFeePerGas,
            max_priority: fees.maxPriorityFeePerGas,
          },
        ]);
        await raiseSpend(trx, lane, nonce, gasLimit * fees.maxFeePerGas);
        if (slot.transaction_id)
          await sql`UPDATE transactions SET hash = ${signed.hash} WHERE id = ${slot.transaction_id}`.execute(
            trx,
          );
        await appendAudit(trx, [
          {
            subject: subjectOf(lane, slot.transaction_id),
            action: kind === 'cancel' ? 'cancel_signed' : 'replacement_signed',
            actor: ACTOR,
            details: {
              nonce,
              number,
              hash: signed.hash,
              maxFeePerGas: fees.maxFeePerGas,
              maxPriorityFeePerGas: fees.maxPriorityFeePerGas,
            },
          },
        ]);
        return true;
      }),

    saveFill: (lane, nonce, { signed, fees, gasLimit }) =>
      postgres.transaction(async (trx) => {
        const { next_nonce } = await lockLane(trx, lane);
        if (nonce >= next_nonce) return false;
        const { rows } = await sql`
          INSERT INTO nonce_slots (chain_id, signer, nonce) VALUES (${lane.chainId}, ${lane.signer}, ${nonce}) ON CONFLICT DO NOTHING RETURNING nonce`.execute(
          trx,
        );
        if (rows.length === 0) return false;
        await insertAttempts(trx, lane, [
          {
            nonce,
            number: 1,
            kind: 'fill',
            hash: signed.hash,
            raw: signed.raw,
            gas_limit: gasLimit,
            max_fee: fees.maxFeePerGas,
            max_priority: fees.maxPriorityFeePerGas,
          },
        ]);
        await appendAudit(trx, [
          {
            subject: subjectOf(lane, null),
            action: 'gap_filled',
            actor: ACTOR,
            details: { nonce, hash: signed.hash },
          },
        ]);
        return true;
      }),

    recordBroadcasts: (lane, results) =>
      results.length === 0
        ? Promise.resolve()
        : postgres.transaction(async (trx) => {
            const rows = results.map(({ nonce, hash, outcome }) => ({
              nonce,
              hash,
              kind: outcome.kind,
              ok: outcome.kind === 'accepted' || outcome.kind === 'already_known',
              error: 'message' in outcome ? outcome.message.slice(0, 500) : null,
            }));
            const records = sql`jsonb_to_recordset(${jsonRows(rows)}) AS r(nonce bigint, hash text, kind text, ok boolean, error text)`;
            await sql`
              UPDATE attempts a SET broadcasts = broadcasts + 1, last_broadcast_at = now(),
                accepted_at = CASE WHEN r.ok THEN coalesce(a.accepted_at, now()) ELSE a.accepted_at END, last_error = r.error
              FROM ${records} WHERE a.chain_id = ${lane.chainId} AND a.hash = r.hash`.execute(trx);
            const { rows: moved } = await sql<{ id: string; hash: string }>`
              UPDATE transactions t SET state = 'submitted' FROM nonce_slots s, ${records}
              WHERE s.chain_id = ${lane.chainId} AND s.signer = ${lane.signer} AND s.nonce = r.nonce AND r.ok AND t.id = s.transaction_id AND t.state = 'signed'
              RETURNING t.id, r.hash`.execute(trx);
            await sql`
              UPDATE transactions t SET cancel_requested_at = now(), error_code = 'refused_by_chain', error_message = r.error
              FROM nonce_slots s, attempts a, ${records}
              WHERE r.kind = 'invalid' AND s.chain_id = ${lane.chainId} AND s.signer = ${lane.signer} AND s.nonce = r.nonce AND t.id = s.transaction_id
                AND a.chain_id = s.chain_id AND a.hash = r.hash AND a.broadcasts >= ${INVALID_LIMIT} AND a.accepted_at IS NULL
                AND t.cancel_requested_at IS NULL AND t.state = 'signed'`.execute(trx);
            await appendAudit(
              trx,
              moved.map(({ id, hash }) => ({
                subject: `transaction:${id}`,
                action: 'submitted',
                actor: ACTOR,
                details: { hash },
              })),
            );
          }),

    recordInclusions: (lane, inclusions) =>
      postgres.transaction((trx) => recordInclusions(trx, lane, inclusions)),

    async noteForeign(lane, nonce, seenAtBlock) {
      await sql`
        UPDATE nonce_slots SET foreign_seen_block = ${seenAtBlock}, updated_at = now()
        WHERE chain_id = ${lane.chainId} AND signer = ${lane.signer} AND nonce = ${nonce} AND state = 'open'`.execute(
        db,
      );
    },

    releaseForeign: (lane, nonce, next) =>
      postgres.transaction(async (trx) => {
        await lockLane(trx, lane);
        const { rows } = await sql<{ transaction_id: string | null }>`
          UPDATE nonce_slots SET state = 'foreign', updated_at = now()
          WHERE chain_id = ${lane.chainId} AND signer = ${lane.signer} AND nonce = ${nonce} AND state = 'open' RETURNING transaction_id`.execute(
          trx,
        );
        const id = rows[0]?.transaction_id;
        if (rows.length === 0) return;
        await forgetSpend(trx, lane, nonce);
        if (id && next === 'queued') {
          await sql`
            UPDATE transactions SET state = 'queued', signer = NULL, nonce = NULL, hash = NULL, requeues = requeues + 1, prepare_after = now(),
              waiting_reason = 'nonce_taken_elsewhere' WHERE id = ${id}`.execute(trx);
        } else if (id) {
          await sql`
            UPDATE transactions SET state = 'replaced', error_code = 'nonce_taken_elsewhere',
              error_message = 'its nonce was spent by a transaction that this gateway did not sign' WHERE id = ${id}`.execute(
            trx,
          );
        }
        await appendAudit(trx, [
          {
            subject: subjectOf(lane, id ?? null),
            action: 'nonce_taken_elsewhere',
            actor: ACTOR,
            details: { nonce, next },
          },
        ]);
      }),

    pause: (lane, reason) =>
      postgres.transaction(async (trx) => {
        await sql`
          UPDATE lanes SET paused_reason = ${reason}, paused_since = CASE WHEN ${reason}::text IS NULL THEN NULL ELSE now() END, updated_at = now()
          WHERE chain_id = ${lane.chainId} AND signer = ${lane.signer}`.execute(trx);
        await appendAudit(trx, [
          {
            subject: subjectOf(lane, null),
            action: reason ? 'paused' : 'resumed',
            actor: ACTOR,
            details: { reason },
          },
        ]);
      }),
  };
}

/** Writes that attempts are in blocks; idempotent, and follows a transaction that moved to another block. */
export async function recordInclusions(
  trx: GatewayTransaction,
  lane: Pick<Lane, 'chainId' | 'signer'>,
  inclusions: readonly Inclusion[],
): Promise<void> {
  const rows = inclusions.map(({ nonce, receipt, outcome }) => ({
    nonce,
    outcome,
    hash: receipt.hash,
    block_number: receipt.blockNumber,
    block_hash: receipt.blockHash,
    gas_used: receipt.gasUsed,
    gas_price: receipt.effectiveGasPrice,
  }));
  const records = sql`jsonb_to_recordset(${jsonRows(rows)})
    AS r(nonce bigint, outcome text, hash text, block_number bigint, block_hash text, gas_used bigint, gas_price numeric)`;
  await sql`
    UPDATE nonce_slots s SET state = 'included', included_hash = r.hash, block_number = r.block_number, block_hash = r.block_hash, outcome = r.outcome,
      foreign_seen_block = NULL, updated_at = now()
    FROM ${records} WHERE s.chain_id = ${lane.chainId} AND s.signer = ${lane.signer} AND s.nonce = r.nonce AND s.state = 'open'`.execute(
    trx,
  );
  const { rows: moved } = await sql<{
    id: string;
    hash: string;
    outcome: string;
    block_number: number;
    block_hash: string;
  }>`
    UPDATE transactions t SET state = 'included', hash = r.hash, block_number = r.block_number, block_hash = r.block_hash, outcome = r.outcome,
      confirmations = 1, gas_used = r.gas_used, gas_price = r.gas_price, included_at = now(), waiting_reason = NULL,
      error_code = CASE r.outcome WHEN 'reverted' THEN 'reverted' WHEN 'cancelled' THEN coalesce(t.error_code, 'cancelled') ELSE NULL END,
      error_message = CASE r.outcome WHEN 'reverted' THEN 'the contract reverted the call when it was executed'
        WHEN 'cancelled' THEN coalesce(t.error_message, 'cancelled on request; its nonce was spent on a no-op') ELSE NULL END
    FROM nonce_slots s, ${records}
    WHERE s.chain_id = ${lane.chainId} AND s.signer = ${lane.signer} AND s.nonce = r.nonce AND s.state = 'included' AND t.id = s.transaction_id
      AND t.state IN ('signed','submitted') RETURNING t.id, r.hash, r.outcome, r.block_number, r.block_hash`.execute(
    trx,
  );
  await settleSpend(trx, lane, rows);
  await appendAudit(
    trx,
    moved.map((row) => ({
      subject: `transaction:${row.id}`,
      action: 'included',
      actor: ACTOR,
      details: {
        hash: row.hash,
        outcome: row.outcome,
        blockNumber: row.block_number,
        blockHash: row.block_hash,
      },
    })),
  );
}
