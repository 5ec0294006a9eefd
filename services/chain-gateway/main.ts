import { readFileSync } from 'node:fs';
import { ConfigError, loadConfig } from '../../lib/config.ts';
import { createHttpApp } from '../../lib/http/app.ts';
import type { ReadinessCheck } from '../../lib/http/readiness.ts';
import type { Route } from '../../lib/http/route.ts';
import { startServer } from '../../lib/http/server.ts';
import { runProcess } from '../../lib/lifecycle.ts';
import { createLogger } from '../../lib/log.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { systemRandom } from '../../lib/random.ts';
import { createServiceAuth } from '../../lib/service-auth.ts';
import { systemClock as clock } from '../../lib/time.ts';
import { createIdentify, serviceAuthenticator } from './admission/identify.ts';
import { banner } from './banner.ts';
import { gatewayConfig } from './config.ts';
import { internalRoutes } from './internal-routes.ts';
import { createReadPath } from './read-path.ts';
import { readPathSettings } from './read-path-settings.ts';
import { createRpcHttpHandler, isRpcPath } from './rpc/http-handler.ts';

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
  const random = systemRandom(clock);
  const metrics = createMetrics({ service: 'gateway' });
  const auth =
    config.SERVICE_AUTH_KEYS === undefined
      ? undefined
      : createServiceAuth({ self: 'gateway', keys: config.SERVICE_AUTH_KEYS, clock });

  const { deps, chainId } = await readPathSettings({ config, version, clock, random, log, metrics, scope });
  const path = createReadPath(deps);
  scope.defer('read path', () => path.close());
  await path.start(FIRST_ROUND_MS);

  const routes: Route[] = [...internalRoutes({ path, clock, open: auth === undefined })];
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

  const http = createHttpApp({
    service: 'gateway',
    version,
    log,
    metrics,
    clock,
    random,
    routes,
    authenticate: { service: serviceAuthenticator(auth) },
    readiness,
    openapi: {
      title: 'Chain gateway',
      version,
      description: 'JSON-RPC over several providers, transactions, and the chain event log.',
    },
  });

  let draining = false;
  let requests = 0;
  const idPrefix = random.token(6);
  const rpcHandler = createRpcHttpHandler({
    door: path.door,
    chainId,
    maxBodyBytes: config.MAX_BODY_BYTES,
    callTimeoutMs: config.CALL_TIMEOUT_MS,
    identify: createIdentify({
      auth,
      anonymous: config.RPC_ANONYMOUS ?? standalone,
      now: () => clock.monotonic(),
    }),
    newRequestId: () => `${idPrefix}-${(++requests).toString(36)}`,
    draining: () => draining,
  });
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
  if (process.stdout.isTTY || standalone) {
    process.stderr.write(
      banner({ url: server.url, chainId, path, metricsUrl: undefined, workers: config.WORKERS }),
    );
  }
  return { log, drainTimeoutMs: config.DRAIN_TIMEOUT_MS };
});
