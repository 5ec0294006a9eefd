import { getAddress, Transaction } from 'ethers';
import { sql } from 'kysely';
import { z } from 'zod';
import type { Logger } from '../../../lib/log.ts';
import { appendAudit } from '../audit/append-audit.ts';
import type { EthereumRpc } from '../rpc/ethereum-rpc.ts';
import type { GatewayPostgres, GatewayTransaction } from '../store/gateway-database.ts';
import { recordInclusions } from '../store/lane-store.ts';
import type { Lane, LaneChain } from '../transactions/lane-types.ts';
import { toHex } from '../transactions/rpc-lane-chain.ts';

const integer = z.string().transform(Number);
const big = z.string().transform(BigInt);
const transactionSchema = z.object({
  hash: z.string(),
  from: z.string(),
  to: z.string().nullable(),
  nonce: integer,
  input: z.string(),
  value: big,
  gas: big,
  type: integer.optional(),
  chainId: integer.optional(),
  maxFeePerGas: big.optional(),
  maxPriorityFeePerGas: big.optional(),
  gasPrice: big.optional(),
  accessList: z.array(z.object({ address: z.string(), storageKeys: z.array(z.string()) })).optional(),
  r: z.string(),
  s: z.string(),
  v: z.string().optional(),
  yParity: z.string().optional(),
});
type ChainTransaction = z.output<typeof transactionSchema>;
const blockSchema = z.object({ timestamp: integer, transactions: z.array(z.unknown()) });

/** How far back a nonce is looked for; older ones need state that full nodes no longer have. */
const MAX_BLOCKS_BACK = 10_000;
/** Nonces taken care of per look; more means an operator has moved the key on purpose. */
const MAX_NONCES = 256;
/** Clocks of blocks and of the database differ by this much at most. */
const CLOCK_SLACK_MS = 60_000;

/**
 * Called when the chain has executed nonces that this database never gave out. Each one is looked up on the chain:
 * when it does exactly what one of our waiting transactions wants (the database was restored from a backup taken
 * before it was signed), that transaction is adopted instead of being sent a second time; otherwise the key was used
 * elsewhere, and that is recorded.
 */
