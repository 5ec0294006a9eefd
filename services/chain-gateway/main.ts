import cluster from 'node:cluster';
import { readFileSync } from 'node:fs';
import { AggregatorRegistry } from 'prom-client';
import { createCertificateWatch, speaksTls } from '../../lib/certificate-watch.ts';
import { ConfigError, loadConfig } from '../../lib/config.ts';
import { loadContractsManifest } from '../../lib/contracts-manifest.ts';
import { createHttpApp, type HttpAppOptions } from '../../lib/http/app.ts';
import type { ReadinessCheck } from '../../lib/http/readiness.ts';
import type { Route } from '../../lib/http/route.ts';
import { startServer } from '../../lib/http/server.ts';
import { runProcess } from '../../lib/lifecycle.ts';
import { createLogger } from '../../lib/log.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { openFlags } from '../../lib/process-flags.ts';
import { systemRandom } from '../../lib/random.ts';
import { createServiceAuth } from '../../lib/service-auth.ts';
import { systemClock as clock } from '../../lib/time.ts';
import { startTracing } from '../../lib/tracing/start-tracing.ts';
import { traceListener } from '../../lib/tracing/trace-listener.ts';
import { type CredentialReader, createIdentify, serviceAuthenticator } from './admission/identify.ts';
import { createCallLimiter } from './admission/limits/call-limiter.ts';
import { operatorAuthenticator } from './admission/operator.ts';
import { unitLimit } from './admission/principal.ts';
import type { CallTokensParts } from './admission/tokens/create-call-tokens.ts';
import { identifyCallTokens } from './admission/tokens/identify-tokens.ts';
import { banner } from './banner.ts';
import { createClusterBus } from './cluster-bus.ts';
import { runClusterPrimary } from './cluster-primary.ts';
import { gatewayConfig } from './config.ts';
import { gatewayFlags, HEDGING_FLAG } from './flags.ts';
import { answerQuestion, internalRoutes, type Spending, totalSpending, usageOf } from './internal-routes.ts';
import { gatewayInfo } from './openapi-info.ts';
import { watchProvidersFile } from './providers/providers-watcher.ts';
import { createReadPath } from './read-path.ts';
import { providerSource, readPathSettings } from './read-path-settings.ts';
import { createRpcHttpHandler, isRpcPath } from './rpc/http-handler.ts';
import { createClusterFilterStore } from './subscriptions/cluster-filter-store.ts';
import { mountSubscriptions } from './subscriptions/mount-subscriptions.ts';

/** Providers get this long to answer before the gateway listens anyway; it is not ready until one does. */
const FIRST_ROUND_MS = 3_000;

