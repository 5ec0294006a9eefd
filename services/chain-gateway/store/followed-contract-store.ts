import { sql } from 'kysely';
import type { FollowedContract } from '../indexer/index-types.ts';
import { type GatewayExecutor, type GatewayPostgres, jsonRows } from './gateway-database.ts';

/** Records which contracts are followed; one that is new while the index is ahead of its first block waits for its backfill. */
export async function saveFollowedContracts(
  postgres: GatewayPostgres,
  chainId: number,
  contracts: readonly FollowedContract[],
): Promise<void> {
  const rows = contracts.map((c) => ({
    address: c.address,
    name: c.name,
    standard: c.standard,
    symbol: c.symbol,
    decimals: c.decimals,
    from_block: c.fromBlock,
  }));
  await sql`
    INSERT INTO indexed_contracts (chain_id, address, name, standard, symbol, decimals, from_block, backfill_below, backfill_next)
    SELECT ${chainId}, c.address, c.name, c.standard, c.symbol, c.decimals, c.from_block,
      CASE WHEN k.block_number >= c.from_block THEN k.block_number + 1 END, CASE WHEN k.block_number >= c.from_block THEN c.from_block END
    FROM jsonb_to_recordset(${jsonRows(rows)}) AS c(address text, name text, standard text, symbol text, decimals int, from_block bigint)
    LEFT JOIN index_cursors k ON k.chain_id = ${chainId}
    ON CONFLICT (chain_id, address) DO UPDATE SET name = EXCLUDED.name, symbol = coalesce(EXCLUDED.symbol, indexed_contracts.symbol),
      decimals = coalesce(EXCLUDED.decimals, indexed_contracts.decimals)`.execute(postgres.db);
}

export interface TokenInfo {
  readonly name: string;
  readonly address: string;
  readonly symbol: string | null;
  readonly decimals: number | null;
  readonly standard: string;
}

export async function tokenInfos(db: GatewayExecutor, chainId: number): Promise<Map<string, TokenInfo>> {
  const { rows } =
    await sql<TokenInfo>`SELECT name, address, symbol, decimals, standard FROM indexed_contracts WHERE chain_id = ${chainId}`.execute(
      db,
    );
  return new Map(rows.map((row) => [row.address, row]));
}
