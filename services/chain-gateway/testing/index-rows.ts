import { sql } from 'kysely';
import type { GatewayExecutor } from '../store/gateway-database.ts';

const TABLES = [
  'token_transfers',
  'token_balances',
  'nft_holdings',
  'identities',
  'data_submissions',
  'permissions',
  'attestations',
];

/** Every row that the index derives from the chain, sorted; two indexes of the same chain must agree on it. */
export async function indexRows(db: GatewayExecutor): Promise<Record<string, string[]>> {
  const out: Record<string, string[]> = {};
  for (const table of TABLES) {
    const { rows } = await sql<{
      row: string;
    }>`SELECT to_jsonb(t)::text AS row FROM ${sql.table(table)} t ORDER BY 1`.execute(db);
    out[table] = rows.map((row) => row.row);
  }
  const { rows } = await sql<{
    number: number;
    hash: string;
  }>`SELECT block_number AS number, block_hash AS hash FROM index_cursors`.execute(db);
  out.cursor = rows.map((row) => `${row.number} ${row.hash}`);
  return out;
}
