import { sql } from 'kysely';
import { pruneIdempotencyKeys } from '../../../lib/idempotency.ts';
import type { Clock } from '../../../lib/time.ts';
import type { GatewayPostgres } from '../store/gateway-database.ts';

/** Rows per round, so that pruning never holds a lock for long. */
const BATCH = 5_000;

/**
 * Removes what has done its work: hints that workers have long seen, webhooks that were delivered a month ago,
 * idempotency keys past their retention, findings resolved a quarter ago. Transactions, attempts and the trail stay.
 */
export async function prune(postgres: GatewayPostgres, clock: Pick<Clock, 'now'>): Promise<void> {
  const { db } = postgres;
  // A worker polls the queue itself: a hint older than this has nothing left to say.
  await sql`DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE topic = 'wake' AND created_at < now() - interval '1 minute' LIMIT ${BATCH})`.execute(
    db,
  );
  await sql`DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE done_at < now() - interval '7 days' LIMIT ${BATCH})`.execute(
    db,
  );
  await sql`DELETE FROM webhook_deliveries WHERE id IN (SELECT id FROM webhook_deliveries WHERE delivered_at < now() - interval '30 days' LIMIT ${BATCH})`.execute(
    db,
  );
  await sql`DELETE FROM reconcile_findings WHERE resolved_at < now() - interval '90 days'`.execute(db);
  await pruneIdempotencyKeys(db, clock.now());
}
