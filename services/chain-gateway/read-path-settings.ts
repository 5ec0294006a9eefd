import type { z } from 'zod';
import { ConfigError } from '../../lib/config.ts';
import type { ProcessScope } from '../../lib/lifecycle.ts';
import type { Logger } from '../../lib/log.ts';
import type { Metrics } from '../../lib/metrics.ts';
import type { Random } from '../../lib/random.ts';
import type { Clock } from '../../lib/time.ts';
import type { readPathKeys } from './config.ts';
import { providersFromUrls } from './providers/providers-from-env.ts';
import { createUndiciTransport } from './providers/undici-transport.ts';
import type { ReadPathDeps } from './read-path.ts';

/** The settings that the read path uses; worker and indexer have them too. */
export type ReadPathConfig = Readonly<{
  [K in keyof typeof readPathKeys]: z.output<(typeof readPathKeys)[K]>;
}>;

/** Largest answer read from a provider. Bigger ones exist (traces), but not in one JSON-RPC result that fits memory well. */
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;

/** Turns settings into what `createReadPath` needs, with the real wire. @throws ConfigError */
export async function readPathSettings(options: {
  config: ReadPathConfig;
  version: string;
  clock: Clock;
  random: Random;
  log: Logger;
  metrics: Metrics;
  scope: Pick<ProcessScope, 'defer'>;
}): Promise<{ deps: ReadPathDeps; chainId: number }> {
  const { config, clock, random, log, metrics } = options;
  const urls = config.RPC_URLS ?? config.UPSTREAM_URLS;
  if (urls === undefined || urls.length === 0) {
    throw new ConfigError('gateway', [
      {
        key: 'RPC_URLS',
        message: 'set RPC_URLS (or UPSTREAM_URLS) or PROVIDERS_FILE: the gateway needs at least one provider',
      },
    ]);
  }
  if (config.CHAIN_ID === undefined) {
    throw new ConfigError('gateway', [
      { key: 'CHAIN_ID', message: 'is required with RPC_URLS, so that a URL of another chain is noticed' },
    ]);
  }
  const chainId = config.CHAIN_ID;
  return {
    chainId,
    deps: {
      clock,
      random,
      log,
      metrics,
      defer: (fn) => void setImmediate(fn),
      transport: (provider) =>
        createUndiciTransport({
          url: provider.url,
          headers: provider.headers,
          connections: provider.connections,
          http2: provider.http2,
          connectTimeoutMs: provider.connectTimeoutMs,
          maxResponseBytes: MAX_RESPONSE_BYTES,
          clock,
        }),
      options: {
        chainId,
        providers: providersFromUrls(urls),
        callTimeoutMs: config.CALL_TIMEOUT_MS,
        headPollMs: config.HEAD_POLL_MS,
        maxLagBlocks: config.MAX_LAG_BLOCKS,
        headFloorMaxAgeMs: config.HEAD_FLOOR_MAX_AGE_MS,
        cacheBytes: config.CACHE_MB * 1024 * 1024,
        maxBatch: config.MAX_BATCH,
        hedging: config.HEDGING,
        queueMaxWaitMs: config.QUEUE_MAX_WAIT_MS,
        explainCapacity: config.EXPLAIN_REQUESTS,
        extraMethods: config.ALLOW_METHODS ?? [],
        version: options.version,
      },
    },
  };
}
