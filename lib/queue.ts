import Bull from 'bull';
import type { Logger } from './log.ts';
import { closeRedis, createRedis, type Redis } from './redis.ts';
import { traceQueue } from './tracing/trace-queue.ts';
import { activeTracer } from './tracing/tracer.ts';

export type { Job, Queue } from 'bull';

export interface CreateQueueOptions {
  readonly name: string;
  /** Redis URL. */
  readonly url: string;
  /** Keys start with it: two installations share one Redis without meeting. */
  readonly prefix: string;
  readonly log: Logger;
}

export interface ManagedQueue<T> {
  readonly queue: Bull.Queue<T>;
  close(): Promise<void>;
}

/**
 * A Bull queue whose connections survive a restart of Redis.
 * State of value never lives here alone: Postgres knows what is to be done, the queue only wakes workers.
 */
export function createQueue<T>(options: CreateQueueOptions): ManagedQueue<T> {
  const { name, url, prefix, log } = options;
  const connections: Redis[] = [];
  const connect = (role: string): Redis => {
    const redis = createRedis({ url, log, role: `bull-${name}-${role}`, whenDown: 'wait' });
    connections.push(redis);
    return redis;
  };
  const shared: Partial<Record<string, Redis>> = {};
  const queue = new Bull<T>(name, {
    prefix: `${prefix}bull`,
    createClient: (type) => {
      // Bull blocks on its `bclient`: that one needs a connection of its own each time it asks.
      if (type === 'bclient') return connect(type);
      shared[type] ??= connect(type);
      return shared[type];
    },
    defaultJobOptions: { removeOnComplete: 1_000, removeOnFail: 5_000, attempts: 1 },
  });
  if (activeTracer() !== undefined) traceQueue(queue);
  queue.on('error', (error) => log.debug({ err: error, queue: name }, 'queue connection error'));
  return {
    queue,
    async close() {
      // Bull waits for its clients; with Redis away that would be for ever.
      const allReady = connections.every((redis) => redis.status === 'ready');
      if (allReady) await queue.close();
      await Promise.all(connections.map(closeRedis));
    },
  };
}
