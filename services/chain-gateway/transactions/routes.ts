import { z } from 'zod';
import type { CursorCodec } from '../../../lib/cursor.ts';
import { defineRoute, type Route, reply, stream } from '../../../lib/http/route.ts';
import { openEventStream } from '../../../lib/http/sse.ts';
import { requireIdempotencyKey } from '../../../lib/idempotency.ts';
import type { Clock } from '../../../lib/time.ts';
import type { GatewayPostgres } from '../store/gateway-database.ts';
import { listTransactions, transactionEvents } from '../store/transaction-store.ts';
import type { TransactionService } from './service.ts';
import { isFinal, TRANSACTION_STATES } from './states.ts';
import { createTransactionSchema, transactionSchema } from './transaction-schema.ts';
import type { TransactionWatcher } from './transaction-watcher.ts';

export interface TransactionRouteDeps {
  readonly service: TransactionService;
  readonly postgres: GatewayPostgres;
  readonly watcher: TransactionWatcher;
  readonly cursors: CursorCodec;
  readonly clock: Clock;
}

const idParams = z.object({ id: z.uuid() });
const tags = ['transactions'];
const auth = ['service'] as const;

/** `/v1/transactions…`: for our own services. */
export function createTransactionRoutes(deps: TransactionRouteDeps): Route[] {
  const { service, postgres, watcher, cursors, clock } = deps;

  const create = defineRoute({
    method: 'post',
    path: '/v1/transactions',
    operationId: 'createTransaction',
    summary: 'Ask for a transaction',
    description:
      'Saved before it is answered; executed exactly once or reported with the reason. Repeat with the same Idempotency-Key to get the same answer.',
    tags,
    auth,
    requestHeaders: z.object({ 'idempotency-key': z.string().optional() }),
    body: createTransactionSchema,
    responses: { 202: { description: 'Accepted and saved', schema: transactionSchema } },
    errors: [
      'invalid_argument',
      'policy_violation',
      'idempotency_key_required',
      'idempotency_key_reused',
      'idempotency_in_progress',
    ],
    async handler({ headers, body, principal }) {
      const key = requireIdempotencyKey(headers['idempotency-key']);
      const { view, replayed } = await service.create(principal.id, key, body);
      return reply(202, view, {
        location: `/v1/transactions/${view.id}`,
        ...(replayed ? { 'idempotency-replayed': 'true' } : {}),
      });
    },
  });

  const get = defineRoute({
    method: 'get',
    path: '/v1/transactions/{id}',
    operationId: 'getTransaction',
    summary: 'Read one transaction',
    tags,
    auth,
    params: idParams,
    responses: { 200: { description: 'The transaction as it is now', schema: transactionSchema } },
    errors: ['not_found'],
    handler: async ({ params }) => reply(200, await service.get(params.id)),
  });

  const list = defineRoute({
    method: 'get',
    path: '/v1/transactions',
    operationId: 'listTransactions',
    summary: 'List transactions, newest first',
    tags,
    auth,
    query: z.strictObject({
      chainId: z.coerce.number().int().positive().optional(),
      state: z.enum(TRANSACTION_STATES).optional(),
      signer: z.string().max(64).optional(),
      requestedBy: z.string().max(200).optional(),
      purpose: z.string().max(100).optional(),
      hash: z
        .string()
        .regex(/^0x[0-9a-fA-F]{64}$/)
        .optional(),
      idempotencyKey: z.string().max(200).optional(),
      cursor: z.string().optional(),
      limit: z.coerce.number().int().min(1).max(200).default(50),
    }),
    responses: {
      200: {
        description: 'One page',
        schema: z.object({
          data: z.array(transactionSchema),
          page: z.object({ next: z.string().nullable(), hasMore: z.boolean() }),
        }),
      },
    },
    errors: ['invalid_cursor'],
    async handler({ query: { cursor, limit, ...filter } }) {
      const name = `transactions?${JSON.stringify(filter)}`;
      const before = cursor === undefined ? undefined : String(cursors.decode(name, cursor)[0]);
      const rows = await listTransactions(postgres.db, filter, { before, limit: limit + 1 });
      const data = rows.slice(0, limit);
      const hasMore = rows.length > limit;
      return reply(200, {
        data,
        page: { hasMore, next: hasMore ? cursors.encode(name, [data.at(-1)?.id ?? '']) : null },
      });
    },
  });

  const cancel = defineRoute({
    method: 'post',
    path: '/v1/transactions/{id}/cancel',
    operationId: 'cancelTransaction',
    summary: 'Withdraw a transaction that is not in a block yet',
    description:
      'Before it is signed it ends at once; after that its nonce is spent on a no-op, unless the transaction is faster.',
    tags,
    auth,
    params: idParams,
    responses: { 202: { description: 'The cancellation was noted', schema: transactionSchema } },
    errors: ['not_found', 'conflict'],
    handler: async ({ params, principal }) => reply(202, await service.cancel(principal.id, params.id)),
  });

  const speedUp = defineRoute({
    method: 'post',
    path: '/v1/transactions/{id}/speed-up',
    operationId: 'speedUpTransaction',
    summary: 'Offer more for a transaction that waits',
    tags,
    auth,
    params: idParams,
    responses: {
      202: { description: 'A better paid attempt follows, within the caps', schema: transactionSchema },
    },
    errors: ['not_found', 'conflict'],
    handler: async ({ params, principal }) => reply(202, await service.speedUp(principal.id, params.id)),
  });

  const events = defineRoute({
    method: 'get',
    path: '/v1/transactions/{id}/events',
    operationId: 'streamTransaction',
    summary: 'Follow one transaction (server-sent events)',
    description:
      'Event `state` with the Transaction as data for every change; the stream ends after a final state. Resume with Last-Event-ID.',
    tags,
    auth,
    params: idParams,
    requestHeaders: z.object({
      'last-event-id': z
        .string()
        .regex(/^\d{1,9}$/)
        .optional(),
    }),
    responses: { 200: { description: 'The stream', contentType: 'text/event-stream' } },
    errors: ['not_found'],
    timeoutMs: 0,
    async handler({ params, headers, req, res, log }) {
      const first = await service.get(params.id);
      return stream(async () => {
        const out = openEventStream(req, res, { clock });
        let seen = Number(headers['last-event-id'] ?? 0);
        let looked = seen;
        let sending = false;
        const push = async (): Promise<void> => {
          if (sending) return;
          sending = true;
          try {
            // Now first, then the past: what happens in between has a higher version and comes with the next look.
            const now = await service.get(params.id);
            for (const event of await transactionEvents(postgres.db, params.id, seen)) {
              if (event.version > now.version) break;
              const data = event.version === now.version ? now : asItWas(now, event);
              out.send({ id: String(event.version), event: 'state', data });
              seen = event.version;
            }
            looked = now.version;
            if (isFinal(now.state)) out.close();
          } catch (error) {
            log.warn({ err: error, transaction: params.id }, 'a transaction stream could not be refreshed');
          } finally {
            sending = false;
          }
        };
        const stop = watcher.watch(
          first.id,
          () => looked,
          () => void push(),
        );
        await push();
        await out.closed;
        stop();
      });
    },
  });

  return [create, get, list, cancel, speedUp, events];
}

type View = z.output<typeof transactionSchema>;

/** A past version: what the event recorded over what never changes. */
function asItWas(
  now: View,
  event: { version: number; state: View['state']; snapshot: Record<string, unknown>; at: Date },
): View {
  const s = event.snapshot as Partial<Record<string, string | number | null>>;
  return {
    ...now,
    state: event.state,
    version: event.version,
    updatedAt: event.at.toISOString(),
    signer: { alias: now.signer.alias, address: (s.signer as string | null) ?? null },
    nonce: (s.nonce as number | null) ?? null,
    hash: (s.hash as string | null) ?? null,
    blockNumber: (s.blockNumber as string | null) ?? null,
    blockHash: (s.blockHash as string | null) ?? null,
    confirmations: Number(s.confirmations ?? 0),
    outcome: (s.outcome as View['outcome']) ?? null,
    error: s.errorCode ? { code: String(s.errorCode), message: String(s.errorMessage ?? s.errorCode) } : null,
    waitingReason: (s.waitingReason as string | null) ?? null,
  };
}
