import { z } from 'zod';
import { AppError } from '../../../lib/errors.ts';
import { defineRoute, type Route, reply, stream } from '../../../lib/http/route.ts';
import type { Clock } from '../../../lib/time.ts';
import { listOf } from '../chain/schemas.ts';
import { clientsOnly, secured, streamOf } from '../governance/access.ts';
import { idempotencyErrors, idempotencyHeaders, keyOf } from '../governance/idempotent.ts';
import { relayTransactionEvents, sendStates } from './event-relay.ts';
import { createTransactionBody, transactionsQuery } from './schemas.ts';
import type { TransactionService } from './service.ts';
import type { SubmissionService } from './submission-service.ts';
import { toView, transactionSchema } from './view.ts';

const idParams = z.object({ id: z.string().min(1).max(128).describe('Id that the creation answered') });

export function transactionRoutes(deps: {
  transactions: TransactionService;
  submissions: SubmissionService;
  clock: Clock;
  streamMaxMs: number;
}): Route[] {
  const { transactions, submissions, clock, streamMaxMs } = deps;
  const tags = ['Transactions'];
  return [
    defineRoute({
      method: 'post',
      path: '/v1/transactions',
      operationId: 'createTransaction',
      summary: 'Ask for a transaction signed by a platform key',
      description:
        'Only clients whose credential allows the signer. The answer comes before the transaction is mined: follow it by `GET`, or by its event stream.',
      tags,
      ...clientsOnly('transactions:write', 'principal'),
      requestHeaders: idempotencyHeaders,
      body: createTransactionBody,
      responses: {
        202: {
          description: 'Accepted and saved; it will be signed and sent.',
          schema: transactionSchema,
          headers: { location: { description: 'Where to follow it' } },
        },
      },
      errors: [
        'forbidden',
        'invalid_argument',
        'insufficient_funds',
        'policy_violation',
        'transaction_reverted',
        'not_found',
        'queue_full',
        'dependency_unavailable',
        'chain_unavailable',
        ...idempotencyErrors,
      ],
      handler: async (context) => {
        const { scoped } = keyOf(context, 'createTransaction');
        const transaction = await transactions.create(context.principal, context.body, scoped);
        return reply(202, toView(transaction), { location: `/v1/transactions/${transaction.id}` });
      },
    }),
    defineRoute({
      method: 'get',
      path: '/v1/transactions',
      operationId: 'listTransactions',
      summary: 'List the transactions you asked for, newest first',
      tags,
      ...secured('transactions:read', 'principal'),
      query: transactionsQuery,
      responses: { 200: { description: 'Transactions.', schema: listOf(transactionSchema) } },
      errors: ['invalid_cursor', 'invalid_argument', 'dependency_unavailable'],
      handler: async ({ principal, query }) => {
        const { data, page } = await transactions.list(principal, query);
        return reply(200, { data: data.map(toView), page });
      },
    }),
    defineRoute({
      method: 'get',
      path: '/v1/transactions/{id}',
      operationId: 'getTransaction',
      summary: 'Read one transaction',
      tags,
      ...secured('transactions:read', 'principal'),
      params: idParams,
      responses: { 200: { description: 'The transaction as it is now.', schema: transactionSchema } },
      errors: ['not_found', 'dependency_unavailable'],
      handler: async ({ principal, params }) =>
        reply(
          200,
          submissions.isOurs(params.id)
            ? await submissions.get(principal, params.id)
            : toView(await transactions.get(principal, params.id)),
        ),
    }),
    defineRoute({
      method: 'post',
      path: '/v1/transactions/{id}/cancel',
      operationId: 'cancelTransaction',
      summary: 'Cancel a transaction that is not mined yet',
      description:
        'One that was sent already is cancelled by a replacement at the same nonce, which may lose the race. One that a wallet signed can only be cancelled by that wallet: the answer (409) says how.',
      tags,
      ...secured('transactions:write', 'principal'),
      params: idParams,
      requestHeaders: idempotencyHeaders,
      responses: { 202: { description: 'The cancellation is under way.', schema: transactionSchema } },
      errors: [
        'not_found',
        'conflict',
        'invalid_argument',
        'chain_unavailable',
        'dependency_unavailable',
        ...idempotencyErrors,
      ],
      handler: async (context) => {
        const { scoped } = keyOf(context, `cancelTransaction:${context.params.id}`);
        const { id } = context.params;
        if (submissions.isOurs(id)) {
          await submissions.cancellationOf(context.principal, id);
          throw new AppError(
            'conflict',
            `Only your wallet can cancel what it signed: send {"cancels": "${id}"} to /v1/transactions/prepare, sign the answer and submit it.`,
          );
        }
        return reply(202, toView(await transactions.cancel(context.principal, context.params.id, scoped)));
      },
    }),
    defineRoute({
      method: 'get',
      path: '/v1/transactions/{id}/events',
      operationId: 'streamTransaction',
      summary: 'Follow the states of a transaction',
      description:
        'Server-sent events: `event: state`, `data:` a Transaction. After a lost connection send `Last-Event-ID`; nothing is missed.',
      tags,
      ...streamOf('Transaction', secured('transactions:read', 'principal')),
      params: idParams,
      requestHeaders: z.object({
        'last-event-id': z.string().max(128).optional().describe('Id of the last event that was received'),
      }),
      responses: { 200: { description: 'The stream.', contentType: 'text/event-stream' } },
      errors: ['not_found', 'chain_unavailable', 'dependency_unavailable'],
      timeoutMs: 0,
      handler: async ({ principal, params, headers, signal, req, res, log }) => {
        if (submissions.isOurs(params.id)) {
          const states = submissions.follow(principal, params.id, headers['last-event-id'], signal);
          // Refused here, before the stream has begun.
          const first = await states.next();
          return stream(() =>
            sendStates({ first, states, id: params.id, req, res, log, clock, maxMs: streamMaxMs }),
          );
        }
        const source = await transactions.openEvents(principal, params.id, headers['last-event-id'], signal);
        return stream(() =>
          relayTransactionEvents({ source, id: params.id, req, res, signal, log, clock, maxMs: streamMaxMs }),
        );
      },
    }),
  ];
}
