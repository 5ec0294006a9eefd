import { createHmac } from 'node:crypto';
import { request } from 'undici';
import { z } from 'zod';
import type { Random } from '../../../lib/random.ts';
import { webhookHeaders } from '../../../lib/standard-webhooks.ts';
import type { Clock } from '../../../lib/time.ts';
import type { Db } from '../database.ts';

/** Who called what, and how it went; the caller is a pseudonym. */
export interface UsageEvent {
  readonly at: Date;
  readonly caller: string;
  readonly callerKind: 'person' | 'client' | 'anonymous';
  readonly operationId: string;
  readonly status: number;
  readonly durationMs: number;
}

/** What the analytics webhook is sent. */
export const usageWebhookSchema = z
  .object({
    type: z.literal('usage.recorded'),
    timestamp: z.iso.datetime(),
    data: z.object({
      events: z.array(
        z.object({
          at: z.iso.datetime(),
          caller: z.string().describe('A pseudonym; another one every month'),
          callerKind: z.enum(['person', 'client', 'anonymous']),
          operationId: z.string(),
          status: z.number().int(),
          durationMs: z.number(),
        }),
      ),
    }),
  })
  .meta({ id: 'UsageWebhook' });

/** Where usage events go. Losing a batch loses analysis, never truth. */
export interface AnalyticsSink {
  write(events: readonly UsageEvent[]): Promise<void>;
}

/**
 * A pseudonym that cannot be turned back without the key, and that nobody can follow from one month to the next.
 */
export function pseudonymOf(principal: string, at: Date, secret: string): string {
  const month = at.toISOString().slice(0, 7);
  return createHmac('sha256', secret).update(`${month}\n${principal}`).digest('base64url').slice(0, 22);
}

export const postgresSink = (db: Db): AnalyticsSink => ({
  async write(events) {
    if (events.length === 0) return;
    await db
      .insertInto('analytics_events')
      .values(
        events.map((event) => ({
          at: event.at,
          caller: event.caller,
          caller_kind: event.callerKind,
          operation_id: event.operationId,
          status: event.status,
          duration_ms: event.durationMs,
        })),
      )
      .execute();
  },
});

const WEBHOOK_TIMEOUT_MS = 5_000;

/** Sends batches to a URL, signed like all our webhooks (https://www.standardwebhooks.com). */
export function webhookSink(options: {
  url: string;
  secret: string;
  clock: Pick<Clock, 'now'>;
  random: Random;
}): AnalyticsSink {
  const { url, secret, clock, random } = options;
  return {
    async write(events) {
      const body = JSON.stringify({
        type: 'usage.recorded',
        timestamp: new Date(clock.now()).toISOString(),
        data: { events },
      });
      const answer = await request(url, {
        method: 'POST',
        headers: webhookHeaders({
          id: random.uuid(),
          timestampSeconds: Math.floor(clock.now() / 1000),
          body,
          secrets: [secret],
        }),
        body,
        signal: AbortSignal.timeout(WEBHOOK_TIMEOUT_MS),
      });
      await answer.body.dump();
      if (answer.statusCode >= 300) throw new Error(`the analytics webhook answered ${answer.statusCode}`);
    },
  };
}
