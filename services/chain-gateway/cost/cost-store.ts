import type { Logger } from '../../../lib/log.ts';
import type { Redis } from '../../../lib/redis.ts';
import type { Clock } from '../../../lib/time.ts';
import { type CostBook, type CostPeriod, createCostBook } from './cost-book.ts';

const FLUSH_EVERY_MS = 5_000;
/** Two months, so that last month can still be asked about. */
const KEEP_S = 62 * 86_400;

export interface CostStore {
  /** What all replicas have spent, restarts included. Falls back to this process alone when Redis is away. */
  report(): Promise<{ today: CostPeriod; month: CostPeriod }>;
  flush(): Promise<void>;
  stop(): Promise<void>;
}

/** Adds the spending of all replicas up in Redis: one hash per day, counters only ever incremented. */
export function createCostStore(deps: {
  redis: Redis;
  prefix: string;
  chainId: number;
  book: CostBook;
  clock: Clock;
  log: Logger;
}): CostStore {
  const { redis, book, clock, log } = deps;
  const keyOf = (day: string): string => `${deps.prefix}:cost:${deps.chainId}:${day}`;

  const flush = async (): Promise<void> => {
    const changes = book.takeChanges();
    if (changes.length === 0) return;
    const pipeline = redis.multi();
    for (const { day, field, line } of changes) {
      pipeline.hincrby(keyOf(day), `${field}|calls`, line.calls);
      pipeline.hincrbyfloat(keyOf(day), `${field}|units`, line.units);
      if (line.money > 0) pipeline.hincrbyfloat(keyOf(day), `${field}|money`, line.money);
    }
    for (const day of new Set(changes.map((change) => change.day))) pipeline.expire(keyOf(day), KEEP_S);
    try {
      await pipeline.exec();
    } catch (error) {
      // Nothing is lost: it goes out with the next flush.
      book.giveBack(changes);
      log.warn({ err: error }, 'spending could not be added up in Redis; trying again');
    }
  };
  const timer = clock.setInterval(() => void flush(), FLUSH_EVERY_MS);

  return {
    flush,
    async report() {
      try {
        await flush();
        const today = book.today();
        // One idea of what day it is for all that is added up here.
        const all = createCostBook({ clock: { now: () => Date.parse(today) } });
        const dayOfMonth = Number(today.slice(8));
        const days = Array.from(
          { length: dayOfMonth },
          (_, index) => `${today.slice(0, 8)}${String(index + 1).padStart(2, '0')}`,
        );
        const hashes = await Promise.all(days.map((day) => redis.hgetall(keyOf(day))));
        hashes.forEach((hash, index) => {
          for (const [name, value] of Object.entries(hash)) {
            const bar = name.lastIndexOf('|');
            const line = { calls: 0, units: 0, money: 0, [name.slice(bar + 1)]: Number(value) };
            all.add(days[index] as string, name.slice(0, bar), line);
          }
        });
        return all.report();
      } catch (error) {
        log.warn({ err: error }, 'spending of other replicas is not known; reporting this process alone');
        return book.report();
      }
    },
    async stop() {
      timer.cancel();
      await flush();
    },
  };
}
