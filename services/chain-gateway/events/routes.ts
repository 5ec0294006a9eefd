import { z } from 'zod';
import { AppError } from '../../../lib/errors.ts';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import { eventLogBounds, readEvents } from '../store/event-log.ts';
import type { GatewayPostgres } from '../store/gateway-database.ts';
import type { EventTail } from './event-tail.ts';

const eventSchema = z
  .object({
    seq: z.string(),
    chainId: z.int(),
    type: z.string(),
    stage: z.enum(['pending', 'confirmed', 'finalized', 'reverted']),
    key: z.string().meta({ description: 'The same for every stage of one log' }),
    blockNumber: z.string(),
    blockHash: z.string(),
    blockTime: z.iso.datetime(),
    logIndex: z.int(),
    transactionHash: z.string(),
    contract: z.object({ name: z.string(), address: z.string() }),
    data: z.record(z.string(), z.string()),
  })
  .meta({ id: 'ChainEvent' });

const MAX_LIMIT = 2_000;
/** Below the minute after which proxies give up on a silent answer. */
const MAX_WAIT_SECONDS = 30;

/** `GET /internal/events`: the log that consumers follow with a cursor of their own. */
export function createEventRoutes(deps: { postgres: GatewayPostgres; tail: EventTail }): Route[] {
  const { postgres, tail } = deps;
  return [
    defineRoute({
      method: 'get',
      path: '/internal/events',
      operationId: 'readChainEvents',
      summary: 'Events of the chain after a number, waiting for the next one when there is none',
      description:
        'Save `next` in the transaction of your effects and come back with it. With filters, numbers may be skipped, never missed; `next` moves over what was filtered out.',
      tags: ['events'],
      auth: ['service'],
      query: z.strictObject({
        after: z.coerce.number().int().min(0).default(0),
        limit: z.coerce.number().int().min(1).max(MAX_LIMIT).default(500),
        waitSeconds: z.coerce.number().min(0).max(MAX_WAIT_SECONDS).default(0),
        chainId: z.coerce.number().int().positive().optional(),
        types: z
          .string()
          .max(500)
          .transform((text) => text.split(','))
          .optional(),
      }),
      responses: {
        200: {
          description: 'Events in order',
          schema: z.object({ events: z.array(eventSchema), next: z.string(), last: z.string() }),
        },
      },
      errors: ['invalid_argument'],
      timeoutMs: 0,
      async handler({ query, signal }) {
        const { after, limit, waitSeconds, chainId, types } = query;
        let { last, oldest } = await eventLogBounds(postgres.db);
        if (after + 1 < oldest) {
          throw new AppError(
            'invalid_argument',
            `Events up to ${oldest - 1} are past their retention; rebuild from the lists and go on after ${oldest - 1}.`,
            {
              errors: [
                { pointer: '?after', rule: 'retention', detail: `the oldest event kept is ${oldest}` },
              ],
              extra: { oldest: String(oldest) },
            },
          );
        }
        if (last <= after && waitSeconds > 0 && (await tail.wait(after, waitSeconds * 1000, signal))) {
          ({ last } = await eventLogBounds(postgres.db));
        }
        if (last <= after) return reply(200, { events: [], next: String(after), last: String(last) });
        const events = await readEvents(postgres.db, after, limit, { chainId, types });
        // A full page ends at its last event; a short one has seen everything up to `last`.
        const next =
          events.length === limit
            ? (events.at(-1)?.seq ?? String(after))
            : String(Math.max(last, Number(events.at(-1)?.seq ?? 0)));
        return reply(200, { events, next, last: String(last) });
      },
    }),
  ];
}
