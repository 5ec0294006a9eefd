import { sql } from 'kysely';
import type { EthereumRpc } from '../rpc/ethereum-rpc.ts';
import type { GatewayPostgres } from '../store/gateway-database.ts';
import type { LaneEngine } from '../transactions/lane-engine.ts';
import type { LaneChain } from '../transactions/lane-types.ts';
import { type Finding, type FindingKind, saveFindings } from './finding-store.ts';

/** What this reconciler looks for; the indexer's balances have one of their own. */
export const TRANSACTION_FINDINGS: readonly FindingKind[] = [
  'evicted',
  'not_prepared',
  'final_lost',
  'orphan',
  'lane_paused',
  'audit_unsealed',
];

/** An open nonce this old should be in a mempool. */
const EVICTED_AFTER_SECONDS = 30;
const NOT_PREPARED_AFTER_SECONDS = 60;
const UNSEALED_AFTER_SECONDS = 60;
/** Final nonces looked at again per round, the newest. */
const FINAL_SAMPLE = 20;

export interface ReconcileDeps {
  readonly postgres: GatewayPostgres;
  readonly rpc: EthereumRpc;
  readonly chain: LaneChain;
  readonly engines: readonly LaneEngine[];
}

/** Compares database, mempool and chain; repairs what can be repaired and reports the rest. */
export async function reconcileTransactions(deps: ReconcileDeps): Promise<Finding[]> {
  const { postgres, chain, engines } = deps;
  // Gaps, and keys used elsewhere: the lanes find and cure them themselves when they look although they are idle.
  for (const engine of engines) await engine.tick({ evenIdle: true });
  const findings = (
    await Promise.all([
      evicted(deps),
      notPrepared(postgres, chain.chainId),
      finalLost(deps),
      orphans(postgres, chain.chainId),
      paused(postgres, chain.chainId),
      unsealed(postgres),
    ])
  ).flat();
  await saveFindings(postgres, chain.chainId, TRANSACTION_FINDINGS, findings);
  return findings;
}

/** Sent long ago, in no block, and the node does not know it: broadcast the same bytes again. */
async function evicted({ postgres, rpc, chain }: ReconcileDeps): Promise<Finding[]> {
  const { rows } = await sql<{ signer: string; nonce: number; hash: string; transaction_id: string | null }>`
    SELECT s.signer, s.nonce, s.transaction_id, a.hash FROM nonce_slots s
    JOIN LATERAL (SELECT * FROM attempts a WHERE a.chain_id = s.chain_id AND a.signer = s.signer AND a.nonce = s.nonce ORDER BY number DESC LIMIT 1) a ON true
    WHERE s.chain_id = ${chain.chainId} AND s.state = 'open' AND a.created_at < now() - make_interval(secs => ${EVICTED_AFTER_SECONDS}) ORDER BY s.nonce LIMIT 200`.execute(
    postgres.db,
  );
  const found: Finding[] = [];
  for (const row of rows) {
    if (
      (await rpc.request('eth_getTransactionByHash', [row.hash], {
        principal: 'transactions',
        priority: 'background',
      })) !== null
    )
      continue;
    await sql`UPDATE attempts SET last_broadcast_at = NULL WHERE chain_id = ${chain.chainId} AND hash = ${row.hash}`.execute(
      postgres.db,
    );
    found.push({
      kind: 'evicted',
      subject: row.transaction_id ? `transaction:${row.transaction_id}` : `nonce:${row.signer}:${row.nonce}`,
      detail: { signer: row.signer, nonce: row.nonce, hash: row.hash },
      repaired: true,
    });
  }
  return found;
}