/** The gateway's HTTP process: JSON-RPC on the raw socket, everything else behind Express. */
runProcess('gateway', async (scope) => {
  const config = loadConfig(gatewayConfig, { env: process.env });
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const standalone = config.DATABASE_URL === undefined;
  if (!standalone && config.SERVICE_AUTH_KEYS === undefined) {
    throw new ConfigError('gateway', [
      {
        key: 'SERVICE_AUTH_KEYS',
        message: 'is required with DATABASE_URL: transactions are never open to anybody',
      },
    ]);
  }
  const log = createLogger({ service: 'gateway', level: config.LOG_LEVEL, pretty: config.LOG_PRETTY });
  const { chainId } = providerSource(config);
  const metricsPort =
    config.METRICS_PORT ?? (config.WORKERS > 1 && config.PORT > 0 ? config.PORT + 1 : undefined);
  if (config.WORKERS > 1 && cluster.isPrimary) {
    const { metricsUrl } = await runClusterPrimary({
      workers: config.WORKERS,
      host: config.HOST,
      metricsPort: metricsPort ?? 0,
      scope,
      clock,
      log,
    });
    log.info({ metricsUrl, workers: config.WORKERS }, 'workers started');
    return { log, drainTimeoutMs: config.DRAIN_TIMEOUT_MS, drainDelayMs: config.DRAIN_DELAY_MS };
  }
  await startTracing({ service: 'gateway', version, config, log, scope });
  const random = systemRandom(clock);
  const metrics = createMetrics({ service: 'gateway' });
  if (cluster.isWorker) AggregatorRegistry.setRegistries([metrics.registry]);
  const auth =
    config.SERVICE_AUTH_KEYS === undefined
      ? undefined
      : createServiceAuth({ self: 'gateway', keys: config.SERVICE_AUTH_KEYS, clock });

  const sharedState =
    config.REDIS_URL === undefined
      ? undefined
      : (await import('./shared-state.ts')).createSharedState({
          url: config.REDIS_URL,
          prefix: config.REDIS_PREFIX,
          chainId,
          processId: random.uuid(),
          clock,
          log,
        });
  if (sharedState !== undefined) scope.defer('shared state', () => sharedState.close());
  const flags = openFlags({
    config,
    service: 'gateway',
    definitions: gatewayFlags,
    scope,
    metrics,
    clock,
    log,
  });
  const { deps, source } = readPathSettings({
    config,
    hedging: () => flags.boolean(HEDGING_FLAG.key, HEDGING_FLAG.fallback),
    version,
    clock,
    random,
    log,
    metrics,
    shared: sharedState?.cache,
    multicallAddress: multicallAddressIn(config.CONTRACTS_FILE),
  });
  const limiter = createCallLimiter({
    clock,
    log,
    metrics,
    source: sharedState?.leases,
    global: unitLimit(config.LIMIT_GLOBAL_UNITS),
  });
  scope.defer('limits', () => limiter.stop());
  const path = createReadPath({ ...deps, limiter });
  scope.defer('read path', () => path.close());
  const costs = sharedState?.join(path);
  await path.start(FIRST_ROUND_MS);
  const certificates = createCertificateWatch({
    certificates: deps.options.providers
      .filter(({ url }) => speaksTls(url))
      .map(({ id, url }) => ({ name: id, source: { url } })),
    metrics,
    clock,
    log,
  }).start();
  scope.defer('certificate watch', () => certificates.cancel());
  if (source.file !== undefined) {
    const watcher = watchProvidersFile({
      path: source.file.path,
      current: source.file.content,
      apply: (providers) => path.reconfigure(providers),
      clock,
      log,
    });
    scope.defer('providers file', () => watcher.stop());
  }
  const bus = createClusterBus({ clock, answer: (question) => answerQuestion(path, question) });

  /** Of all replicas; without Redis, of this gateway's processes. */
  const spending = (): Promise<Spending> => totalSpending(path, bus, costs);
  const routes: Route[] = [...internalRoutes({ path, clock, open: auth === undefined, bus, costs })];
  let tokens: CallTokensParts | undefined;
  let keys: CredentialReader | undefined;
  const readiness: ReadinessCheck[] = [
    {
      name: 'providers',
      async check() {
        if (!path.ready())
          throw new Error(
            path.view.head() === undefined
              ? 'no provider has told its head yet'
              : 'no provider is in good standing',
          );
      },
    },
  ];

  let extend: HttpAppOptions['extend'];
  if (config.DATABASE_URL !== undefined) {
    // Loaded only here: database and queue clients would triple the start of the gateway alone.
    const { createGatewayRoutes } = await import('./gateway-routes.ts');
    const own = await createGatewayRoutes({
      config: { ...config, DATABASE_URL: config.DATABASE_URL },
      chainId,
      view: path.view,
      rpc: path.rpc,
      usage: async (principal) => usageOf(principal, await spending()),
      // All replicas have it, and a cursor that outlives its rotation is refused like any other foreign one.
      cursorSecret: `cursors:${config.SERVICE_AUTH_KEYS?.[0]?.secret}`,
      clock,
      random,
      log,
      metrics,
      scope,
      service: serviceAuthenticator(auth),
    });
    tokens = own.tokens;
    keys = own.keys;
    extend = own.extend;
    routes.push(...own.routes);
    readiness.push(...own.readiness);
  }

  const http = createHttpApp({
    service: 'gateway',
    version,
    log,
    metrics,
    clock,
    random,
    routes,
    authenticate: {
      service: serviceAuthenticator(auth),
      admin:
        config.OPERATOR_TOKEN === undefined
          ? serviceAuthenticator(auth)
          : operatorAuthenticator(config.OPERATOR_TOKEN),
      ...(tokens === undefined ? {} : { 'call-token': tokens.authenticate }),
    },
    readiness,
    ...(extend ? { extend } : {}),
    // Messages of services may be larger than anything else that is sent here.
    ...(config.SNET_FILE === undefined ? {} : { bodyLimitBytes: config.MAX_BODY_BYTES }),
    openapi: { ...gatewayInfo, version },
  });

  let draining = false;
  let requests = 0;
  const idPrefix = random.token(6);
  const others = createIdentify({
    auth,
    ...(keys === undefined ? {} : { credentials: [keys] }),
    anonymous: config.RPC_ANONYMOUS ?? standalone,
    anonymousLimit: unitLimit(config.LIMIT_ANONYMOUS_UNITS),
    now: () => clock.monotonic(),
  });
  const identify = tokens === undefined ? others : identifyCallTokens(tokens.principals, others);
  const handleRpc = createRpcHttpHandler({
    door: path.door,
    chainId,
    maxBodyBytes: config.MAX_BODY_BYTES,
    callTimeoutMs: config.CALL_TIMEOUT_MS,
    identify,
    clock,
    standing: limiter.standing,
    newRequestId: () => `${idPrefix}-${(++requests).toString(36)}`,
    draining: () => draining,
  });
  const rpcHandler = traceListener(handleRpc, '/rpc/{chainId}');
  const server = await startServer({
    listener: (request, response) =>
      isRpcPath(request.url) ? rpcHandler(request, response) : http.app(request, response),
    host: config.HOST,
    port: config.PORT,
    log,
    clock,
  });
  scope.defer('http', () => {
    draining = true;
    http.setDraining();
    return server.close(config.DRAIN_TIMEOUT_MS);
  });
  const filterStore =
    sharedState?.filters ?? (cluster.isWorker ? createClusterFilterStore(clock) : undefined);
  const subscriptions = mountSubscriptions({
    ...path,
    ...(filterStore === undefined ? {} : { filterStore }),
    pokeHeads: () => path.heads.poke(),
    identify,
    webSocketUrls: () => path.pool.ranking().flatMap(({ provider }) => provider.config.wsUrl ?? []),
    chainId,
    callTimeoutMs: config.CALL_TIMEOUT_MS,
    clock,
    random,
    log,
    metrics,
  });
  server.server.on('upgrade', subscriptions.upgrade);
  scope.defer('subscriptions', () => subscriptions.close(Math.min(2_000, config.DRAIN_TIMEOUT_MS)));
  let metricsUrl: string | undefined;
  if (metricsPort !== undefined && !cluster.isWorker) {
    const side = await startServer({ listener: http.app, host: config.HOST, port: metricsPort, log, clock });
    scope.defer('metrics', () => side.close(0));
    metricsUrl = side.url;
  }
  if (standalone && (cluster.worker?.id ?? 1) === 1) {
    process.stderr.write(banner({ url: server.url, chainId, path, metricsUrl, workers: config.WORKERS }));
  }
  return { log, drainTimeoutMs: config.DRAIN_TIMEOUT_MS, drainDelayMs: config.DRAIN_DELAY_MS };
});

/** Development chains deploy Multicall3 at an address of their own, which the manifest of contracts tells. */
function multicallAddressIn(contractsFile: string | undefined): string | undefined {
  return contractsFile === undefined
    ? undefined
    : loadContractsManifest(contractsFile).contracts.Multicall3?.address.toLowerCase();
}
