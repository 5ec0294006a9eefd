import cluster from 'node:cluster';
import { createServer, type Server } from 'node:http';
import { AggregatorRegistry } from 'prom-client';
import type { ProcessScope } from '../../lib/lifecycle.ts';
import type { Logger } from '../../lib/log.ts';
import type { Clock } from '../../lib/time.ts';
import { relayQuestions } from './cluster-bus.ts';
import { serveFilterStore } from './subscriptions/cluster-filter-store.ts';
import { DEFAULT_SUBSCRIPTION_LIMITS } from './subscriptions/create-subscriptions.ts';
import { createMemoryFilterStore } from './subscriptions/filter-store.ts';

/** A worker that dies is replaced after this pause, doubled while it keeps dying. */
const FIRST_RESTART_MS = 100;
const MAX_RESTART_MS = 10_000;
/** A worker that lived this long has earned a fresh start. */
const STABLE_AFTER_MS = 30_000;

/**
 * The primary of WORKERS=n: starts the workers that share the port, replaces those that die, and serves the metrics
 * of all of them together. It answers no calls itself.
 */
export async function runClusterPrimary(deps: {
  workers: number;
  host: string;
  metricsPort: number;
  scope: ProcessScope;
  clock: Clock;
  log: Logger;
}): Promise<{ metricsUrl: string }> {
  const { workers, scope, clock, log } = deps;
  let stopping = false;
  let pauseMs = FIRST_RESTART_MS;
  relayQuestions(clock);
  serveFilterStore(createMemoryFilterStore({ clock, ...DEFAULT_SUBSCRIPTION_LIMITS }));

  const start = (): void => {
    if (stopping) return;
    const startedAt = clock.monotonic();
    const worker = cluster.fork();
    worker.once('exit', (code, signal) => {
      if (stopping) return;
      // A worker that was configured wrongly will be so again: the primary ends with the same code.
      if (code === 78) {
        scope.shutdown('workers cannot start with this configuration', code);
        return;
      }
      if (clock.monotonic() - startedAt > STABLE_AFTER_MS) pauseMs = FIRST_RESTART_MS;
      log.error(
        { pid: worker.process.pid, code, signal, restartInMs: pauseMs },
        'worker ended; starting another',
      );
      clock.setTimeout(start, pauseMs);
      pauseMs = Math.min(MAX_RESTART_MS, pauseMs * 2);
    });
  };
  for (let i = 0; i < workers; i++) start();
  scope.defer('workers', async () => {
    stopping = true;
    const alive = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
    await Promise.all(
      alive.map(
        (worker) =>
          new Promise<void>((resolve) => {
            worker.once('exit', () => resolve());
            worker.process.kill('SIGTERM');
          }),
      ),
    );
  });

  const aggregate = new AggregatorRegistry();
  const server: Server = createServer((request, response) => {
    if (request.url === '/livez') response.end('{"status":"alive"}');
    else if (request.url === '/metrics') {
      aggregate.clusterMetrics().then(
        (text) => response.writeHead(200, { 'content-type': aggregate.contentType }).end(text),
        (error: unknown) => response.writeHead(503).end(String(error)),
      );
    } else
      response
        .writeHead(404)
        .end('metrics of all workers are at /metrics; health of the gateway is on its own port\n');
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(deps.metricsPort, deps.host, resolve);
  });
  scope.defer('metrics', () => void server.close());
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : deps.metricsPort;
  return { metricsUrl: `http://${deps.host}:${port}` };
}
