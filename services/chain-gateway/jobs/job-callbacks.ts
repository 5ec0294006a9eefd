import { sql } from 'kysely';
import { ForbiddenTarget } from '../../../lib/http/public-address.ts';
import { createSafeHttp } from '../../../lib/http/safe-http.ts';
import type { Logger } from '../../../lib/log.ts';
import { webhookHeaders } from '../../../lib/standard-webhooks.ts';
import type { Clock } from '../../../lib/time.ts';
import type { GatewayPostgres } from '../store/gateway-database.ts';
import { findJob } from './job-store.ts';

const EVERY_MS = 1_000;
const BATCH = 10;
const TIMEOUT_MS = 10_000;
/** A sender that dies in the middle gives its work back after this long, seconds. */
const CLAIM_SECONDS = 30;
/** Waits between tries, seconds: a receiver that is away for a few hours still hears of its job. */
const RETRY_SECONDS = [5, 30, 120, 600, 3_600, 10_800];

/**
 * Tells clients that their jobs are over: Standard Webhooks, event `job.completed`, `job.failed` or `job.cancelled`
 * with the job as data and no results. The id is the same for every try, so a receiver can tell a repetition.
 */
export function createJobCallbacks(deps: {
  postgres: GatewayPostgres;
  /** The newest first; all of them sign. */
  secrets: readonly string[];
  allowPrivate: boolean;
  clock: Clock;
  log: Logger;
}): { start(): void; step(): Promise<number>; close(): Promise<void> } {
  const { postgres, clock, log } = deps;
  const http = createSafeHttp({ allowPrivate: deps.allowPrivate });

  async function deliver(job: Due): Promise<void> {
    const view = await findJob(postgres.db, { chainId: job.chain_id, principal: job.principal }, job.id);
    if (!view) return;
    const { callback: _ours, ...data } = view;
    const body = JSON.stringify({ type: `job.${view.state}`, timestamp: view.finishedAt, data });
    let error: string | undefined;
    let hopeless = false;
    try {
      const answer = await http.post(job.callback_url, {
        headers: webhookHeaders({
          id: `${job.id}.${job.round}`,
          timestampSeconds: Math.floor(clock.now() / 1000),
          body,
          secrets: deps.secrets,
        }),
        body,
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (answer.status < 200 || answer.status >= 300) error = `answered ${answer.status}`;
      // Gone: the receiver wants no more of it.
      hopeless = answer.status === 410;
    } catch (cause) {
      error = (cause as Error).message;
      hopeless = cause instanceof ForbiddenTarget;
    }
    const wait = RETRY_SECONDS[job.callback_attempts];
    const state = error === undefined ? 'delivered' : wait === undefined || hopeless ? 'failed' : 'due';
    if (state === 'failed') log.warn({ job: job.id, error }, 'the callback of a job was given up');
    await sql`
      UPDATE rpc_jobs SET callback_state = ${state}, callback_attempts = callback_attempts + 1,
        callback_error = ${error?.slice(0, 300) ?? null}, callback_at = now() + make_interval(secs => ${wait ?? 0})
      WHERE id = ${job.id} AND callback_state = 'due' AND round = ${job.round}`.execute(postgres.db);
  }

  async function step(): Promise<number> {
    const { rows } = await sql<Due>`
      UPDATE rpc_jobs SET callback_at = now() + make_interval(secs => ${CLAIM_SECONDS})
      WHERE id IN (
        SELECT id FROM rpc_jobs WHERE callback_state = 'due' AND callback_at <= now()
        ORDER BY callback_at LIMIT ${BATCH} FOR UPDATE SKIP LOCKED)
      RETURNING id, chain_id, principal, round, callback_url, callback_attempts`.execute(postgres.db);
    await Promise.all(rows.map(deliver));
    return rows.length;
  }

  let timer: { cancel(): void } | undefined;
  let running: Promise<unknown> | undefined;
  return {
    step,
    start() {
      timer = clock.setInterval(() => {
        running ??= step()
          .catch((error) => log.warn({ err: error }, 'callbacks could not be sent; trying again'))
          .finally(() => {
            running = undefined;
          });
      }, EVERY_MS);
    },
    async close() {
      timer?.cancel();
      await running;
      await http.close();
    },
  };
}

interface Due {
  id: string;
  chain_id: number;
  principal: string;
  round: number;
  callback_url: string;
  callback_attempts: number;
}
