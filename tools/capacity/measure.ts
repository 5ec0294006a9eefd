import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseMetrics, type Sample, sumOf } from '../demo/metrics-text.ts';
import { startE2eStack } from '../demo/testing/e2e-stack.ts';
import { runLoadTest } from '../load/run-load-test.ts';
import { targetOfStack } from '../load/target-of-stack.ts';

/** Seconds of CPU per unit of work, and how many units of one kind cause how many of another. All measured. */
export interface MeasuredCosts {
  readonly measuredAt: string;
  readonly duration: string;
  readonly requests: number;
  readonly transfers: number;
  /** CPU seconds. */
  readonly cpu: {
    readonly apiPerRequest: number;
    readonly userPerRequest: number;
    readonly gatewayPerCall: number;
    readonly workerPerTransaction: number;
    readonly indexerPerBlock: number;
    /** Of both databases, per request of people (all that a request causes). */
    readonly postgresPerRequest: number;
    readonly redisPerRequest: number;
  };
  readonly ratios: {
    /** Internal calls to the gateway per request to the API. */
    readonly gatewayCallsPerApiRequest: number;
    /** Calls to providers per call through the gateway, cache and coalescing included. */
    readonly providerCallsPerGatewayCall: number;
    readonly apiShare: number;
  };
  /** Bytes at the end of the run. */
  readonly memory: Readonly<Record<string, number>>;
}

const FILE = join(import.meta.dirname, 'costs.json');
/** Clock ticks a second of /proc; 100 on every Linux that Node supports. */
const TICKS = 100;

/** CPU seconds of a process and all that descends from it. */
function cpuSeconds(root: number): number {
  const stats = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const text = readFileSync(`/proc/${name}/stat`, 'utf8');
        const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
        // Own time and that of children which have ended.
        const ticks = [11, 12, 13, 14].reduce((sum, i) => sum + Number(fields[i]), 0);
        return [{ pid: Number(name), parent: Number(fields[1]), ticks }];
      } catch {
        // It ended while we looked.
        return [];
      }
    });
  const below = (pid: number): number =>
    stats.filter(({ parent }) => parent === pid).reduce((sum, s) => sum + s.ticks + below(s.pid), 0);
  return ((stats.find(({ pid }) => pid === root)?.ticks ?? 0) + below(root)) / TICKS;
}

const HTTP = 'http_request_duration_seconds_count';
const requestsIn = (samples: readonly Sample[], fits: (route: string) => boolean): number =>
  samples
    .filter(({ name, labels }) => name === HTTP && fits(labels.route ?? ''))
    .reduce((sum, { value }) => sum + value, 0);

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { duration: { type: 'string', default: '1m' } } });
  const duration = values.duration;
  const platform = await startE2eStack();
  try {
    const target = targetOfStack(platform.access.state);
    const children = platform.access.state.children;
    const look = async () => ({
      samples: Object.fromEntries(
        await Promise.all(
          Object.entries(target.processes).map(async ([name, url]) => [
            name,
            parseMetrics(await (await fetch(`${url}/metrics`)).text()),
          ]),
        ),
      ) as Record<string, Sample[]>,
      postgres: cpuSeconds(children.postgres?.process?.pid ?? 0),
      redis: cpuSeconds(children.redis?.process?.pid ?? 0),
    });
    // Compiled code and full caches: the first seconds of a process are no measure.
    const options = { people: 20, outputFolder: join('output', 'capacity'), say: console.log };
    await runLoadTest(target, { ...options, scenario: 'smoke', duration: '10s' });
    const before = await look();
    await runLoadTest(target, { ...options, scenario: 'peak', duration });
    const after = await look();
    const delta = (service: string, measure: (samples: readonly Sample[]) => number): number =>
      measure(after.samples[service] ?? []) - measure(before.samples[service] ?? []);
    const cpu = (service: string): number =>
      delta(service, (s) => sumOf([...s], 'process_cpu_seconds_total'));
    const userFacing = (route: string): boolean => route.startsWith('/v1/');
    const api = delta('api', (s) => requestsIn(s, userFacing));
    const user = delta('user', (s) =>
      requestsIn(s, (route) => userFacing(route) || route.startsWith('/internal')),
    );
    const calls = delta('gateway', (s) => sumOf([...s], 'rpc_calls_total'));
    const internal = delta('gateway', (s) => requestsIn(s, (route) => route.startsWith('/internal')));
    const attempts = delta('gateway', (s) => sumOf([...s], 'rpc_upstream_attempts_total'));
    const included = delta('gateway-worker', (s) => sumOf([...s], 'gateway_transactions_included_total'));
    const blocks = delta('gateway-indexer', (s) => sumOf([...s], 'gateway_indexer_block'));
    const costs: MeasuredCosts = {
      measuredAt: new Date().toISOString().slice(0, 10),
      duration,
      requests: api + user,
      transfers: included,
      cpu: {
        apiPerRequest: cpu('api') / api,
        userPerRequest: cpu('user') / user,
        gatewayPerCall: cpu('gateway') / (calls + internal),
        workerPerTransaction: cpu('gateway-worker') / Math.max(1, included),
        indexerPerBlock: cpu('gateway-indexer') / Math.max(1, blocks),
        postgresPerRequest: (after.postgres - before.postgres) / (api + user),
        redisPerRequest: (after.redis - before.redis) / (api + user),
      },
      ratios: {
        gatewayCallsPerApiRequest: internal / api,
        providerCallsPerGatewayCall: attempts / Math.max(1, calls + internal),
        apiShare: api / (api + user),
      },
      memory: Object.fromEntries(
        Object.entries(after.samples).map(([name, s]) => [name, sumOf(s, 'process_resident_memory_bytes')]),
      ),
    };
    writeFileSync(FILE, `${JSON.stringify(costs, null, 2)}\n`);
    console.log(JSON.stringify(costs, null, 2));
  } finally {
    await platform.stop();
  }
}

if (import.meta.main) await main();
