import { createHash } from 'node:crypto';
import type { Logger } from '../../../lib/log.ts';
import type { Redis } from '../../../lib/redis.ts';
import type { Clock } from '../../../lib/time.ts';
import type { BoundCall } from '../rpc/block-binding.ts';
import type { CacheEntry } from './byte-lru.ts';
import type { SharedCache } from './shared-cache.ts';

/** Longer than a healthy Redis takes, shorter than any provider: a slow Redis is skipped, not waited for. */
const LOOKUP_TIMEOUT_MS = 25;
/** After a failure Redis is left alone for this long. */
const REST_MS = 1_000;
const FINAL_TTL_S = 86_400;
const UNFINAL_TTL_S = 60;
const MAX_VALUE_BYTES = 256 * 1024;
/** Longer keys are hashed: the parameters of a call may be long. */
const MAX_PLAIN_KEY = 160;

/**
 * The cache that replicas share. An entry carries the block hash that it depends on, and the reader checks it against
 * its own view of the chain: a replica that has seen a reorg does not believe one that has not.
 */
export function createRedisCache(deps: {
  redis: Redis;
  prefix: string;
  chainId: number;
  clock: Clock;
  log: Logger;
  onFailure?: () => void;
}): SharedCache {
  const { redis, clock, log } = deps;
  const prefix = `${deps.prefix}:rpc:${deps.chainId}:`;
  let restUntil = 0;

  const failed = (error: unknown): undefined => {
    if (clock.monotonic() >= restUntil)
      log.warn({ err: error }, 'the shared cache is away; answering without it');
    restUntil = clock.monotonic() + REST_MS;
    deps.onFailure?.();
    return undefined;
  };
  const keyOf = (call: BoundCall): string =>
    prefix +
    (call.key.length <= MAX_PLAIN_KEY
      ? call.key
      : `${call.method}:${createHash('sha256').update(call.key).digest('base64url')}`);
  const worthwhile = (call: BoundCall): boolean =>
    call.cacheable &&
    (call.spec.cache === 'block' || call.spec.cache === 'hash') &&
    clock.monotonic() >= restUntil;

  return {
    get(call) {
      if (!worthwhile(call)) return undefined;
      return new Promise((resolve) => {
        const timer = clock.setTimeout(
          () => resolve(failed(new Error(`no answer within ${LOOKUP_TIMEOUT_MS} ms`))),
          LOOKUP_TIMEOUT_MS,
        );
        redis.get(keyOf(call)).then(
          (value) => {
            timer.cancel();
            resolve(value === null ? undefined : decode(value, clock.monotonic()));
          },
          (error: unknown) => {
            timer.cancel();
            resolve(failed(error));
          },
        );
      });
    },
    put(call, entry) {
      if (!worthwhile(call) || entry.blockNumber === undefined || entry.result.length > MAX_VALUE_BYTES)
        return;
      const ttl = entry.blockHash === undefined ? FINAL_TTL_S : UNFINAL_TTL_S;
      redis
        .set(keyOf(call), `${entry.blockNumber},${entry.blockHash ?? ''},${entry.result}`, 'EX', ttl)
        .catch(failed);
    },
  };
}

/** @returns undefined for anything that this version did not write */
function decode(value: string, now: number): CacheEntry | undefined {
  const first = value.indexOf(',');
  const second = value.indexOf(',', first + 1);
  const blockNumber = Number(value.slice(0, first));
  if (first <= 0 || second < 0 || !Number.isSafeInteger(blockNumber)) return undefined;
  const blockHash = value.slice(first + 1, second);
  return {
    result: value.slice(second + 1),
    blockNumber,
    blockHash: blockHash === '' ? undefined : blockHash,
    expiresAt: blockHash === '' ? Number.POSITIVE_INFINITY : now + UNFINAL_TTL_S * 1_000,
  };
}
