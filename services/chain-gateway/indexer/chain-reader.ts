import { getAddress } from 'ethers';
import { z } from 'zod';
import { type EthereumRpc, RpcCallError } from '../rpc/ethereum-rpc.ts';
import { decodeLog, FOLLOWED_TOPICS } from './decode-log.ts';
import {
  type FollowedContract,
  type IndexedBlock,
  type IndexedEvent,
  NATIVE,
  nativeLogIndex,
  type RawLog,
} from './index-types.ts';

const integer = z
  .string()
  .regex(/^0x[0-9a-f]+$/i)
  .transform(Number);
const hash = z.string().transform((text) => text.toLowerCase());
const headerSchema = z.object({
  number: integer,
  hash,
  parentHash: hash,
  timestamp: integer,
  transactions: z.array(hash).default([]),
});
const logSchema = z.object({
  address: z.string(),
  topics: z.array(hash),
  data: z.string(),
  blockNumber: integer,
  blockHash: hash,
  logIndex: integer,
  transactionHash: hash,
  removed: z.boolean().optional(),
});
const nativeSchema = z.object({
  from: z.string(),
  to: z.string().nullable(),
  value: z.string().transform(BigInt),
  transactionIndex: integer,
  blockHash: hash.nullable(),
});
const receiptSchema = z.object({ status: integer, blockHash: hash });

export interface BlockHeader extends IndexedBlock {
  readonly transactions: readonly string[];
}

/** The chain as the indexer reads it. Rejects when no provider answers; `null` for what does not exist. */
export interface ChainReader {
  header(tag: number | 'latest' | 'safe' | 'finalized'): Promise<BlockHeader | null>;
  /** The decoded logs of exactly this block, whatever happens to the chain meanwhile. */
  events(block: IndexedBlock): Promise<IndexedEvent[]>;
  /** The decoded logs of a range of final blocks, oldest first. */
  range(from: number, to: number, only?: readonly FollowedContract[]): Promise<IndexedEvent[]>;
  /** Plain transfers among `hashes`, which are our own transactions in `block`. */
  native(block: IndexedBlock, hashes: readonly string[]): Promise<IndexedEvent[]>;
}

const hex = (n: number): string => `0x${n.toString(16)}`;

export function createChainReader(deps: {
  rpc: EthereumRpc;
  contracts: readonly FollowedContract[];
  background?: boolean;
}): ChainReader {
  const { rpc, contracts } = deps;
  const call = (method: string, params: readonly unknown[]) =>
    rpc.request(method, params, {
      principal: 'indexer',
      priority: deps.background ? 'background' : 'internal',
    });
  const byAddress = new Map(contracts.map((contract) => [contract.address, contract]));

  function decode(raw: unknown, among: ReadonlyMap<string, FollowedContract>): IndexedEvent[] {
    const logs = z
      .array(logSchema)
      .parse(raw)
      .filter((log) => !log.removed)
      .sort((a, b) => a.blockNumber - b.blockNumber || a.logIndex - b.logIndex);
    return logs.flatMap((log): IndexedEvent[] => {
      const contract = among.get(getAddress(log.address));
      return contract ? decodeLog(contract, log as RawLog) : [];
    });
  }

  return {
    async header(tag) {
      const raw = await call('eth_getBlockByNumber', [typeof tag === 'number' ? hex(tag) : tag, false]);
      if (raw === null) return null;
      const { timestamp, ...rest } = headerSchema.parse(raw);
      return { ...rest, time: timestamp };
    },
    async events(block) {
      const address = contracts.map((contract) => contract.address);
      if (address.length === 0) return [];
      // By hash, so that a reorg between two calls cannot mix two branches (EIP-234).
      const events = decode(
        await call('eth_getLogs', [{ blockHash: block.hash, address, topics: [FOLLOWED_TOPICS] }]),
        byAddress,
      );
      const stray = events.find((event) => event.blockHash !== block.hash);
      if (stray)
        throw new RpcCallError(
          -32014,
          `asked for logs of block ${block.hash}, got logs of ${stray.blockHash}`,
          { retry: 'elsewhere' },
        );
      return events;
    },
    async range(from, to, only = contracts) {
      if (only.length === 0) return [];
      const filter = {
        fromBlock: hex(from),
        toBlock: hex(to),
        address: only.map((c) => c.address),
        topics: [FOLLOWED_TOPICS],
      };
      return decode(await call('eth_getLogs', [filter]), new Map(only.map((c) => [c.address, c])));
    },
    async native(block, hashes) {
      const found = await Promise.all(
        hashes.map(async (transactionHash): Promise<IndexedEvent[]> => {
          const [rawTx, rawReceipt] = await Promise.all([
            call('eth_getTransactionByHash', [transactionHash]),
            call('eth_getTransactionReceipt', [transactionHash]),
          ]);
          const tx = nativeSchema.nullable().parse(rawTx);
          const receipt = receiptSchema.nullable().parse(rawReceipt);
          if (!tx || !receipt || tx.blockHash !== block.hash || receipt.blockHash !== block.hash) {
            throw new RpcCallError(
              -32014,
              `transaction ${transactionHash} is not in block ${block.hash} any more`,
              { retry: 'same' },
            );
          }
          if (tx.value === 0n || tx.to === null || receipt.status !== 1) return [];
          return [
            {
              blockNumber: block.number,
              blockHash: block.hash,
              logIndex: nativeLogIndex(tx.transactionIndex),
              item: 0,
              transactionHash,
              contractName: NATIVE.name,
              contract: NATIVE.address,
              body: {
                type: 'transfer.native',
                from: getAddress(tx.from),
                to: getAddress(tx.to),
                amount: tx.value,
              },
            },
          ];
        }),
      );
      return found.flat();
    },
  };
}