/** Queued, due, and nobody prepares it: a pool without a worker, mostly. */
async function notPrepared(postgres: GatewayPostgres, chainId: number): Promise<Finding[]> {
  const { rows } = await sql<{ id: string; pool: string }>`
    SELECT id, pool FROM transactions WHERE state = 'queued' AND chain_id = ${chainId} AND prepare_after < now() - make_interval(secs => ${NOT_PREPARED_AFTER_SECONDS})
    ORDER BY id LIMIT 100`.execute(postgres.db);
  return rows.map((row) => ({
    kind: 'not_prepared',
    subject: `transaction:${row.id}`,
    detail: { pool: row.pool },
    repaired: false,
  }));
}

/** Final here and not (there) on the chain: a provider lied to the end, or the chain broke its promise. */
async function finalLost({ postgres, chain }: ReconcileDeps): Promise<Finding[]> {
  const { rows } = await sql<{
    signer: string;
    nonce: number;
    included_hash: string;
    block_hash: string;
    transaction_id: string | null;
  }>`
    SELECT signer, nonce, included_hash, block_hash, transaction_id FROM nonce_slots WHERE chain_id = ${chain.chainId} AND state = 'settled'
    ORDER BY updated_at DESC LIMIT ${FINAL_SAMPLE}`.execute(postgres.db);
  const found: Finding[] = [];
  for (const row of rows) {
    const receipt = await chain.receipt(row.included_hash);
    if (receipt?.blockHash === row.block_hash) continue;
    found.push({
      kind: 'final_lost',
      subject: row.transaction_id ? `transaction:${row.transaction_id}` : `nonce:${row.signer}:${row.nonce}`,
      detail: {
        hash: row.included_hash,
        expectedBlock: row.block_hash,
        foundBlock: receipt?.blockHash ?? null,
      },
      repaired: false,
    });
  }
  return found;
}

/** Transactions and nonces that do not fit each other; constraints should make this impossible. */
async function orphans(postgres: GatewayPostgres, chainId: number): Promise<Finding[]> {
  const { rows } = await sql<{ id: string; state: string; slot: string | null }>`
    SELECT t.id, t.state, s.state AS slot FROM transactions t LEFT JOIN nonce_slots s ON s.transaction_id = t.id AND s.state <> 'foreign'
    WHERE t.chain_id = ${chainId} AND ((t.state IN ('signed','submitted') AND s.state IS DISTINCT FROM 'open')
      OR (t.state IN ('included','confirmed') AND s.state IS DISTINCT FROM 'included') OR (t.state IN ('queued','prepared') AND s.state IS NOT NULL))
    LIMIT 100`.execute(postgres.db);
  return rows.map((row) => ({
    kind: 'orphan',
    subject: `transaction:${row.id}`,
    detail: { state: row.state, slot: row.slot },
    repaired: false,
  }));
}

async function paused(postgres: GatewayPostgres, chainId: number): Promise<Finding[]> {
  const { rows } = await sql<{ signer: string; pool: string; paused_reason: string; paused_since: Date }>`
    SELECT signer, pool, paused_reason, paused_since FROM lanes WHERE chain_id = ${chainId} AND paused_reason IS NOT NULL`.execute(
    postgres.db,
  );
  return rows.map((row) => ({
    kind: 'lane_paused',
    subject: `lane:${row.signer}`,
    detail: { pool: row.pool, reason: row.paused_reason, since: row.paused_since.toISOString() },
    repaired: false,
  }));
}

async function unsealed(postgres: GatewayPostgres): Promise<Finding[]> {
  const { rows } = await sql<{ count: number }>`
    SELECT count(*)::int AS count FROM audit_entries e WHERE e.at < now() - make_interval(secs => ${UNSEALED_AFTER_SECONDS})
      AND e.id > (SELECT coalesce(max(entry_id), 0) - 100000 FROM audit_chain) AND NOT EXISTS (SELECT 1 FROM audit_chain c WHERE c.entry_id = e.id)`.execute(
    postgres.db,
  );
  const count = rows[0]?.count ?? 0;
  return count === 0
    ? []
    : [{ kind: 'audit_unsealed', subject: 'audit', detail: { entries: count }, repaired: false }];
}
