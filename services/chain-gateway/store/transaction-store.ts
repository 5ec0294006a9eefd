import { type RawBuilder, sql } from 'kysely';
import type { TransactionState } from '../transactions/states.ts';
import type { TransactionView } from '../transactions/transaction-schema.ts';
import type { GatewayExecutor } from './gateway-database.ts';

interface Row {
  id: string;
  chain_id: number;
  state: TransactionState;
  version: number;
  pool: string;
  idempotency_key: string;
  contract: string | null;
  function: string | null;
  args: unknown[] | null;
  to_address: string;
  value: string;
  urgency: 'slow' | 'standard' | 'fast';
  purpose: string | null;
  requested_by: string;
  signer: string | null;
  nonce: number | null;
  hash: string | null;
  block_number: number | null;
  block_hash: string | null;
  outcome: 'success' | 'reverted' | 'cancelled' | null;
  confirmations: number;
  depth: number | null;
  gas_used: number | null;
  gas_price: string | null;
  cost_estimate: string | null;
  error_code: string | null;
  error_message: string | null;
  waiting_reason: string | null;
  created_at: Date;
  updated_at: Date;
}

const COLUMNS =
  sql.raw(`t.id, t.chain_id, t.state, t.version, t.pool, t.idempotency_key, t.contract, t.function, t.args, t.to_address, t.value::text,
  t.urgency, t.purpose, t.requested_by, t.signer, t.nonce, t.hash, t.block_number, t.block_hash, t.outcome, t.confirmations,
  (SELECT c.block_number - t.block_number + 1 FROM index_cursors c WHERE c.chain_id = t.chain_id) AS depth, t.gas_used, t.gas_price::text,
  t.cost_estimate::text, t.error_code, t.error_message, t.waiting_reason, t.created_at, t.updated_at`);

const viewOf = (row: Row): TransactionView => ({
  id: row.id,
  chainId: row.chain_id,
  state: row.state,
  signer: { alias: row.pool, address: row.signer },
  to: row.to_address,
  contract: row.contract,
  function: row.function,
  args: row.args,
  value: row.value,
  nonce: row.nonce,
  hash: row.hash,
  blockNumber: row.block_number === null ? null : String(row.block_number),
  blockHash: row.block_hash,
  // The indexer's head is fresher than the last time a worker looked.
  confirmations: row.block_number === null ? 0 : Math.max(row.confirmations, row.depth ?? 0),
  outcome: row.outcome,
  error:
    row.error_code === null ? null : { code: row.error_code, message: row.error_message ?? row.error_code },
  waitingReason: row.waiting_reason,
  urgency: row.urgency,
  costEstimate: row.cost_estimate,
  gasUsed: row.gas_used === null ? null : String(row.gas_used),
  gasPrice: row.gas_price,
  purpose: row.purpose,
  requestedBy: row.requested_by,
  idempotencyKey: row.idempotency_key,
  version: row.version,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
});

export interface NewTransaction {
  readonly id: string;
  readonly chainId: number;
  readonly pool: string;
  readonly principal: string;
  readonly idempotencyKey: string;
  readonly contract: string | null;
  readonly function: string | null;
  readonly args: readonly unknown[] | null;
  readonly to: string;
  readonly data: string;
  readonly value: bigint;
  readonly urgency: 'slow' | 'standard' | 'fast';
  readonly maxFeeCap: bigint | null;
  readonly deadlineAt: Date | null;
  readonly purpose: string | null;
  readonly requestedBy: string;
  readonly webhookUrl: string | null;
}

export interface TransactionFilter {
  readonly chainId?: number | undefined;
  readonly state?: TransactionState | undefined;
  readonly signer?: string | undefined;
  readonly requestedBy?: string | undefined;
  readonly purpose?: string | undefined;
  readonly hash?: string | undefined;
  readonly idempotencyKey?: string | undefined;
}

/** Inserts the transaction and what must leave the database because of it. */
export async function insertTransaction(trx: GatewayExecutor, tx: NewTransaction): Promise<TransactionView> {
  await sql`
    INSERT INTO transactions (id, chain_id, pool, principal, idempotency_key, contract, function, args, to_address, data, value, urgency, max_fee_cap,
      deadline_at, purpose, requested_by, webhook_url)
    VALUES (${tx.id}, ${tx.chainId}, ${tx.pool}, ${tx.principal}, ${tx.idempotencyKey}, ${tx.contract}, ${tx.function},
      ${tx.args === null ? null : JSON.stringify(tx.args)}::jsonb, ${tx.to}, ${tx.data}, ${tx.value.toString()}::numeric, ${tx.urgency},
      ${tx.maxFeeCap === null ? null : tx.maxFeeCap.toString()}::numeric, ${tx.deadlineAt}, ${tx.purpose}, ${tx.requestedBy}, ${tx.webhookUrl})`.execute(
    trx,
  );
  await sql`INSERT INTO outbox (topic, transaction_id, payload) VALUES ('wake', ${tx.id}, ${JSON.stringify({ chainId: tx.chainId })}::jsonb)`.execute(
    trx,
  );
  const view = await findTransaction(trx, tx.id);
  if (!view) throw new Error('the transaction that was just inserted is gone');
  return view;
}

