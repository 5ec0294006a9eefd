import { readFileSync } from 'node:fs';
import type { ConfigOf } from '../../lib/config.ts';
import { createHttpApp } from '../../lib/http/app.ts';
import { type RunningServer, startServer } from '../../lib/http/server.ts';
import type { ProcessScope } from '../../lib/lifecycle.ts';
import type { Logger } from '../../lib/log.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { migrate } from '../../lib/migrate.ts';
import { createPostgres } from '../../lib/postgres.ts';
import { systemRandom } from '../../lib/random.ts';
import { createServiceAuth } from '../../lib/service-auth.ts';
import { createServiceClient } from '../../lib/service-client.ts';
import { systemClock as clock } from '../../lib/time.ts';
import { cookieName, readCookie } from './access/cookies.ts';
import { accessRoutes } from './access/routes.ts';
import { requireCsrfToken, requireSameOrigin } from './access/same-origin.ts';
import { createSessions, sessionOf } from './access/sessions.ts';
import { actionRoutes } from './actions.ts';
import { auditRoutes, createAuditLog } from './audit.ts';
import type { consoleConfig } from './config.ts';
import { type ConsoleDatabase, migrations, SCHEMA } from './database.ts';
import { explainRoute } from './explain.ts';
import { createLive, type Topic } from './live.ts';
import { flagsOf } from './observe/flag-board.ts';
import { createFlowBoard } from './observe/flow-board.ts';
import { createPrometheus } from './observe/prometheus.ts';
import { createSampler, type Round } from './observe/sampler.ts';
import { createServiceBoard } from './observe/service-board.ts';
import { createSloBoard, withPrometheus } from './observe/slo-board.ts';
import { createPoolReader } from './observe/worker-pools.ts';
import { mountPages } from './pages.ts';
import { createGatewayClient } from './platform/gateway-client.ts';
import { createUserClient } from './platform/user-client.ts';
import { collectRoute } from './telemetry/collect.ts';
import { createForwarder } from './telemetry/forward.ts';
import { createWebMetrics } from './telemetry/web-metrics.ts';

const GAS_DAYS = 7;
const REMOVE_EXPIRED_MS = 600_000;

