import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createLogger } from '../../../lib/log.ts';
import { createMetrics, type Metrics } from '../../../lib/metrics.ts';
import { createSeededRandom } from '../../../lib/random.ts';
import { systemClock as clock } from '../../../lib/time.ts';
import { unlimitedPrincipal } from '../admission/principal.ts';
import { type ProviderConfig, providerFromUrl } from '../providers/provider-config.ts';
import { createUndiciTransport } from '../providers/undici-transport.ts';
import { createReadPath, type ReadPath, type ReadPathOptions } from '../read-path.ts';
import { createRpcHttpHandler, type HttpHandlerDeps } from '../rpc/http-handler.ts';
import type { SubscriptionLimits } from '../subscriptions/create-subscriptions.ts';
import { mountSubscriptions } from '../subscriptions/mount-subscriptions.ts';

export interface ReadGateway {
  readonly url: string;
  readonly wsUrl: string;
  readonly path: ReadPath;
  readonly metrics: Metrics;
  stop(): Promise<void>;
}

const NAMES = ['alpha', 'beta', 'gamma', 'delta', 'epsilon'];

/** The read path and its front doors over real sockets, in this process: what a test of behaviour on the wire needs. */
export async function startReadGateway(settings: {
  chainId: number;
  providers: readonly (Partial<ProviderConfig> & { url: string })[];
  options?: Partial<ReadPathOptions>;
  limits?: Partial<SubscriptionLimits>;
  logLevel?: string;
  identify?: HttpHandlerDeps['identify'];
}): Promise<ReadGateway> {
  const { chainId } = settings;
  const metrics = createMetrics({ service: 'gateway', processMetrics: false });
  const log = createLogger({ service: 'gateway', level: settings.logLevel ?? 'silent', pretty: false });
  const random = createSeededRandom(11);
  const path = createReadPath({
    clock,
    random,
    log,
    metrics,
    defer: (fn) => void setImmediate(fn),
    transport: (provider) =>
      createUndiciTransport({ ...provider, maxResponseBytes: 32 * 1024 * 1024, clock }),
    options: {
      chainId,
      providers: settings.providers.map((provider, index) => ({
        ...providerFromUrl(NAMES[index] ?? `provider-${index}`, provider.url),
        ...provider,
      })),
      callTimeoutMs: 10_000,
      headPollMs: 100,
      maxLagBlocks: 5,
      headFloorMaxAgeMs: 30_000,
      cacheBytes: 32 * 1024 * 1024,
      maxBatch: 1_000,
      hedging: true,
      queueMaxWaitMs: 200,
      explainCapacity: 1_000,
      extraMethods: [],
      version: 'test',
      ...settings.options,
    },
  });
  await path.start(2_000);
  const anonymous = { principal: unlimitedPrincipal('anonymous', 'anonymous') };
  const identify = settings.identify ?? (() => anonymous);
  let requests = 0;
  const server = createServer(
    createRpcHttpHandler({
      door: path.door,
      chainId,
      maxBodyBytes: 5 * 1024 * 1024,
      callTimeoutMs: settings.options?.callTimeoutMs ?? 10_000,
      identify,
      clock,
      newRequestId: () => `test-${++requests}`,
      draining: () => false,
    }),
  );
  const subscriptions = mountSubscriptions({
    ...path,
    pokeHeads: () => path.heads.poke(),
    identify,
    webSocketUrls: () => path.pool.ranking().flatMap(({ provider }) => provider.config.wsUrl ?? []),
    chainId,
    callTimeoutMs: settings.options?.callTimeoutMs ?? 10_000,
    clock,
    random,
    log,
    metrics,
    ...(settings.limits === undefined ? {} : { limits: settings.limits }),
  });
  server.on('upgrade', subscriptions.upgrade);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/rpc/${chainId}`,
    wsUrl: `ws://127.0.0.1:${port}/rpc/${chainId}`,
    path,
    metrics,
    async stop() {
      await subscriptions.close(500);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await path.close();
    },
  };
}
