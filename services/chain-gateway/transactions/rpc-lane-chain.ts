import { keccak256 } from 'ethers';
import { z } from 'zod';
import { type EthereumRpc, RpcCallError } from '../rpc/ethereum-rpc.ts';
import { classifySendError } from './classify-send.ts';
import {
  FEE_HISTORY_BLOCKS,
  FEE_PERCENTILES,
  type FeeHistory,
  nextBaseFee,
  suggestFees,
  type Urgency,
} from './fees.ts';
import type { Head, LaneChain, Receipt } from './lane-types.ts';

const quantity = z.string().regex(/^0x[0-9a-f]+$/i);
const integer = quantity.transform(Number);
const big = quantity.transform(BigInt);
const headerSchema = z.object({
  number: integer,
  hash: z.string(),
  parentHash: z.string(),
  timestamp: integer,
});
const receiptSchema = z.object({
  transactionHash: z.string(),
  blockNumber: integer,
  blockHash: z.string(),
  status: integer,
  gasUsed: big,
  effectiveGasPrice: big,
});
const feeHistorySchema = z.object({
  baseFeePerGas: z.array(big),
  gasUsedRatio: z.array(z.number()),
  reward: z.array(z.array(big)).nullish(),
});

/** Heights remembered by hash; longer than finality takes on Ethereum (two epochs, 64 blocks). */
const WINDOW = 128;
/** How long one look at the head serves everybody; far below any block time. */
const HEAD_TTL_MS = 150;

type Header = z.output<typeof headerSchema>;
export const toHex = (n: number | bigint): string => `0x${n.toString(16)}`;

/** The chain as the lanes see it, over the gateway's own read path. */
export function createRpcLaneChain(deps: {
  rpc: EthereumRpc;
  chainId: number;
  monotonic: () => number;
}): LaneChain {
  const { rpc, chainId, monotonic } = deps;
  const call = (method: string, params: readonly unknown[]) =>
    rpc.request(method, params, { priority: 'internal', principal: 'transactions' });
  const window = new Map<number, string>();
  let head: { at: number; value: Promise<Head> } | undefined;
  let top: Header | undefined;
  let finalized: { atHead: string | undefined; value: number } | undefined;

  const header = async (tag: string): Promise<Header | null> => {
    const raw = await call('eth_getBlockByNumber', [tag, false]);
    return raw === null ? null : headerSchema.parse(raw);
  };

  /** Follows parent hashes back until the window agrees; what it then holds is one consistent branch. */
  async function extend(next: Header): Promise<void> {
    if (top?.hash === next.hash) return;
    const agreed = window.get(next.number - 1) === next.parentHash;
    for (const number of window.keys()) {
      if (number > next.number || number <= next.number - WINDOW || !agreed) window.delete(number);
    }
    window.set(next.number, next.hash);
    if (agreed) window.set(next.number - 1, next.parentHash);
    top = next;
  }

  async function readHead(): Promise<Head> {
    const next = await header('latest');
    if (!next) throw new RpcCallError(-32014, 'the chain has no latest block', { retry: 'elsewhere' });
    await extend(next);
    return { number: next.number, hash: next.hash, timeMs: next.timestamp * 1000 };
  }

  const feesByHead = new Map<string, Promise<FeeHistory>>();
  async function feeHistory(): Promise<FeeHistory> {
    const { hash } = await chain.head();
    const known = feesByHead.get(hash);
    if (known) return known;
    const fresh = call('eth_feeHistory', [toHex(FEE_HISTORY_BLOCKS), 'latest', FEE_PERCENTILES]).then(
      (raw) => {
        const parsed = feeHistorySchema.parse(raw);
        return { ...parsed, reward: parsed.reward ?? [] };
      },
    );
    feesByHead.clear();
    feesByHead.set(hash, fresh);
    fresh.catch(() => feesByHead.delete(hash));
    return fresh;
  }

  const chain: LaneChain = {
    chainId,
    head() {
      if (head && monotonic() - head.at < HEAD_TTL_MS) return head.value;
      const value = readHead();
      head = { at: monotonic(), value };
      value.catch(() => {
        head = undefined;
      });
      return value;
    },
    async finalizedNumber() {
      await chain.head();
      if (finalized && finalized.atHead === top?.hash) return finalized.value;
      const value = (await header('finalized'))?.number ?? 0;
      finalized = { atHead: top?.hash, value };
      return value;
    },
    nonce: async (address, tag) => integer.parse(await call('eth_getTransactionCount', [address, tag])),
    balance: async (address) => big.parse(await call('eth_getBalance', [address, 'latest'])),
    async receipt(hash): Promise<Receipt | null> {
      const raw = await call('eth_getTransactionReceipt', [hash]);
      if (raw === null) return null;
      const r = receiptSchema.parse(raw);
      return {
        hash: r.transactionHash,
        blockNumber: r.blockNumber,
        blockHash: r.blockHash,
        success: r.status === 1,
        gasUsed: r.gasUsed,
        effectiveGasPrice: r.effectiveGasPrice,
      };
    },
    async blockHash(number) {
      const known = window.get(number);
      if (known) return known;
      const found = await header(toHex(number));
      if (found && top && number <= top.number) window.set(number, found.hash);
      return found?.hash ?? null;
    },
    async fees() {
      const history = await feeHistory();
      return {
        nextBaseFee: nextBaseFee(history),
        suggest: (urgency: Urgency) => suggestFees(history, urgency),
      };
    },
    async send(raw) {
      try {
        const hash = await call('eth_sendRawTransaction', [raw]);
        const expected = keccak256(raw);
        // A provider that answers with another hash did not take these bytes.
        return hash === expected
          ? { kind: 'accepted' }
          : { kind: 'unknown', message: `the provider answered with another hash (${String(hash)})` };
      } catch (error) {
        return classifySendError(error);
      }
    },
  };
  return chain;
}