/** Builds and starts the console. */
export async function startConsole(
  config: Readonly<ConfigOf<typeof consoleConfig>>,
  scope: ProcessScope,
  log: Logger,
  env: NodeJS.ProcessEnv = process.env,
): Promise<RunningServer> {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const random = systemRandom(clock);
  const metrics = createMetrics({ service: 'console' });
  const secure = config.CONSOLE_URL?.startsWith('https:') ?? false;

  const postgres = createPostgres<ConsoleDatabase>({
    ...{ url: config.DATABASE_URL, schema: SCHEMA, log, metrics, poolMax: 4 },
  });
  scope.defer('postgres', () => postgres.close());
  await migrate({ pool: postgres.pool, schema: SCHEMA, migrations, log });

  const auth = createServiceAuth({ self: 'console', keys: config.SERVICE_AUTH_KEYS, clock });
  const gatewayHttp = createServiceClient({
    baseUrl: config.GATEWAY_URL,
    audience: 'gateway',
    auth,
    connections: 8,
  });
  scope.defer('gateway client', () => gatewayHttp.close());
  const userHttp = createServiceClient({ baseUrl: config.USER_URL, audience: 'user', auth, connections: 8 });
  scope.defer('user client', () => userHttp.close());
  const gateway = createGatewayClient(gatewayHttp);
  const user = createUserClient(userHttp);

  const operators = config.CONSOLE_OPERATORS;
  const lifeMs = config.CONSOLE_SESSION_MINUTES * 60_000;
  const sessions = createSessions({ db: postgres.db, operators, lifeMs, clock, random });
  const audit = createAuditLog({ db: postgres.db, log });

  const services = createServiceBoard();
  const flows = createFlowBoard();
  const slos = createSloBoard();
  let latest: Round | undefined;
  const targets =
    config.CONSOLE_TARGETS.length > 0
      ? config.CONSOLE_TARGETS
      : [
          { name: 'gateway', url: config.GATEWAY_URL },
          { name: 'api', url: config.API_URL },
          { name: 'user', url: config.USER_URL },
        ];
  const sampler = createSampler({
    ...{ targets, intervalMs: config.CONSOLE_SAMPLE_MS, clock, log },
    onRound(round) {
      services.add(round);
      flows.add(round);
      slos.add(round);
      latest = round;
    },
  });
  const prometheus =
    config.PROMETHEUS_URL === undefined
      ? undefined
      : createPrometheus({ url: config.PROMETHEUS_URL, token: config.PROMETHEUS_TOKEN });
  const pools =
    config.CONSOLE_KUBERNETES === 'off'
      ? undefined
      : createPoolReader({ namespace: config.CONSOLE_NAMESPACE, env });
  scope.defer('kubernetes', () => pools?.close());

  const topics: Topic[] = [
    { name: 'services', everyMs: config.CONSOLE_SAMPLE_MS, load: () => services.view() },
    { name: 'flows', everyMs: config.CONSOLE_SAMPLE_MS, load: () => flows.view() },
    {
      name: 'slo',
      everyMs: config.CONSOLE_SAMPLE_MS,
      load: () => (prometheus === undefined ? slos.view() : withPrometheus(slos.view(), prometheus)),
    },
    { name: 'flags', everyMs: config.CONSOLE_SAMPLE_MS, load: () => flagsOf(latest) },
    { name: 'providers', everyMs: 3_000, load: () => gateway.providers() },
    {
      name: 'transactions',
      everyMs: 4_000,
      async load() {
        const [open, { lanes }, { findings }] = await Promise.all([
          gateway.open(),
          gateway.lanes(),
          gateway.findings(),
        ]);
        return { open, lanes, findings };
      },
    },
    { name: 'deliveries', everyMs: 8_000, load: () => user.deadLetters() },
    {
      name: 'pools',
      everyMs: 5_000,
      load: async () =>
        pools === undefined ? { kubernetes: false } : { kubernetes: true, pools: await pools.read() },
    },
    {
      name: 'cost',
      everyMs: 15_000,
      async load() {
        const [cost, gas] = await Promise.all([gateway.cost(), gateway.gas(GAS_DAYS)]);
        return { ...cost, gas, days: GAS_DAYS };
      },
    },
    {
      name: 'links',
      everyMs: 60_000,
      load: () => ({
        docs: `${config.API_URL}/docs`,
        grafana: config.GRAFANA_URL ?? null,
        prometheus: config.PROMETHEUS_URL !== undefined,
        version,
      }),
    },
  ];
  const live = createLive({ topics, sessions, secure, clock, log });
  scope.defer('live', () => live.close());

  const forwarder = createForwarder({
    ...{ faroUrl: config.FARO_FORWARD_URL, version, log },
    otlpUrl: config.OTEL_EXPORTER_OTLP_ENDPOINT,
    otlpHeaders: config.OTEL_EXPORTER_OTLP_HEADERS ?? {},
  });
  scope.defer('forwarder', () => forwarder.close());

  const http = createHttpApp({
    ...{ service: 'console', version, log, metrics, clock, random },
    routes: [
      ...accessRoutes({ operators, sessions, audit, clock, secure }),
      live.route,
      ...actionRoutes({ gateway, user, audit, live }),
      ...auditRoutes({ db: postgres.db }),
      explainRoute({ gateway, user }),
      collectRoute({ metrics: createWebMetrics(metrics), forwarder, clock }),
    ],
    authenticate: {
      async user(req) {
        const id = readCookie(req, cookieName(secure));
        const session = id === undefined ? undefined : await sessions.find(id);
        if (session === undefined) return undefined;
        const { name, role } = session.operator;
        return {
          kind: 'user',
          id: name,
          scopes: new Set(role === 'operator' ? ['view', 'operate'] : ['view']),
          claims: { session },
        };
      },
    },
    async guard({ route, principal, req }) {
      if (route.method === 'get') return;
      requireSameOrigin(req, config.CONSOLE_URL);
      if (principal.kind !== 'public') requireCsrfToken(req, sessionOf(principal).csrf);
    },
    extend: mountPages,
    readiness: [{ name: 'postgres', check: (signal) => postgres.ping(signal) }],
    openapi: {
      title: 'Console',
      version,
      description:
        'What the operators’ console asks its own server; for the page only, it may change at any time.',
    },
  });

  const stop = new AbortController();
  const sampling = sampler.run(stop.signal);
  const cleaning = clock.setInterval(() => {
    sessions.removeExpired().catch((error) => log.debug({ err: error }, 'expired sessions were not removed'));
  }, REMOVE_EXPIRED_MS);
  scope.defer('sampler', () => {
    cleaning.cancel();
    stop.abort();
    return sampling;
  });

  const server = await startServer({ listener: http.app, host: config.HOST, port: config.PORT, log, clock });
  scope.defer('http', () => {
    http.setDraining();
    live.close();
    return server.close(Math.min(config.DRAIN_TIMEOUT_MS, 2_000));
  });
  return server;
}
