import { z } from 'zod';
import { amountSchema } from '../../../lib/amount.ts';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import { addressParams, asOfSchema } from '../chain/schemas.ts';
import { secured } from '../governance/access.ts';
import { balancesQuery, quoteSchema } from './schemas.ts';
import type { TokenService } from './service.ts';

/**
 * Version 2 of one resource, beside version 1 that announces its end: `balances` is keyed by token, so that a client
 * reads the one it wants without searching.
 */
const balancesV2Schema = z
  .object({
    wallet: z.object({ address: z.string(), chainId: z.number().int() }),
    asOf: asOfSchema,
    balances: z.record(
      z.string().describe('Contract address of the token'),
      z.object({ symbol: z.string(), name: z.string(), amount: amountSchema, quote: quoteSchema.nullable() }),
    ),
  })
  .meta({ id: 'BalancesV2' });

export function tokenRoutesV2({ tokens }: { tokens: TokenService }): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/v2/wallets/{address}/balances',
      operationId: 'getWalletBalancesV2',
      summary: 'Read the token balances of a wallet, keyed by token',
      tags: ['Tokens'],
      ...secured('tokens:read', 'none'),
      params: addressParams,
      query: balancesQuery,
      responses: { 200: { description: 'Balances at one block.', schema: balancesV2Schema } },
      errors: ['chain_unavailable', 'dependency_unavailable', 'invalid_argument'],
      handler: async ({ params, query }) => {
        const { address, asOf, data } = await tokens.balances(params.address, query);
        return reply(200, {
          wallet: { address, chainId: data[0]?.token.chainId ?? 0 },
          asOf,
          balances: Object.fromEntries(
            data.map(({ token, amount, quote }) => [
              token.address,
              { symbol: token.symbol, name: token.name, amount, quote },
            ]),
          ),
        });
      },
    }),
  ];
}
