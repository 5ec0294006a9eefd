import type { Logger } from '../../../lib/log.ts';
import type { Metrics } from '../../../lib/metrics.ts';
import type { Random } from '../../../lib/random.ts';
import type { Redis } from '../../../lib/redis.ts';

export interface CacheKey {
  readonly key: string;
  readonly ttlMs: number;
  /** What the value depends on; invalidating any of them makes it unusable. */
  readonly tags: readonly string[];
}

/** Answers from Redis or from the source; JSON values only. */
export interface CacheAside {
  get<T>(at: CacheKey, load: () => Promise<T>): Promise<T>;
  /** From now on no value that depends on one of the tags is answered, nor one whose load began before. */
  invalidate(tags: readonly string[]): Promise<void>;
}

/**
 * Each tag has a generation number; a value remembers the generations under which its load began and counts only
 * while they are still current. So an invalidation also reaches a load that is under way: what it writes is dead on
 * arrival. Generations outlive every value (values have a shorter life).
 */
const GENERATION_TTL_MS = 48 * 3_600_000;

/** KEYS: value, tags…; answers the value and the tags' generations in one look. */
const READ = `
local generations = {}
for i = 2, #KEYS do generations[i - 1] = redis.call('GET', KEYS[i]) or '0' end
return { redis.call('GET', KEYS[1]), table.concat(generations, ',') }`;

/** KEYS: tags…; ARGV: life in ms. */
const BUMP = `
for i = 1, #KEYS do
  redis.call('INCR', KEYS[i])
  redis.call('PEXPIRE', KEYS[i], ARGV[1])
end`;

/** Each value lives up to this share shorter than asked, by chance, so that values made together end apart. */
const JITTER = 0.2;

export function createCacheAside(deps: {
  redis: Redis;
  prefix: string;
  random: Pick<Random, 'float'>;
  metrics: Metrics;
  log: Logger;
}): CacheAside {
  const { redis, random, log } = deps;
  const prefix = `${deps.prefix}cache:`;
  const loading = new Map<string, Promise<unknown>>();
  const outcomes = deps.metrics.counter({
    name: 'api_cache_total',
    help: 'Look-ups of the cache by outcome; bypass means that Redis was away and the source was asked.',
    labels: ['kind', 'outcome'],
  });
  const kindOf = (key: string): string => key.slice(0, key.indexOf(':'));

  async function look(at: CacheKey): Promise<{ value: string | null; generations: string } | undefined> {
    // A dead Redis must not cost each request a timeout.
    if (redis.status !== 'ready') return undefined;
    const keys = [`${prefix}v:${at.key}`, ...at.tags.map((tag) => `${prefix}g:${tag}`)];
    try {
      const [value, generations] = (await redis.eval(READ, keys.length, ...keys)) as [string | null, string];
      return { value, generations };
    } catch (err) {
      log.debug({ err }, 'the cache cannot be read');
      return undefined;
    }
  }

  async function loadAndKeep<T>(
    at: CacheKey,
    generations: string | undefined,
    load: () => Promise<T>,
  ): Promise<T> {
    const value = await load();
    if (generations !== undefined) {
      const life = Math.max(1, Math.round(at.ttlMs * (1 - JITTER * random.float())));
      // Generations come first and have no bar, so that the value after it needs no escaping.
      await redis
        .set(`${prefix}v:${at.key}`, `${generations}|${JSON.stringify(value)}`, 'PX', life)
        .catch((err: unknown) => log.debug({ err }, 'the cache cannot be written'));
    }
    return value;
  }

  return {
    async get<T>(at: CacheKey, load: () => Promise<T>): Promise<T> {
      const kind = kindOf(at.key);
      const found = await look(at);
      if (found?.value) {
        const bar = found.value.indexOf('|');
        if (found.value.slice(0, bar) === found.generations) {
          outcomes.inc({ kind, outcome: 'hit' });
          return JSON.parse(found.value.slice(bar + 1)) as T;
        }
      }
      // Callers share a load only when it began under the generations they saw: never one older than an invalidation.
      const flight = `${at.key}|${found?.generations ?? 'bypass'}`;
      const running = loading.get(flight) as Promise<T> | undefined;
      if (running) {
        outcomes.inc({ kind, outcome: 'shared' });
        return running;
      }
      outcomes.inc({ kind, outcome: found ? 'miss' : 'bypass' });
      const started = loadAndKeep(at, found?.generations, load).finally(() => loading.delete(flight));
      loading.set(flight, started);
      return started;
    },

    async invalidate(tags) {
      if (tags.length === 0) return;
      const keys = tags.map((tag) => `${prefix}g:${tag}`);
      await redis.eval(BUMP, keys.length, ...keys, GENERATION_TTL_MS);
    },
  };
}
