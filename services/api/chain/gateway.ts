import { z } from 'zod';
import type { ServiceClient } from '../../../lib/service-client.ts';
import {
  type GatewayTransaction,
  gatewayAttestations,
  gatewayBalances,
  gatewayDataSubmissions,
  gatewayEvents,
  gatewayIdentity,
  gatewayNfts,
  gatewayPermissions,
  gatewayTransaction,
  gatewayTransactionList,
  gatewayTransfers,
} from './gateway-shapes.ts';

export interface TransactionRequest {
  /** Pool alias of the platform signer. */
  readonly signer: string;
  readonly contract?: string;
  readonly function?: string;
  readonly args?: readonly unknown[];
  readonly to?: string;
  readonly data?: string;
  readonly value?: string;
  readonly urgency?: 'slow' | 'standard' | 'fast';
  readonly purpose?: string;
  readonly requestedBy: string;
}

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export type Gateway = ReturnType<typeof createGateway>;

/** The chain gateway as the API sees it: typed, one chain. */
export function createGateway(deps: { client: ServiceClient; chainId: number }) {
  const { client, chainId } = deps;
  const list = <S extends z.ZodType>(path: string, schema: S, query: Query, signal?: AbortSignal) =>
    client.request({
      method: 'GET',
      path,
      query: { chainId, ...query },
      schema,
      ...(signal ? { signal } : {}),
    });

  return {
    chainId,
    balances: (address: string, token?: string, signal?: AbortSignal) =>
      list('/internal/balances', gatewayBalances, { address, token }, signal),
    transfers: (query: Query, signal?: AbortSignal) =>
      list('/internal/transfers', gatewayTransfers, query, signal),
    nfts: (query: Query, signal?: AbortSignal) => list('/internal/nfts', gatewayNfts, query, signal),
    permissions: (query: Query, signal?: AbortSignal) =>
      list('/internal/permissions', gatewayPermissions, query, signal),
    dataSubmissions: (query: Query, signal?: AbortSignal) =>
      list('/internal/data-submissions', gatewayDataSubmissions, query, signal),

    attestations: (query: Query, signal?: AbortSignal) =>
      list('/internal/attestations', gatewayAttestations, query, signal),

    identity: (address: string, signal?: AbortSignal) =>
      list(`/internal/identities/${address}`, gatewayIdentity, {}, signal),

    /** Long poll of the event log; resolves with what there is after at most `waitSeconds`. */
    events: (after: string, waitSeconds: number, signal: AbortSignal) =>
      client.request({
        method: 'GET',
        path: '/internal/events',
        query: { after, limit: 500, waitSeconds },
        schema: gatewayEvents,
        timeoutMs: (waitSeconds + 10) * 1000,
        signal,
      }),

    /** @param idempotencyKey must be unique over all principals. */
    async submit(request: TransactionRequest, idempotencyKey: string): Promise<GatewayTransaction> {
      return client.request({
        method: 'POST',
        path: '/v1/transactions',
        body: { chainId, ...request },
        idempotencyKey,
        schema: gatewayTransaction,
      });
    },
    transaction: (id: string, signal?: AbortSignal): Promise<GatewayTransaction> =>
      client.request({
        method: 'GET',
        path: `/v1/transactions/${encodeURIComponent(id)}`,
        schema: gatewayTransaction,
        ...(signal ? { signal } : {}),
      }),
    transactions: (query: Query, signal?: AbortSignal) =>
      client.request({
        method: 'GET',
        path: '/v1/transactions',
        query: { chainId, ...query },
        schema: gatewayTransactionList,
        ...(signal ? { signal } : {}),
      }),
    cancel: (id: string, idempotencyKey: string): Promise<GatewayTransaction> =>
      client.request({
        method: 'POST',
        path: `/v1/transactions/${encodeURIComponent(id)}/cancel`,
        idempotencyKey,
        schema: gatewayTransaction,
      }),
    /** The raw event stream of one transaction; the caller consumes or destroys the body. */
    transactionEvents: (id: string, lastEventId: string | undefined, signal: AbortSignal) =>
      client.open({
        method: 'GET',
        path: `/v1/transactions/${encodeURIComponent(id)}/events`,
        ...(lastEventId === undefined ? {} : { headers: { 'last-event-id': lastEventId } }),
        signal,
      }),
    /** One JSON-RPC exchange; the body is the whole request object. */
    rpc: (body: unknown, signal?: AbortSignal): Promise<unknown> =>
      client.request({
        method: 'POST',
        path: `/rpc/${chainId}`,
        body,
        // Reads, and signed transactions, which are the same twice.
        repeatable: true,
        schema: z.unknown(),
        ...(signal ? { signal } : {}),
      }),
  };
}
