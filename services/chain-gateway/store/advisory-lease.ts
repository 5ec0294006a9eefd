import type pg from 'pg';
import type { Logger } from '../../../lib/log.ts';
import type { Clock } from '../../../lib/time.ts';

/** Exclusive roles among processes, held as long as one database connection lives. */
export interface AdvisoryLease {
  /** True when this process holds `name` now; tries to take it when nobody does. */
  hold(name: string): Promise<boolean>;
  /** Lets everything go. */
  close(): Promise<void>;
}

/** `reju` in ASCII: keeps our keys apart from other users of advisory locks in the same database. */
const LOCK_CLASS = 0x72656a75;
/** How stale the last proof of life of the connection may be. */
const PROOF_MS = 1_000;

/**
 * Session-level advisory locks on one connection of their own. Postgres lets them go the moment the connection ends, so
 * a process killed with -9 frees its roles at once. They save double work; what must never happen twice is guarded by
 * row locks and unique keys.
 */
export function createAdvisoryLease(deps: { pool: pg.Pool; log: Logger; clock: Clock }): AdvisoryLease {
  const { pool, log, clock } = deps;
  const held = new Set<string>();
  let connection: Promise<pg.PoolClient> | undefined;
  let provenAt = Number.NEGATIVE_INFINITY;
  /** A broken connection is noticed twice, by its own event and by the query under way; it is given back once. */
  const released = new WeakSet<pg.PoolClient>();

  const drop = (client: pg.PoolClient | undefined): void => {
    held.clear();
    connection = undefined;
    provenAt = Number.NEGATIVE_INFINITY;
    if (client === undefined || released.has(client)) return;
    released.add(client);
    client.release(true);
  };
  const connect = (): Promise<pg.PoolClient> => {
    connection ??= pool.connect().then(
      (client) => {
        client.on('error', (error) => {
          log.warn({ err: error, held: [...held] }, 'the connection that holds our locks broke');
          drop(client);
        });
        return client;
      },
      (error) => {
        connection = undefined;
        throw error;
      },
    );
    return connection;
  };

  async function holdNow(name: string): Promise<boolean> {
    const client = await connect();
    try {
      if (held.has(name)) {
        if (clock.monotonic() - provenAt > PROOF_MS) await client.query('select 1');
        provenAt = clock.monotonic();
        return held.has(name);
      }
      const { rows } = await client.query<{ ok: boolean }>(
        'select pg_try_advisory_lock($1, hashtext($2)) as ok',
        [LOCK_CLASS, name],
      );
      provenAt = clock.monotonic();
      if (rows[0]?.ok) held.add(name);
      return rows[0]?.ok === true;
    } catch (error) {
      drop(client);
      throw error;
    }
  }

  // One connection answers one question at a time.
  let queue: Promise<unknown> = Promise.resolve();
  return {
    hold(name) {
      const answer = queue.then(() => holdNow(name));
      queue = answer.catch(() => undefined);
      return answer;
    },
    async close() {
      const client = await connection?.catch(() => undefined);
      if (client) drop(client);
    },
  };
}
