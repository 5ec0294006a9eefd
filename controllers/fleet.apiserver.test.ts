import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { createTestRedis, type TestRedis } from '../tools/testing/test-redis.ts';
import { DEPLOYMENTS, LEASES } from './runtime/resources.ts';
import { eventually, startTestCluster, type TestCluster } from './testing/cluster.ts';
import { type ControllerProcess, startControllerProcess } from './testing/controller-process.ts';

/** The size the issue of a platform team would name as "many". */
const POOLS = Number(process.env.FLEET_POOLS ?? 500);
const JOBS = 300;

let cluster: TestCluster;
let redis: TestRedis;
let client: Redis;
let controller: ControllerProcess;
const measured: Record<string, number> = { pools: POOLS };
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

beforeAll(async () => {
  [cluster, redis] = await Promise.all([startTestCluster(), createTestRedis()]);
  client = new Redis(redis.url);
});
afterAll(async () => {
  await controller?.stop();
  client?.disconnect();
  await redis?.drop();
  await cluster?.stop();
  const folder = join(import.meta.dirname, '..', 'output', 'bench');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'controller-fleet.json'), `${JSON.stringify(measured, null, 2)}\n`);
});

/** What Bull leaves in Redis for `JOBS` waiting jobs, written in one go: 500 real clients would measure themselves. */
async function fill(name: string): Promise<void> {
  const now = Date.now();
  const pipeline = client.pipeline();
  pipeline.set(`bull:${name}:id`, JOBS);
  for (let id = 1; id <= 3; id++) pipeline.hset(`bull:${name}:${id}`, 'timestamp', now, 'delay', 0);
  pipeline.lpush(`bull:${name}:wait`, ...Array.from({ length: JOBS }, (_, index) => String(index + 1)));
  await pipeline.exec();
}

const cpuSeconds = async (pid: number): Promise<number> => {
  const { readFileSync } = await import('node:fs');
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
};
const rssMb = async (pid: number): Promise<number> => {
  const { readFileSync } = await import('node:fs');
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
};

async function metric(port: string, pattern: RegExp): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return text
    .split('\n')
    .filter((line) => pattern.test(line))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

describe(`${POOLS} pools`, () => {
  it('are looked after by one controller: quiet at rest, within a second when all get work at once', async () => {
    const ns = await cluster.namespace('fleet');
    for (let from = 0; from < POOLS; from += 25) {
      await Promise.all(
        Array.from({ length: 25 }, async (_, i) => {
          const name = `p${from + i}`;
          await cluster.deployment(ns, name, 1);
          await cluster.markReady(ns, name, 1);
          await cluster.pool(ns, name, { targetRef: { name } });
        }),
      );
    }
    controller = startControllerProcess({
      name: 'fleet',
      kubeconfig: cluster.plane.kubeconfigFor({ name: 'controller', groups: ['system:masters'] }),
      redisUrl: redis.url,
      env: { LOG_LEVEL: 'info', LEASE_DURATION_MS: '30000', QUEUE_INTERVAL_MS: '500' },
    });
    await eventually(
      async () =>
        expect(
          (await cluster.admin.get(LEASES, 'default', 'rejuve-controller')).spec?.holderIdentity,
        ).toMatch(/^fleet_/),
      30_000,
    );
    const port = await eventually(async () => {
      const found = /"url":"http:\/\/127.0.0.1:(\d+)"/.exec(controller.log())?.[1];
      if (!found) throw new Error('not listening yet');
      return found;
    });
    const startedAt = performance.now();
    await eventually(async () => {
      const status = await cluster.poolStatus(ns, `p${POOLS - 1}`);
      expect(status).toMatchObject({ decision: expect.anything() });
    }, 120_000);
    measured.firstPassSeconds = Number(((performance.now() - startedAt) / 1000).toFixed(1));
    const calls = /^rest_client_requests_total/;
    // At rest: the reports of the first minute are written and nothing happens any more.
    await eventually(async () => {
      const before = await metric(port, calls);
      await pause(5_000);
      expect((await metric(port, calls)) - before).toBeLessThan(10);
    }, 120_000);

    const REST_SECONDS = 20;
    const [callsBefore, cpuBefore] = [await metric(port, calls), await cpuSeconds(controller.pid)];
    await pause(REST_SECONDS * 1000);
    measured.apiCallsPerMinuteAtRest = Math.round(
      ((await metric(port, calls)) - callsBefore) * (60 / REST_SECONDS),
    );
    measured.cpuPercentAtRest = Number(
      ((((await cpuSeconds(controller.pid)) - cpuBefore) / REST_SECONDS) * 100).toFixed(1),
    );
    measured.memoryMb = Math.round(await rssMb(controller.pid));
    expect(measured.apiCallsPerMinuteAtRest).toBeLessThan(60);

    // One step in one queue, then all of them at once.
    const lags: number[] = [];
    for (let i = 0; i < 40; i++) {
      const at = performance.now();
      await fill(`p${i}`);
      await eventually(async () => {
        expect(await cluster.replicas(ns, `p${i}`)).toBeGreaterThan(1);
      }, 30_000);
      lags.push((performance.now() - at) / 1000);
    }
    lags.sort((a, b) => a - b);
    measured.stepToScaleP50Seconds = Number((lags[20] as number).toFixed(2));
    measured.stepToScaleP99Seconds = Number((lags[39] as number).toFixed(2));

    const allAt = performance.now();
    for (let i = 40; i < POOLS; i++) await fill(`p${i}`);
    await eventually(async () => {
      const { items } = await cluster.admin.list(DEPLOYMENTS, { namespace: ns });
      expect(items.filter((item) => (item.spec?.replicas ?? 0) > 1).length).toBe(POOLS);
    }, 120_000);
    measured.allAtOnceSeconds = Number(((performance.now() - allAt) / 1000).toFixed(1));
    console.log(`fleet: ${JSON.stringify(measured)}`);
  }, 300_000);
});