export function createDriftRecovery(deps: {
  postgres: GatewayPostgres;
  rpc: EthereumRpc;
  chain: LaneChain;
  log: Logger;
}) {
  const { postgres, rpc, chain, log } = deps;

  /** The first block after which the address has used `nonce`. */
  async function blockOf(address: string, nonce: number, head: number): Promise<number> {
    let low = Math.max(0, head - MAX_BLOCKS_BACK);
    let high = head;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const count = Number(
        await rpc.request('eth_getTransactionCount', [address, toHex(middle)], { principal: 'transactions' }),
      );
      if (count > nonce) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  async function findOnChain(
    address: string,
    nonce: number,
    head: number,
  ): Promise<{ tx: ChainTransaction; timeMs: number } | undefined> {
    const raw = await rpc.request(
      'eth_getBlockByNumber',
      [toHex(await blockOf(address, nonce, head)), true],
      { principal: 'transactions' },
    );
    const block = blockSchema.nullable().parse(raw);
    for (const candidate of block?.transactions ?? []) {
      const parsed = transactionSchema.safeParse(candidate);
      if (parsed.success && getAddress(parsed.data.from) === address && parsed.data.nonce === nonce)
        return { tx: parsed.data, timeMs: (block?.timestamp ?? 0) * 1000 };
    }
    return undefined;
  }

  /** A transaction that waits for exactly this, asked for before the block. */
  async function waitingFor(
    trx: GatewayTransaction,
    lane: Lane,
    tx: ChainTransaction,
    timeMs: number,
  ): Promise<string | undefined> {
    if (tx.to === null) return undefined;
    const { rows } = await sql<{ id: string }>`
      SELECT id FROM transactions WHERE chain_id = ${lane.chainId} AND state IN ('queued','prepared') AND lower(to_address) = ${tx.to.toLowerCase()}
        AND lower(data) = ${tx.input.toLowerCase()} AND value = ${tx.value.toString()}::numeric AND created_at <= ${new Date(timeMs + CLOCK_SLACK_MS)}
        AND pool = (SELECT pool FROM lanes WHERE chain_id = ${lane.chainId} AND signer = ${lane.signer})
      ORDER BY id LIMIT 1 FOR UPDATE`.execute(trx);
    return rows[0]?.id;
  }

  async function adopt(trx: GatewayTransaction, lane: Lane, id: string, tx: ChainTransaction): Promise<void> {
    const receipt = await chain.receipt(tx.hash);
    if (!receipt) throw new Error(`transaction ${tx.hash} lost its receipt while it was being adopted`);
    await sql`
      INSERT INTO nonce_slots (chain_id, signer, nonce, transaction_id) VALUES (${lane.chainId}, ${lane.signer}, ${tx.nonce}, ${id})`.execute(
      trx,
    );
    const fee = tx.maxFeePerGas ?? tx.gasPrice ?? 0n;
    await sql`
      INSERT INTO attempts (chain_id, signer, nonce, number, kind, hash, raw, gas_limit, max_fee, max_priority, broadcasts, accepted_at)
      VALUES (${lane.chainId}, ${lane.signer}, ${tx.nonce}, 1, 'adopted', ${tx.hash}, ${rebuild(tx)}, ${tx.gas.toString()}::bigint, ${fee.toString()}::numeric,
        ${(tx.maxPriorityFeePerGas ?? fee).toString()}::numeric, 1, now())`.execute(trx);
    await sql`UPDATE transactions SET state = 'prepared', signer = ${lane.signer}, gas_limit = ${tx.gas.toString()}::bigint WHERE id = ${id} AND state = 'queued'`.execute(
      trx,
    );
    await sql`UPDATE transactions SET state = 'signed', signer = ${lane.signer}, nonce = ${tx.nonce}, hash = ${tx.hash} WHERE id = ${id}`.execute(
      trx,
    );
    await recordInclusions(trx, lane, [
      { nonce: tx.nonce, receipt, outcome: receipt.success ? 'success' : 'reverted' },
    ]);
    await appendAudit(trx, [
      {
        subject: `transaction:${id}`,
        action: 'adopted',
        actor: 'worker',
        details: { nonce: tx.nonce, hash: tx.hash },
      },
    ]);
  }

  return async (lane: Lane, from: number, to: number): Promise<void> => {
    const { number: head } = await chain.head();
    log.warn({ signer: lane.signer, from, to }, 'nonces were used that this database did not give out');
    for (let nonce = from; nonce < Math.min(to, from + MAX_NONCES); nonce++) {
      const found = await findOnChain(lane.signer, nonce, head);
      await postgres.transaction(async (trx) => {
        const { rows } = await sql<{ next_nonce: number }>`
          SELECT next_nonce FROM lanes WHERE chain_id = ${lane.chainId} AND signer = ${lane.signer} FOR UPDATE`.execute(
          trx,
        );
        if (rows[0]?.next_nonce !== nonce) return;
        const id = found && (await waitingFor(trx, lane, found.tx, found.timeMs));
        if (found && id) await adopt(trx, lane, id, found.tx);
        else {
          await sql`
            INSERT INTO nonce_slots (chain_id, signer, nonce, state, included_hash) VALUES (${lane.chainId}, ${lane.signer}, ${nonce}, 'foreign', ${found?.tx.hash ?? null})`.execute(
            trx,
          );
          await appendAudit(trx, [
            {
              subject: `lane:${lane.chainId}:${lane.signer}`,
              action: 'key_used_elsewhere',
              actor: 'worker',
              details: { nonce, hash: found?.tx.hash ?? null, to: found?.tx.to ?? null },
            },
          ]);
        }
        await sql`UPDATE lanes SET next_nonce = ${nonce + 1}, updated_at = now() WHERE chain_id = ${lane.chainId} AND signer = ${lane.signer}`.execute(
          trx,
        );
      });
    }
  };
}

/** The signed bytes of a transaction that the chain shows, for a broadcast after a reorg; `0x` when they cannot be rebuilt. */
function rebuild(tx: ChainTransaction): string {
  if (
    tx.type !== 2 ||
    tx.chainId === undefined ||
    tx.maxFeePerGas === undefined ||
    tx.maxPriorityFeePerGas === undefined
  )
    return '0x';
  const built = Transaction.from({
    type: 2,
    chainId: tx.chainId,
    nonce: tx.nonce,
    to: tx.to,
    data: tx.input,
    value: tx.value,
    gasLimit: tx.gas,
    maxFeePerGas: tx.maxFeePerGas,
    maxPriorityFeePerGas: tx.maxPriorityFeePerGas,
    accessList: tx.accessList ?? [],
    signature: { r: tx.r, s: tx.s, yParity: Number(tx.yParity ?? tx.v) as 0 | 1 },
  });
  return built.hash === tx.hash ? built.serialized : '0x';
}
