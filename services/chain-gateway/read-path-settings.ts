import type { z } from 'zod';
import { ConfigError } from '../../lib/config.ts';
import type { Logger } from '../../lib/log.ts';
import type { Metrics } from '../../lib/metrics.ts';
import type { Random } from '../../lib/random.ts';
import type { Clock } from '../../lib/time.ts';
import type { SharedCache } from './cache/shared-cache.ts';
import type { readPathKeys } from './config.ts';
import type { ProviderConfig } from './providers/provider-config.ts';
import { formatProblem } from './providers/providers-file.ts';
import { providersFromUrls } from './providers/providers-from-env.ts';
import type { ProvidersFile } from './providers/providers-schema.ts';
import { readProvidersFile } from './providers/providers-watcher.ts';
import { createUndiciTransport } from './providers/undici-transport.ts';
import type { ReadPathDeps } from './read-path.ts';

/** The settings that the read path uses; worker and indexer have them too. */
export type ReadPathConfig = Readonly<{
  [K in keyof typeof readPathKeys]: z.output<(typeof readPathKeys)[K]>;
}>;

/** Largest answer read from a provider. Bigger ones exist (traces), but not in one JSON-RPC result that fits memory well. */
const MAX_RESPONSE_BYTES = 64 * 1024 * 1024;

/** Providers and where they come from. */
export interface ProviderSource {
  readonly chainId: number;
  readonly providers: readonly ProviderConfig[];
  /** The file, when there is one; it is watched for changes. */
  readonly file: { readonly path: string; readonly content: ProvidersFile } | undefined;
}

/** Reads the providers from PROVIDERS_FILE or RPC_URLS. @throws ConfigError */
export function providerSource(
  config: Pick<ReadPathConfig, 'CHAIN_ID' | 'RPC_URLS' | 'UPSTREAM_URLS' | 'PROVIDERS_FILE'>,
): ProviderSource {
  const wrong = (key: string, message: string): ConfigError => new ConfigError('gateway', [{ key, message }]);
  const urls = config.RPC_URLS ?? config.UPSTREAM_URLS;
  if (config.PROVIDERS_FILE !== undefined) {
    const path = config.PROVIDERS_FILE;
    let parsed: ReturnType<typeof readProvidersFile>;
    try {
      parsed = readProvidersFile(path);
    } catch (error) {
      throw wrong(
        'PROVIDERS_FILE',
        `cannot read ${path}: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`,
      );
    }
    if (!parsed.ok) {
      throw new ConfigError(
        'gateway',
        parsed.problems.map((problem) => ({ key: 'PROVIDERS_FILE', message: formatProblem(path, problem) })),
      );
    }
    if (config.CHAIN_ID !== undefined && config.CHAIN_ID !== parsed.file.chainId) {
      throw wrong('CHAIN_ID', `is ${config.CHAIN_ID}, but ${path} is for chain ${parsed.file.chainId}`);
    }
    return {
      chainId: parsed.file.chainId,
      providers: parsed.providers,
      file: { path, content: parsed.file },
    };
  }
  if (urls === undefined || urls.length === 0) {
    throw wrong(
      'RPC_URLS',
      'set RPC_URLS (or UPSTREAM_URLS) or PROVIDERS_FILE: the gateway needs at least one provider',
    );
  }
  if (config.CHAIN_ID === undefined) {
    throw wrong('CHAIN_ID', 'is required with RPC_URLS, so that a URL of another chain is noticed');
  }
  return { chainId: config.CHAIN_ID, providers: providersFromUrls(urls), file: undefined };
}

/** Turns settings into what `createReadPath` needs, with the real wire. @throws ConfigError */
export function readPathSettings(options: {
  config: ReadPathConfig;
  version: string;
  clock: Clock;
  random: Random;
  log: Logger;
  metrics: Metrics;
  /** The cache shared with other replicas. */
  shared?: SharedCache | undefined;
  /** Where the contracts manifest says Multicall3 is; MULTICALL_ADDRESS otherwise. */
  multicallAddress?: string | undefined;
  /** Switches hedging off while the gateway runs; HEDGING=false wins. */
  hedging?: () => boolean;
}): { deps: ReadPathDeps; chainId: number; source: ProviderSource } {
  const { config, clock, random, log, metrics } = options;
  const source = providerSource(config);
  const { chainId } = source;
  return {
    chainId,
    source,
    deps: {
      ...(options.shared === undefined ? {} : { shared: options.shared }),
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
        providers: source.providers,
        callTimeoutMs: config.CALL_TIMEOUT_MS,
        headPollMs: config.HEAD_POLL_MS,
        maxLagBlocks: config.MAX_LAG_BLOCKS,
        headFloorMaxAgeMs: config.HEAD_FLOOR_MAX_AGE_MS,
        cacheBytes: config.CACHE_MB * 1024 * 1024,
        maxBatch: config.MAX_BATCH,
        hedging: options.hedging && config.HEDGING ? options.hedging : config.HEDGING,
        queueMaxWaitMs: config.QUEUE_MAX_WAIT_MS,
        explainCapacity: config.EXPLAIN_REQUESTS,
        multicall: {
          mode: source.file?.content.multicall ?? config.MULTICALL,
          address: options.multicallAddress ?? config.MULTICALL_ADDRESS,
        },
        extraMethods: config.ALLOW_METHODS ?? [],
        version: options.version,
      },
    },
  };
}
