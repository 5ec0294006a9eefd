import { z } from 'zod';
import { addressSchema, hexSchema } from '../../../lib/address.ts';
import { amountSchema, uint256String } from '../../../lib/amount.ts';
import type { CursorCodec } from '../../../lib/cursor.ts';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import { asOfSchema, cursorParam, limitParam, listOf } from '../chain/schemas.ts';
import { secured } from '../governance/access.ts';
import { principalKey } from '../governance/authorise.ts';
import {
  idempotencyErrors,
  idempotencyHeaders,
  type RunIdempotentOutside,
} from '../governance/idempotent.ts';
import type { WalletService } from '../wallets/service.ts';
import type { PrepareService } from './prepare-service.ts';
import { argument } from './schemas.ts';
import type { SubmissionService } from './submission-service.ts';
import { transactionSchema } from './view.ts';

const decimal = z.string().regex(/^\d+$/);

const preparedSchema = z
  .object({
    asOf: asOfSchema,
    summary: z.string().describe('What the transaction does, in a sentence for the person who signs'),
    transaction: z.object({
      type: z.literal(2),
      chainId: z.number().int(),
      from: z.string(),
      to: z.string(),
      nonce: z.number().int(),
      data: z.string(),
      value: decimal,
      gasLimit: decimal,
      maxFeePerGas: decimal,
      maxPriorityFeePerGas: decimal,
    }),
    fees: z.object({ expected: amountSchema, atMost: amountSchema }).describe("In the chain's own coin"),
  })
  .meta({ id: 'PreparedTransaction' });

const value = uint256String.optional().describe('Wei; 0 when left out');
const prepareBody = z
  .union([
    z.strictObject({
      from: addressSchema,
      contract: z.string().regex(/^[A-Za-z][A-Za-z0-9]{0,63}$/, 'expected the name of a contract'),
      function: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'expected the name of a function'),
      args: z.array(argument).max(32),
      value,
    }),
    z.strictObject({ from: addressSchema, to: addressSchema, data: hexSchema(32_768).optional(), value }),
    z.strictObject({
      cancels: z
        .string()
        .regex(/^wtx-[0-9a-f-]{36}$/, 'expected the id of a transaction that you signed and submitted')
        .describe('Answers the transaction that cancels this one when your wallet signs it'),
    }),
  ])
  .meta({ id: 'PrepareTransaction' });

/** Transactions that people sign with their own wallets. */
export function walletTransactionRoutes(deps: {
  prepare: PrepareService;
  submissions: SubmissionService;
  wallets: Pick<WalletService, 'requireOwner'>;
  idempotentOutside: RunIdempotentOutside;
  cursors: CursorCodec;
}): Route[] {
  const { prepare, submissions, wallets, idempotentOutside, cursors } = deps;
  const tags = ['Transactions'];
  return [
    defineRoute({
      ...secured('transactions:write', 'wallet'),
      method: 'post',
      path: '/v1/transactions/prepare',
      operationId: 'prepareTransaction',
      summary: 'Prepare a transaction for your own wallet',
      description: 'Encoded, simulated at the head of the chain, priced and explained; nothing is sent.',
      tags,
      body: prepareBody,
      responses: { 200: { description: 'To be signed by the wallet.', schema: preparedSchema } },
      errors: [
        'conflict',
        'forbidden',
        'invalid_argument',
        'insufficient_funds',
        'not_found',
        'transaction_reverted',
        'chain_unavailable',
        'dependency_unavailable',
      ],
      handler: async ({ principal, body }) => {
        if ('cancels' in body) {
          const { from, nonce, fees } = await submissions.cancellationOf(principal, body.cancels);
          return reply(200, await prepare.prepare({ from, to: from, replaces: { nonce, fees } }));
        }
        await wallets.requireOwner(principal, body.from);
        return reply(200, await prepare.prepare(body));
      },
    }),
    defineRoute({
      ...secured('transactions:write', 'wallet'),
      method: 'post',
      path: '/v1/transactions/submit',
      operationId: 'submitTransaction',
      summary: 'Send a transaction that you signed',
      description: 'Saved, then broadcast. The same bytes twice are one transaction.',
      tags,
      requestHeaders: idempotencyHeaders,
      body: z.strictObject({ rawTransaction: hexSchema(131_072) }),
      responses: {
        202: {
          description: 'Sent.',
          schema: transactionSchema,
          headers: { location: { description: 'Where to follow it' } },
        },
      },
      errors: [
        'conflict',
        'forbidden',
        'invalid_argument',
        'insufficient_funds',
        'transaction_reverted',
        'chain_unavailable',
        'dependency_unavailable',
        ...idempotencyErrors,
      ],
      handler: async (context) => {
        const answer = await idempotentOutside(context, 'submitTransaction', async () => ({
          status: 202,
          body: await submissions.submit(context.principal, context.body.rawTransaction),
        }));
        const { id } = answer.body as { id: string };
        return { ...answer, headers: { ...answer.headers, location: `/v1/transactions/${id}` } };
      },
    }),
    defineRoute({
      ...secured('transactions:read', 'principal'),
      method: 'get',
      path: '/v1/transactions/submitted',
      operationId: 'listSubmittedTransactions',
      summary: 'List the transactions you signed and sent, newest first',
      tags,
      query: z.strictObject({ cursor: cursorParam, limit: limitParam }),
      responses: { 200: { description: 'Transactions as they are now.', schema: listOf(transactionSchema) } },
      errors: ['invalid_cursor', 'chain_unavailable', 'dependency_unavailable'],
      handler: async ({ principal, query }) => {
        const list = `submitted:${principalKey(principal)}`;
        const before = query.cursor === undefined ? undefined : String(cursors.decode(list, query.cursor)[0]);
        const rows = await submissions.list(principal, before, query.limit + 1);
        const shown = rows.slice(0, query.limit);
        const last = shown.at(-1);
        const hasMore = rows.length > query.limit;
        return reply(200, {
          data: await submissions.views(shown),
          page: { hasMore, next: hasMore && last ? cursors.encode(list, [last.id]) : null },
        });
      },
    }),
  ];
}
