import type { Wallet } from 'ethers';
import type { ChainClient, Receipt } from './chain-client.ts';
import { DeployError } from './deploy-error.ts';
import type { PlannedTransaction } from './deployment-plan.ts';
import type { Hex } from './hex.ts';

/** A block takes 12 s on Ethereum; three of them and some. */
const RECEIPT_TIMEOUT_MS = 45_000;

export interface SendOptions {
  readonly client: ChainClient;
  readonly from: Wallet;
  readonly chainId: number;
  readonly transactions: readonly PlannedTransaction[];
  /** Called with a transaction's label once it is in a block. */
  readonly onDone: (label: string) => void;
}

/**
 * Send all at once, then wait for all. Answers the receipts of created contracts by contract name.
 * Throws {@link DeployError} naming the first transaction that a node refuses or that reverts.
 */
export async function sendTransactions(options: SendOptions): Promise<Map<string, Receipt>> {
  const { client, from, chainId, transactions, onDone } = options;
  const block = await client.request<{ baseFeePerGas?: Hex }>('eth_getBlockByNumber', ['latest', false]);
  const maxPriorityFeePerGas = 1_000_000_000n;
  // Twice the base fee survives five full blocks in a row, each of which raises it by an eighth.
  const maxFeePerGas = BigInt(block.baseFeePerGas ?? '0x0') * 2n + maxPriorityFeePerGas;
  const sent: { tx: PlannedTransaction; hash: Hex }[] = [];
  for (const tx of transactions) {
    const fields = { data: tx.data, nonce: tx.nonce, chainId, type: 2, maxFeePerGas, maxPriorityFeePerGas };
    const to = tx.to ? { to: tx.to } : {};
    try {
      const gasLimit = tx.gasLimit ?? (await estimateGas(client, from.address, tx.data));
      const raw = await from.signTransaction({ ...fields, ...to, gasLimit });
      sent.push({ tx, hash: await client.request<Hex>('eth_sendRawTransaction', [raw]) });
    } catch (cause) {
      throw new DeployError(`${tx.label}: ${(cause as Error).message}`, { cause });
    }
  }
  const receipts = new Map<string, Receipt>();
  for (const { tx, hash } of sent) {
    const receipt = await client.waitForReceipt(hash, RECEIPT_TIMEOUT_MS);
    if (!receipt.succeeded) throw new DeployError(`${tx.label}: transaction ${hash} reverted`);
    if (tx.creates) receipts.set(tx.creates, receipt);
    onDone(tx.label);
  }
  return receipts;
}

/** A quarter more than the estimate: a constructor's cost may change with the block it lands in. */
async function estimateGas(client: ChainClient, from: string, data: Hex): Promise<bigint> {
  const estimate = await client.request<Hex>('eth_estimateGas', [{ from, data }]);
  return (BigInt(estimate) * 5n) / 4n;
}
