import { sql } from 'kysely';
import { createSafeHttp } from '../../../lib/http/safe-http.ts';
import type { Logger } from '../../../lib/log.ts';
import type { Random } from '../../../lib/random.ts';
import { webhookHeaders } from '../../../lib/standard-webhooks.ts';
import type { Clock } from '../../../lib/time.ts';
import type { GatewayPostgres } from '../store/gateway-database.ts';
import { findTransaction } from '../store/transaction-store.ts';

/** Waits between tries: a receiver that is away for a day still hears of everything. */
const RETRY_SECONDS = [5, 30, 120, 600, 3_600, 10_800, 21_600, 43_200];
const TIMEOUT_MS = 10_000;
const BATCH = 20;
/** A sender that dies gives its claim back after this long. */
const CLAIM_SECONDS = 30;

export interface WebhookSenderDeps {
  readonly postgres: GatewayPostgres;
  /** Every secret that receivers may hold now; the newest first. */
  readonly secrets: readonly string[];
  /** Only for development: also deliver to addresses of this machine and network. */
  readonly allowPrivate: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Tells receivers of the states of their transactions, in order, with retries and an end. */
export function createWebhookSender(deps: WebhookSenderDeps): {
  step(): Promise<number>;
  close(): Promise<void>;
} {
  const { postgres, clock, random, log } = deps;
  const http = createSafeHttp({ allowPrivate: deps.allowPrivate });

  /** Outbox rows become deliveries, with the body fixed: a retry says the same. */
  async function collect(): Promise<void> {
    const { rows } = await sql<{
      id: number;
      transaction_id: string;
      payload: { version: number; state: string };
    }>`
      SELECT id, transaction_id, payload FROM outbox WHERE topic = 'webhook' AND done_at IS NULL ORDER BY id LIMIT ${BATCH}`.execute(
      postgres.db,
    );
    for (const row of rows) {
      await postgres.transaction(async (trx) => {
        const view = await findTransaction(trx, row.transaction_id);
        const { rows: urls } = await sql<{
          webhook_url: string;
        }>`SELECT webhook_url FROM transactions WHERE id = ${row.transaction_id}`.execute(trx);
        const id = random.uuid();
        const body = JSON.stringify({
          type: `transaction.${row.payload.state}`,
          timestamp: new Date(clock.now()).toISOString(),
          data: { ...view, state: row.payload.state, version: row.payload.version },
        });
        await sql`
          INSERT INTO webhook_deliveries (id, transaction_id, version, url, body) VALUES (${id}, ${row.transaction_id}, ${row.payload.version}, ${urls[0]?.webhook_url ?? ''}, ${body})
          ON CONFLICT DO NOTHING`.execute(trx);
        await sql`UPDATE outbox SET done_at = now() WHERE id = ${row.id}`.execute(trx);
      });
    }
  }

  async function deliver(row: { id: string; url: string; body: string; attempts: number }): Promise<void> {
    const headers = webhookHeaders({
      id: row.id,
      timestampSeconds: Math.floor(clock.now() / 1000),
      body: row.body,
      secrets: deps.secrets,
    });
    let status: number | undefined;
    let error: string | undefined;
    try {
      const answer = await http.post(row.url, {
        headers,
        body: row.body,
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      status = answer.status;
      if (status < 200 || status >= 300) error = `answered ${status}`;
    } catch (cause) {
      error = ((cause as Error).cause as Error | undefined)?.message ?? (cause as Error).message;
    }
    if (error === undefined) {
      await sql`UPDATE webhook_deliveries SET delivered_at = now(), attempts = attempts + 1, last_status = ${status ?? null}, last_error = NULL WHERE id = ${row.id}`.execute(
        postgres.db,
      );
      return;
    }
    const wait = RETRY_SECONDS[row.attempts];
    // 410 Gone: the receiver wants no more of it.
    const dead = wait === undefined || status === 410;
    if (dead) log.warn({ delivery: row.id, error }, 'a webhook was given up');
    await sql`
      UPDATE webhook_deliveries SET attempts = attempts + 1, last_status = ${status ?? null}, last_error = ${error.slice(0, 300)},
        dead_at = ${dead ? new Date(clock.now()) : null}, next_at = now() + make_interval(secs => ${(wait ?? 0) * (0.8 + 0.4 * random.float())}) WHERE id = ${row.id}`.execute(
      postgres.db,
    );
  }

  return {
    /** Collects and delivers what is due. @returns how many deliveries were tried. */
    async step() {
      await collect();
      const { rows } = await sql<{ id: string; url: string; body: string; attempts: number }>`
        UPDATE webhook_deliveries SET next_at = now() + make_interval(secs => ${CLAIM_SECONDS}) WHERE id IN (
          SELECT d.id FROM webhook_deliveries d WHERE d.delivered_at IS NULL AND d.dead_at IS NULL AND d.next_at <= now()
            -- One after the other per transaction: a receiver never hears of a state before the one that led to it.
            AND NOT EXISTS (SELECT 1 FROM webhook_deliveries o WHERE o.transaction_id = d.transaction_id AND o.version < d.version AND o.delivered_at IS NULL AND o.dead_at IS NULL)
          ORDER BY d.next_at LIMIT ${BATCH} FOR UPDATE SKIP LOCKED)
        RETURNING id, url, body, attempts`.execute(postgres.db);
      await Promise.all(rows.map(deliver));
      return rows.length;
    },
    close: () => http.close(),
  };
}
