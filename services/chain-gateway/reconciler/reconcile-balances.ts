import { AbiCoder, getAddress, Interface } from 'ethers';
import { sql } from 'kysely';
import { type EthereumRpc, RpcCallError } from '../rpc/ethereum-rpc.ts';
import type { GatewayPostgres } from '../store/gateway-database.ts';
import { type Finding, saveFindings } from './finding-store.ts';

const views = new Interface([
  'function balanceOf(address) view returns (uint256)',
  'function ownerOf(uint256) view returns (address)',
]);

/**
 * Compares sums of the index with what the contracts say, at the very block the index is at (EIP-1898: by hash, so that
 * a reorg in between is an error and not a difference). A different sample each time.
 */
export async function reconcileBalances(deps: {
  postgres: GatewayPostgres;
  rpc: EthereumRpc;
  chainId: number;
  sample?: number;
}): Promise<{ checked: number; findings: Finding[] }> {
  const { postgres, rpc, chainId, sample = 50 } = deps;
  // One statement is one snapshot: rows and block belong together.
  const { rows } = await sql<{
    block_hash: string;
    kind: 'balance' | 'owner';
    contract: string;
    holder: string;
    id: string;
  }>`
    SELECT c.block_hash, 'balance' AS kind, b.token AS contract, b.holder, b.raw::text AS id
    FROM index_cursors c CROSS JOIN LATERAL (SELECT * FROM token_balances t WHERE t.chain_id = c.chain_id ORDER BY random() LIMIT ${sample}) b WHERE c.chain_id = ${chainId}
    UNION ALL
    SELECT c.block_hash, 'owner', h.contract, h.owner, h.token_id::text
    FROM index_cursors c CROSS JOIN LATERAL (SELECT * FROM nft_holdings n WHERE n.chain_id = c.chain_id AND n.standard = 'erc721' ORDER BY random() LIMIT ${sample}) h
    WHERE c.chain_id = ${chainId}`.execute(postgres.db);
  const results = await Promise.all(
    rows.map(async (row): Promise<Finding | 'same' | 'unknown'> => {
      const data =
        row.kind === 'balance'
          ? views.encodeFunctionData('balanceOf', [row.holder])
          : views.encodeFunctionData('ownerOf', [row.id]);
      let answer: unknown;
      try {
        answer = await rpc.request('eth_call', [{ to: row.contract, data }, { blockHash: row.block_hash }], {
          principal: 'indexer',
          priority: 'background',
        });
      } catch (error) {
        // The block was taken back meanwhile, or the provider has no state for it: not a difference.
        if (error instanceof RpcCallError) return 'unknown';
        throw error;
      }
      const coder = AbiCoder.defaultAbiCoder();
      const found =
        row.kind === 'balance'
          ? String(coder.decode(['uint256'], answer as string)[0])
          : getAddress(coder.decode(['address'], answer as string)[0]);
      const expected = row.kind === 'balance' ? row.id : row.holder;
      if (found === expected) return 'same';
      return {
        kind: 'balance_differs',
        subject: `${row.contract}:${row.kind === 'balance' ? row.holder : row.id}`,
        detail: { contract: row.contract, index: expected, chain: found, blockHash: row.block_hash },
        repaired: false,
      };
    }),
  );
  const findings = results.filter((result): result is Finding => typeof result === 'object');
  await saveFindings(postgres, chainId, ['balance_differs'], findings);
  return { checked: results.filter((result) => result !== 'unknown').length, findings };
}
