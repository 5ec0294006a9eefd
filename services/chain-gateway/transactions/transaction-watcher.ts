import { sql } from 'kysely';
import type { Logger } from '../../../lib/log.ts';
import type { Clock } from '../../../lib/time.ts';
import type { GatewayPostgres } from '../store/gateway-database.ts';

/** Tells open event streams when their transaction has changed, with one query for all of them. */
export interface TransactionWatcher {
  /** Calls `changed` when the transaction has a version above `seen()`; returns the way to stop. */
  watch(id: string, seen: () => number, changed: () => void): () => void;
  close(): void;
}

/** Between looks; what a stream lags behind the database at most. */
const POLL_MS = 200;

export function createTransactionWatcher(deps: {
  postgres: GatewayPostgres;
  clock: Clock;
  log: Logger;
}): TransactionWatcher {
  const { postgres, clock, log } = deps;
  const watched = new Map<symbol, { id: string; seen: () => number; changed: () => void }>();
  let busy = false;

  async function look(): Promise<void> {
    if (busy || watched.size === 0) return;
    busy = true;
    try {
      const ids = [...new Set([...watched.values()].map((w) => w.id))];
      const { rows } = await sql<{
        id: string;
        version: number;
      }>`SELECT id, version FROM transactions WHERE id = ANY(${ids}::uuid[])`.execute(postgres.db);
      const versions = new Map(rows.map((row) => [row.id, row.version]));
      for (const w of watched.values()) {
        if ((versions.get(w.id) ?? 0) > w.seen()) w.changed();
      }
    } catch (error) {
      log.warn({ err: error }, 'open transaction streams could not be refreshed; trying again');
    } finally {
      busy = false;
    }
  }
  const timer = clock.setInterval(() => void look(), POLL_MS);
  return {
    watch(id, seen, changed) {
      const key = Symbol(id);
      watched.set(key, { id, seen, changed });
      return () => void watched.delete(key);
    },
    close: () => timer.cancel(),
  };
}
