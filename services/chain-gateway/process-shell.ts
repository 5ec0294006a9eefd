import { readFileSync } from 'node:fs';
import type { TracingConfig } from '../../lib/config.ts';
import { createHttpApp } from '../../lib/http/app.ts';
import type { ReadinessCheck } from '../../lib/http/readiness.ts';
import { startServer } from '../../lib/http/server.ts';
import type { ProcessScope } from '../../lib/lifecycle.ts';
import { createLogger, type Logger } from '../../lib/log.ts';
import { createMetrics, type Metrics } from '../../lib/metrics.ts';
import { type Random, systemRandom } from '../../lib/random.ts';
import { type Clock, systemClock } from '../../lib/time.ts';
import { startTracing } from '../../lib/tracing/start-tracing.ts';
import { watchProvidersFile } from './providers/providers-watcher.ts';
import { createReadPath, type ReadPath } from './read-path.ts';
import { type ReadPathConfig, readPathSettings } from './read-path-settings.ts';

/** Providers get this long to answer before work begins anyway. */
const FIRST_ROUND_MS = 3_000;

/** What worker and indexer have in common: logs, metrics, the read path, and a port for health. */
export interface ProcessShell {
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: Random;
  readonly path: ReadPath;
  readonly chainId: number;
  /** Opens the port with /livez, /readyz and /metrics; call it when everything is built. */
  listen(readiness: readonly ReadinessCheck[]): Promise<void>;
}

export async function createProcessShell(
  service: string,
  config: ReadPathConfig &
    TracingConfig & {
      HOST: string;
      PORT: number;
      LOG_LEVEL: string;
      LOG_PRETTY: boolean;
      DRAIN_TIMEOUT_MS: number;
    },
  scope: ProcessScope,
): Promise<ProcessShell> {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const clock = systemClock;
  const log = createLogger({ service, level: config.LOG_LEVEL, pretty: config.LOG_PRETTY });
  await startTracing({ service, version, config, log, scope });
  const random = systemRandom(clock);
  const metrics = createMetrics({ service });
  const { deps, source } = readPathSettings({ config, version, clock, random, log, metrics });
  const { chainId } = source;
  const path = createReadPath(deps);
  scope.defer('read path', () => path.close());
  await path.start(FIRST_ROUND_MS);
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
  return {
    log,
    metrics,
    clock,
    random,
    path,
    chainId,
    async listen(readiness) {
      const http = createHttpApp({
        service,
        version,
        log,
        metrics,
        clock,
        random,
        routes: [],
        readiness,
        openapi: { title: service, version, description: 'Health and metrics.' },
      });
      const server = await startServer({
        listener: http.app,
        host: config.HOST,
        port: config.PORT,
        log,
        clock,
      });
      scope.defer('http', () => {
        http.setDraining();
        return server.close(config.DRAIN_TIMEOUT_MS);
      });
      log.info({ url: server.url }, `${service} is running`);
    },
  };
}
