import { Redis, type RedisOptions } from 'ioredis';
import type { Logger } from './log.ts';
import { traceRedis } from './tracing/trace-redis.ts';
import { activeTracer } from './tracing/tracer.ts';

export type { Redis } from 'ioredis';

/** Reconnect quickly at first, then every two seconds for ever: Redis comes back, and so do we. */
const retryStrategy = (attempt: number): number => Math.min(50 * 2 ** Math.min(attempt, 6), 2_000);

export interface CreateRedisOptions {
  readonly url: string;
  readonly log: Logger;
  /** What the connection is for; shown by CLIENT LIST and in logs. */
  readonly role: string;
  /** `fail-fast`: a command on a dead connection fails at once. `wait`: it waits for the reconnect (Bull, subscribers). */
  readonly whenDown?: 'fail-fast' | 'wait';
  /** Milliseconds a single command may take in `fail-fast` mode. Default 1 s. */
  readonly commandTimeoutMs?: number;
}

/** A connection that survives restarts of the server and never throws outside of a command. */
export function createRedis(options: CreateRedisOptions): Redis {
  const { url, log, role, whenDown = 'fail-fast', commandTimeoutMs = 1_000 } = options;
  const shared: RedisOptions = {
    connectionName: `rejuve-${role}`,
    retryStrategy,
    connectTimeout: 3_000,
    keepAlive: 10_000,
    // A replica that was promoted, or one that became read-only: reconnect and send the command again.
    reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 2 : false),
  };
  const redis =
    whenDown === 'wait'
      ? new Redis(url, { ...shared, maxRetriesPerRequest: null, enableReadyCheck: false })
      : new Redis(url, {
          ...shared,
          maxRetriesPerRequest: 1,
          enableOfflineQueue: true,
          commandTimeout: commandTimeoutMs,
        });
  // Those that wait are Bull's and subscribers': their commands block, and a job has spans of its own.
  if (whenDown === 'fail-fast' && activeTracer() !== undefined) traceRedis(redis);
  let down = false;
  redis.on('error', (error) => {
    if (!down) log.warn({ err: error, role }, 'Redis is away; reconnecting');
    down = true;
  });
  redis.on('ready', () => {
    if (down) log.info({ role }, 'Redis is back');
    down = false;
  });
  return redis;
}

/** Rejects unless Redis answers PING. */
export async function pingRedis(redis: Redis): Promise<void> {
  if (redis.status !== 'ready' && redis.status !== 'wait')
    throw new Error(`Redis connection is ${redis.status}`);
  await redis.ping();
}

/** Closes politely when the server answers, at once when it does not. */
export async function closeRedis(redis: Redis): Promise<void> {
  if (redis.status === 'end') return;
  if (redis.status !== 'ready') {
    redis.disconnect();
    return;
  }
  await redis.quit().catch(() => redis.disconnect());
}
