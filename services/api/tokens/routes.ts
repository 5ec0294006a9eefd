import { z } from 'zod';
import { AppError } from '../../../lib/errors.ts';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import { addressParams, chainListOf, pageSchema, tokenSchema } from '../chain/schemas.ts';
import { secured } from '../governance/access.ts';
import { balancesQuery, balancesSchema, transferSchema, transfersQuery } from './schemas.ts';
import type { TokenService } from './service.ts';

export function tokenRoutes({ tokens }: { tokens: TokenService }): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/v1/tokens',
      operationId: 'listTokens',
      summary: 'List the tokens that the platform knows',
      tags: ['Tokens'],
      ...secured('tokens:read', 'none'),
      responses: {
        200: { description: 'Tokens.', schema: z.object({ data: z.array(tokenSchema), page: pageSchema }) },
      },
      errors: ['chain_unavailable', 'dependency_unavailable'],
      handler: async () =>
        reply(200, { data: await tokens.listTokens(), page: { next: null, hasMore: false } }),
    }),
    defineRoute({
      method: 'get',
      path: '/v1/wallets/{address}/balances',
      operationId: 'getWalletBalances',
      summary: 'Read the token balances of a wallet',
      deprecated: { since: '2026-11-01', sunset: '2027-11-01', successor: '/v2/wallets/{address}/balances' },
      description:
        'Balances are public facts of the chain: any caller with the scope may read those of any address.',
      tags: ['Tokens'],
      ...secured('tokens:read', 'none'),
      params: addressParams,
      query: balancesQuery,
      responses: { 200: { description: 'Balances at one block.', schema: balancesSchema } },
      errors: ['chain_unavailable', 'dependency_unavailable', 'invalid_argument'],
      handler: async ({ params, query }) => reply(200, await tokens.balances(params.address, query)),
    }),
    defineRoute({
      method: 'get',
      path: '/v1/wallets/{address}/transfers',
      operationId: 'listWalletTransfers',
      summary: 'List the token transfers of a wallet, newest first',
      tags: ['Tokens'],
      ...secured('tokens:read', 'none'),
      params: addressParams,
      query: transfersQuery,
      responses: { 200: { description: 'Transfers.', schema: chainListOf(transferSchema) } },
      errors: ['chain_unavailable', 'dependency_unavailable', 'invalid_cursor', 'invalid_argument'],
      handler: async ({ params, query }) => {
        if (query.fromTime && query.toTime && query.fromTime >= query.toTime) {
          throw new AppError('invalid_request', '?fromTime must lie before ?toTime.', {
            errors: [{ pointer: '?fromTime', rule: 'range', detail: 'a time before toTime' }],
          });
        }
        if (query.fromBlock !== undefined && query.toBlock !== undefined && query.fromBlock > query.toBlock) {
          throw new AppError('invalid_request', '?fromBlock must not lie above ?toBlock.', {
            errors: [{ pointer: '?fromBlock', rule: 'range', detail: 'a height not above toBlock' }],
          });
        }
        return reply(200, await tokens.transfers(params.address, query));
      },
    }),
  ];
}
