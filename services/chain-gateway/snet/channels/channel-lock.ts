import type pg from 'pg';
import { AppError } from '../../../../lib/errors.ts';
import type { Logger } from '../../../../lib/log.ts';
import type { Clock } from '../../../../lib/time.ts';
import type { GatewayPostgres } from '../../store/gateway-database.ts';
import { type Channel, raiseFence } from '../store/channel-store.ts';

/** `snet` in ASCII: keeps these advisory locks apart from others in the database. */
const LOCK_CLASS = 0x736e6574;
/** Longest single wait inside Postgres; between two of them the caller's deadline is looked at. */
const WAIT_SLICE_MS = 2_000;
/** lock_not_available, what `lock_timeout` ends a wait with. */
const LOCK_TIMEOUT = '55P03';

/** What the one writer of a channel holds: the channel as it was when it took over, with its own fence. */
export interface ChannelWriter {
  readonly channel: Channel;
  readonly fence: number;
}

export interface ChannelLock {
  /**
   * Runs `work` as the only writer of a channel, over all replicas.
   *
   * The lock lives on one database connection, so a killed process frees it at once. A process that is merely cut off
   * from the database may go on believing that it holds the lock; its fence is then too old, and what it signs is
   * refused before it can be used (requireFence).
   *
   * @param deadline monotonic milliseconds
   * @throws AppError queue_full when the channel is not free before the deadline
   */
  write<T>(channel: string, deadline: number, work: (writer: ChannelWriter) => Promise<T>): Promise<T>;
}

export function createChannelLock(deps: {
  postgres: GatewayPostgres;
  clock: Clock;
  log: Logger;
}): ChannelLock {
  const { postgres, clock, log } = deps;

  async function take(client: pg.PoolClient, channel: string, deadline: number): Promise<void> {
    for (;;) {
      const left = Math.floor(deadline - clock.monotonic());
      if (left <= 0) {
        throw new AppError(
          'queue_full',
          'The payment channel of this service is busy with another call; it was not free before the deadline.',
          { retryAfterSeconds: 1 },
        );
      }
      try {
        await client.query(`set lock_timeout = ${Math.max(1, Math.min(left, WAIT_SLICE_MS))}`);
        await client.query('select pg_advisory_lock($1, hashtext($2))', [LOCK_CLASS, channel]);
        return;
      } catch (error) {
        if ((error as { code?: string }).code !== LOCK_TIMEOUT) throw error;
      }
    }
  }

  return {
    async write(channel, deadline, work) {
      const client = await postgres.pool.connect();
      let broken: Error | undefined;
      const onError = (error: Error): void => {
        broken = error;
        log.warn({ err: error, channel }, 'the connection that holds the lock of a payment channel broke');
      };
      client.on('error', onError);
      let locked = false;
      try {
        await take(client, channel, deadline);
        locked = true;
        const current = await raiseFence(postgres.db, channel);
        return await work({ channel: current, fence: current.fence });
      } finally {
        if (locked && broken === undefined) {
          await client
            .query('select pg_advisory_unlock($1, hashtext($2))', [LOCK_CLASS, channel])
            .then(() => client.query('reset lock_timeout'))
            .catch((error: Error) => {
              broken = error;
            });
        }
        client.removeListener('error', onError);
        // A connection in doubt is closed: that frees the lock for certain.
        client.release(broken ?? !locked);
      }
    },
  };
}
