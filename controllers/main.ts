import { hostname } from 'node:os';
import { KubeConfig } from '@kubernetes/client-node';
import { loadConfig } from '../lib/config.ts';
import { createHttpApp } from '../lib/http/app.ts';
import { startServer } from '../lib/http/server.ts';
import { runProcess } from '../lib/lifecycle.ts';
import { createLogger } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import { systemRandom } from '../lib/random.ts';
import { closeRedis, createRedis } from '../lib/redis.ts';
import { systemClock as clock } from '../lib/time.ts';
import { startTracing } from '../lib/tracing/start-tracing.ts';
import { createGatewayTraffic } from './chain-provider/gateway-traffic.ts';
import { createProbe } from './chain-provider/probe.ts';
import { controllerConfig } from './config.ts';
import { createPlatformControllers } from './platform-controllers.ts';
import { createPoolMetrics } from './rpc-worker-pool/pool-metrics.ts';
import { createKubeClient } from './runtime/kube-client.ts';
import { createLeaderElection } from './runtime/leader-election.ts';
import { createControllerMetrics } from './runtime/metrics.ts';
import { createTransport } from './runtime/transport.ts';

/** Looks after RpcWorkerPools and ChainProviders. Any number of replicas; one leads, the others stand by. */
runProcess('controller', async (scope) => {
  const config = loadConfig(controllerConfig, { env: process.env });
  const log = createLogger({ service: 'controller', level: config.LOG_LEVEL, pretty: config.LOG_PRETTY });
  await startTracing({ service: 'controller', version: '1.0.0', config, log, scope });
  const random = systemRandom(clock);
  const metrics = createMetrics({ service: 'controller' });
  const controllerMetrics = createControllerMetrics(metrics);

  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromDefault();
  const transport = createTransport({ kubeConfig, clock });
  const client = createKubeClient({ transport, onAnswer: controllerMetrics.apiAnswer });
  scope.defer('kubernetes client', () => client.close());

  const identity = `${config.POD_NAME ?? hostname()}_${random.uuid()}`;
  const election = createLeaderElection({
    client,
    clock,
    random,
    log,
    namespace: config.LEASE_NAMESPACE,
    name: config.LEASE_NAME,
    identity,
    ...(config.POD_NAME && config.POD_UID ? { pod: { name: config.POD_NAME, uid: config.POD_UID } } : {}),
    leaseMs: config.LEASE_DURATION_MS,
    renewDeadlineMs: (config.LEASE_DURATION_MS * 2) / 3,
    renewEveryMs: config.LEASE_DURATION_MS / 3,
    onChange: (leads) => controllerMetrics.leader(config.LEASE_NAME, leads),
  });
  // Last to close: the lease is handed on when nothing of ours acts any more.
  scope.defer('leader election', () => election.stop());

  const controllers = createPlatformControllers({
    client,
    clock,
    random,
    log,
    metrics: controllerMetrics,
    namespace: config.WATCH_NAMESPACE,
    instance: identity,
    defaultRedisUrl: config.REDIS_URL,
    connectRedis: (url) => {
      const redis = createRedis({ url, log, role: 'controller', commandTimeoutMs: 3_000 });
      return { redis, close: () => closeRedis(redis) };
    },
    probe: createProbe({ clock }),
    ...(config.GATEWAY_METRICS_URL
      ? { traffic: createGatewayTraffic({ url: config.GATEWAY_METRICS_URL, clock, log }) }
      : {}),
    assertLeader: election.assertLeads,
    poolMetrics: createPoolMetrics(metrics),
    queueIntervalMs: config.QUEUE_INTERVAL_MS,
    watchdogMs: config.WATCHDOG_MS,
  });
  scope.defer('controllers', () => controllers.stop());

  const http = createHttpApp({
    service: 'controller',
    version: '1.0.0',
    log,
    metrics,
    clock,
    random,
    routes: [],
    readiness: [{ name: 'local copies', check: async () => controllers.checkFresh() }],
    openapi: { title: 'Controller', version: '1.0.0', description: 'Health and metrics of the controller.' },
  });
  const server = await startServer({ listener: http.app, host: config.HOST, port: config.PORT, log, clock });
  scope.defer('http', () => server.close(1_000));
  scope.defer('readiness', () => http.setDraining());

  // Not awaited: a standby is ready without leading, and an API server that is away must not stop the start.
  void controllers
    .startInformers(scope.signal)
    .then(() => election.start())
    .then(() => controllers.startControllers())
    .catch((error: unknown) => {
      if (!scope.signal.aborted)
        scope.shutdown(`could not start: ${error instanceof Error ? error.message : String(error)}`, 1);
    });
  election.lost.catch((error: Error) => {
    log.warn({ err: error }, 'leadership was lost; leaving, to start clean');
    scope.shutdown('leadership was lost', 1);
  });
  return { log, drainTimeoutMs: config.DRAIN_TIMEOUT_MS, drainDelayMs: config.DRAIN_DELAY_MS };
});