export async function findTransaction(db: GatewayExecutor, id: string): Promise<TransactionView | undefined> {
  const { rows } = await sql<Row>`SELECT ${COLUMNS} FROM transactions t WHERE t.id = ${id}`.execute(db);
  return rows[0] ? viewOf(rows[0]) : undefined;
}

/** The id of the transaction that was asked for with this key. */
export async function findByKey(
  db: GatewayExecutor,
  principal: string,
  key: string,
): Promise<string | undefined> {
  const { rows } = await sql<{ id: string }>`
    SELECT id FROM transactions WHERE principal = ${principal} AND idempotency_key = ${key}`.execute(db);
  return rows[0]?.id;
}

/** Newest first; `before` is the id of the last row of the previous page (ids sort by time). */
export async function listTransactions(
  db: GatewayExecutor,
  filter: TransactionFilter,
  page: { before: string | undefined; limit: number },
): Promise<TransactionView[]> {
  const conditions: RawBuilder<unknown>[] = [sql`true`];
  if (filter.chainId !== undefined) conditions.push(sql`t.chain_id = ${filter.chainId}`);
  if (filter.state !== undefined) conditions.push(sql`t.state = ${filter.state}`);
  if (filter.signer !== undefined)
    conditions.push(sql`(t.pool = ${filter.signer} OR t.signer = ${filter.signer})`);
  if (filter.requestedBy !== undefined) conditions.push(sql`t.requested_by = ${filter.requestedBy}`);
  if (filter.purpose !== undefined) conditions.push(sql`t.purpose = ${filter.purpose}`);
  if (filter.idempotencyKey !== undefined) conditions.push(sql`t.idempotency_key = ${filter.idempotencyKey}`);
  if (filter.hash !== undefined) {
    conditions.push(sql`(t.hash = ${filter.hash} OR EXISTS (SELECT 1 FROM attempts a JOIN nonce_slots s USING (chain_id, signer, nonce)
      WHERE a.hash = ${filter.hash} AND s.transaction_id = t.id))`);
  }
  if (page.before !== undefined) conditions.push(sql`t.id < ${page.before}::uuid`);
  const { rows } = await sql<Row>`
    SELECT ${COLUMNS} FROM transactions t WHERE ${sql.join(conditions, sql` AND `)} ORDER BY t.id DESC LIMIT ${page.limit}`.execute(
    db,
  );
  return rows.map(viewOf);
}

/** Withdraws at once what nobody has signed; marks what was signed, so that its lane spends the nonce on a no-op. */
export async function requestCancel(trx: GatewayExecutor, id: string): Promise<TransactionState | undefined> {
  const { rows } = await sql<{ state: TransactionState }>`
    UPDATE transactions SET cancel_requested_at = coalesce(cancel_requested_at, now()),
      state = CASE WHEN state IN ('queued','prepared') THEN 'cancelled' ELSE state END,
      error_code = CASE WHEN state IN ('queued','prepared') THEN 'cancelled' ELSE error_code END,
      error_message = CASE WHEN state IN ('queued','prepared') THEN 'cancelled on request before it was signed' ELSE error_message END
    WHERE id = ${id} AND state IN ('queued','prepared','signed','submitted') RETURNING state`.execute(trx);
  return rows[0]?.state;
}

/** Asks the lane for one more, better paid attempt. */
export async function requestSpeedUp(trx: GatewayExecutor, id: string): Promise<boolean> {
  const { rows } = await sql`
    UPDATE transactions SET speed_ups = speed_ups + 1, urgency = 'fast' WHERE id = ${id} AND state IN ('queued','prepared','signed','submitted') RETURNING id`.execute(
    trx,
  );
  return rows.length > 0;
}

/** States of one transaction after `version`, oldest first. */
export async function transactionEvents(
  db: GatewayExecutor,
  id: string,
  afterVersion: number,
): Promise<{ version: number; state: TransactionState; snapshot: Record<string, unknown>; at: Date }[]> {
  const { rows } = await sql<{
    version: number;
    state: TransactionState;
    snapshot: Record<string, unknown>;
    at: Date;
  }>`
    SELECT version, state, snapshot, at FROM transaction_events WHERE transaction_id = ${id} AND version > ${afterVersion} ORDER BY version`.execute(
    db,
  );
  return rows;
}
