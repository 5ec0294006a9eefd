import { z } from 'zod';
import { toChecksum } from '../../../lib/address.ts';
import { AppError } from '../../../lib/errors.ts';
import type { ServiceClient } from '../../../lib/service-client.ts';
import { balancesSchema, type EventPage, eventPageSchema, transferPageSchema } from './schemas.ts';

/** A fungible transfer as the ledger takes it. */
export interface IndexedTransfer {
  readonly key: string;
  readonly chainId: number;
  readonly blockNumber: number;
  readonly blockTime: Date;
  readonly logIndex: number;
  readonly transactionHash: string;
  readonly token: string;
  readonly from: string;
  readonly to: string;
  readonly amount: bigint;
  readonly stage: 'pending' | 'confirmed' | 'finalized' | 'reverted';
}

export interface TransferPage {
  readonly asOfBlock: number;
  readonly transfers: readonly IndexedTransfer[];
  readonly next: string | undefined;
}

/** An `eth_call` that the contract refused, as opposed to a chain that could not be asked. */
export class CallReverted extends Error {
  override readonly name = 'CallReverted';
  readonly reverted = true;
}

/** What the user service asks of the chain-gateway. */
export interface Gateway {
  events(query: {
    after: number;
    limit: number;
    waitSeconds: number;
    signal?: AbortSignal;
  }): Promise<EventPage>;
  /** Fungible transfers of an address, the newest first. */
  transfers(query: {
    chainId: number;
    address: string;
    cursor?: string | undefined;
    limit: number;
  }): Promise<TransferPage>;
  balances(query: {
    chainId: number;
    address: string;
  }): Promise<{ asOfBlock: number; balances: ReadonlyMap<string, bigint> }>;
  /** @throws CallReverted, AppError `chain_unavailable` */
  rpc(chainId: number, method: string, params: readonly unknown[]): Promise<unknown>;
}

const rpcAnswer = z.union([
  z.object({ error: z.object({ code: z.number(), message: z.string(), data: z.unknown().optional() }) }),
  z.object({ result: z.unknown() }),
]);
/** JSON-RPC code of a revert (EIP-1474 as extended by common clients). */
const REVERTED = 3;

export function createGateway(client: ServiceClient): Gateway {
  return {
    events: ({ after, limit, waitSeconds, signal }) =>
      client.request({
        method: 'GET',
        path: '/internal/events',
        query: { after, limit, waitSeconds },
        schema: eventPageSchema,
        timeoutMs: (waitSeconds + 10) * 1000,
        ...(signal ? { signal } : {}),
      }),

    async transfers({ chainId, address, cursor, limit }) {
      const page = await client.request({
        method: 'GET',
        path: '/internal/transfers',
        query: { chainId, address, cursor, limit },
        schema: transferPageSchema,
      });
      const transfers = page.data.flatMap((row): IndexedTransfer[] => {
        const amount = row.amount ?? row.raw;
        if (amount === undefined) return [];
        return [
          {
            key: row.key ?? `${chainId}:${row.blockHash}:${row.logIndex}`,
            chainId,
            blockNumber: row.blockNumber,
            blockTime: row.blockTime,
            logIndex: row.logIndex,
            transactionHash: row.transactionHash,
            token: toChecksum(row.token.address),
            from: toChecksum(row.from),
            to: toChecksum(row.to),
            amount: BigInt(amount),
            stage: row.stage ?? 'confirmed',
          },
        ];
      });
      return {
        asOfBlock: page.asOf.blockNumber,
        transfers,
        next: page.page.hasMore ? (page.page.next ?? undefined) : undefined,
      };
    },

    async balances({ chainId, address }) {
      const answer = await client.request({
        method: 'GET',
        path: '/internal/balances',
        query: { chainId, address },
        schema: balancesSchema,
      });
      return {
        asOfBlock: answer.asOf.blockNumber,
        balances: new Map(answer.balances.map(({ token, raw }) => [toChecksum(token.address), BigInt(raw)])),
      };
    },

    async rpc(chainId, method, params) {
      const answer = await client.request({
        method: 'POST',
        path: `/rpc/${chainId}`,
        body: { jsonrpc: '2.0', id: 1, method, params },
        schema: rpcAnswer,
      });
      if (!('error' in answer)) return answer.result;
      const { code, message } = answer.error;
      if (code === REVERTED || /revert/i.test(message)) throw new CallReverted(message);
      throw new AppError('chain_unavailable', `The chain could not answer ${method} (${code}).`, {
        cause: message,
        retryAfterSeconds: 2,
      });
    },
  };
}
