import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { serverUrl, TEST_REDIS_DATABASES, TEST_REDIS_URL } from './servers.ts';

/** A logical Redis database that belongs to one test file. */
export interface TestRedis {
  /** With the logical database in the path: `redis://127.0.0.1:port/7`. */
  readonly url: string;
  readonly db: number;
  /** A key prefix for code that wants one; nobody else has this database anyway. */
  readonly prefix: string;
  /** Removes every key of this database only. */
  flush(): Promise<void>;
  /** Removes every key and closes the helper's connection. */
  drop(): Promise<void>;
}

/** Takes the next logical database of the Redis of this run. Call `drop()` in `afterAll`. */
export async function createTestRedis(): Promise<TestRedis> {
  const base = serverUrl(TEST_REDIS_URL);
  const counter = new Redis(base);
  // Database 0 only holds the counter by which parallel workers share out the others.
  const taken = await counter.incr('test:databases');
  await counter.quit();
  const db = 1 + ((taken - 1) % (TEST_REDIS_DATABASES - 1));
  const url = `${base}/${db}`;
  const client = new Redis(url);
  await client.flushdb();
  return {
    url,
    db,
    prefix: `t${randomBytes(3).toString('hex')}:`,
    flush: async () => {
      await client.flushdb();
    },
    drop: async () => {
      await client.flushdb();
      await client.quit();
    },
  };
}
