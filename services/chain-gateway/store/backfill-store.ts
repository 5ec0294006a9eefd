import { sql } from 'kysely';
import type { BlockWithEvents, FollowedContract } from '../indexer/index-types.ts';
import { appendFinal } from './event-log.ts';
import type { GatewayPostgres } from './gateway-database.ts';
import { insertIndexRows } from './index-rows.ts';

/** A contract that was added when the index was past its first block. */
export interface PendingBackfill {
  readonly address: string;
  /** First block not backfilled yet. */
  readonly next: number;
  /** First block that live indexing has covered with this contract. */
  readonly below: number;
}

export async function pendingBackfills(
  postgres: GatewayPostgres,
  chainId: number,
): Promise<PendingBackfill[]> {
  const { rows } = await sql<{ address: string; backfill_next: number; backfill_below: number }>`
    SELECT address, backfill_next, backfill_below FROM indexed_contracts WHERE chain_id = ${chainId} AND backfill_next < backfill_below ORDER BY address`.execute(
    postgres.db,
  );
  return rows.map((row) => ({ address: row.address, next: row.backfill_next, below: row.backfill_below }));
}

/**
 * Writes final blocks of one added contract, and how far the backfill is, in one transaction.
 * @returns false when another process has moved it meanwhile.
 */
export function applyBackfill(
  postgres: GatewayPostgres,
  chainId: number,
  contract: Pick<FollowedContract, 'address'>,
  blocks: readonly BlockWithEvents[],
  range: { from: number; to: number },
): Promise<boolean> {
  return postgres.transaction(async (trx) => {
    const { rows } = await sql`
      UPDATE indexed_contracts SET backfill_next = ${range.to + 1}
      WHERE chain_id = ${chainId} AND address = ${contract.address} AND backfill_next = ${range.from} AND backfill_below > ${range.to} RETURNING address`.execute(
      trx,
    );
    if (rows.length === 0) return false;
    for (const { block, events } of blocks) {
      await insertIndexRows(trx, chainId, block, events);
      await appendFinal(trx, chainId, block, events);
    }
    return true;
  });
}
