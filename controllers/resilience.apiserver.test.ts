import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type Cluster, KubeConfig } from '@kubernetes/client-node';
import Bull from 'bull';
import { systemClock as clock } from '../lib/time.ts';
import { createTestRedis, type TestRedis } from '../tools/testing/test-redis.ts';
import type { KubeObject } from './api.ts';
import { CHAIN_PROVIDERS } from './resources.ts';
import { createKubeClient, type Resource } from './runtime/kube-client.ts';
import { DEPLOYMENTS, LEASES } from './runtime/resources.ts';
import { createTransport } from './runtime/transport.ts';
import {
  eventually,
  type RunningControllers,
  runControllers,
  startTestCluster,
  type TestCluster,
} from './testing/cluster.ts';
import { type ControllerProcess, startControllerProcess } from './testing/controller-process.ts';
import { startTcpProxy, type TcpProxy } from './testing/tcp-proxy.ts';

/** Asks the API server who it thinks we are. */
const SELF_SUBJECT_REVIEWS: Resource<KubeObject & { status?: { userInfo?: { username?: string } } }> = {
  group: 'authentication.k8s.io',
  version: 'v1',
  plural: 'selfsubjectreviews',
  kind: 'SelfSubjectReview',
  namespaced: false,
};

let cluster: TestCluster;
let redis: TestRedis;
let running: RunningControllers | undefined;
let proxy: TcpProxy | undefined;
let processes: ControllerProcess[] = [];
let counter = 0;
const queues: Bull.Queue[] = [];
const admin = (server?: string) =>
  cluster.plane.kubeconfigFor({
    name: 'controller',
    groups: ['system:masters'],
    ...(server ? { server } : {}),
  });
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

beforeAll(async () => {
  [cluster, redis] = await Promise.all([startTestCluster(), createTestRedis()]);
});
afterEach(async () => {
  await running?.stop();
  running = undefined;
  await Promise.all(processes.map((p) => p.stop()));
  processes = [];
  await proxy?.close();
  proxy = undefined;
  await Promise.all(queues.splice(0).map((queue) => queue.close()));
});
afterAll(async () => {
  await redis?.drop();
  await cluster?.stop();
});

async function poolWithBacklog(jobs: number, replicas = 1): Promise<string> {
  const ns = await cluster.namespace(`resilience-${counter++}`);
  await cluster.deployment(ns, 'workers', replicas);
  await cluster.markReady(ns, 'workers', replicas);
  await addJobs(`${ns}-q`, jobs);
  await cluster.pool(ns, `${ns}-q`);
  return ns;
}
async function addJobs(name: string, jobs: number): Promise<void> {
  const queue = new Bull(name, redis.url);
  queues.push(queue);
  await queue.addBulk(Array.from({ length: jobs }, (_, index) => ({ data: { index } })));
}
const controllerProcess = (name: string, server?: string): ControllerProcess => {
  const started = startControllerProcess({ name, kubeconfig: admin(server), redisUrl: redis.url });
  processes.push(started);
  return started;
};
const holder = async () =>
  (await cluster.admin.get(LEASES, 'default', 'rejuve-controller')).spec?.holderIdentity ?? '';
const scaledAbove = (ns: string, replicas: number, timeoutMs = 30_000) =>
  eventually(async () => expect(await cluster.replicas(ns, 'workers')).toBeGreaterThan(replicas), timeoutMs);

describe('the controllers survive', () => {
  it('an API server that is killed and comes back', async () => {
    running = await runControllers({ kubeconfig: admin(), redisUrl: redis.url });
    const ns = await poolWithBacklog(0);
    await eventually(async () => expect((await cluster.poolStatus(ns, `${ns}-q`)).decision).toBeDefined());
    await cluster.plane.apiserver.stop('SIGKILL');
    await addJobs(`${ns}-q`, 400);
    await pause(2_000);
    cluster.plane.apiserver.start();
    await cluster.plane.ready();
    await scaledAbove(ns, 1);
  });

  it('a rotation of its certificate: another identity within seconds, and the watches go on', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rotation-'));
    const [certFile, keyFile] = [join(folder, 'tls.crt'), join(folder, 'tls.key')];
    /** What kubelet or cert-manager does: new files in the place of the old ones. */
    const issue = (user: string): KubeConfig => {
      const made = new KubeConfig();
      made.loadFromString(cluster.plane.kubeconfigFor({ name: user, groups: ['system:masters'] }));
      const { certData = '', keyData = '' } = made.getCurrentUser() ?? {};
      writeFileSync(keyFile, Buffer.from(keyData, 'base64'));
      writeFileSync(certFile, Buffer.from(certData, 'base64'));
      return made;
    };
    const config = new KubeConfig();
    config.loadFromClusterAndUser(issue('before').getCurrentCluster() as Cluster, {
      name: 'controller',
      certFile,
      keyFile,
    });
    const client = createKubeClient({
      transport: createTransport({ kubeConfig: config, clock }),
      timeoutMs: 5_000,
    });
    const whoAmI = async (): Promise<string | undefined> =>
      (await client.create(SELF_SUBJECT_REVIEWS, '', {})).status?.userInfo?.username;
    running = await runControllers({ kubeconfig: admin(), redisUrl: redis.url, overrides: { client } });
    try {
      expect(await whoAmI()).toBe('before');
      const ns = await poolWithBacklog(0);
      await eventually(async () => expect((await cluster.poolStatus(ns, `${ns}-q`)).decision).toBeDefined());
      issue('after');
      await eventually(async () => expect(await whoAmI()).toBe('after'), 20_000);
      await addJobs(`${ns}-q`, 400);
      await scaledAbove(ns, 1);
    } finally {
      await running.stop();
      running = undefined;
      await client.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('an etcd whose history is compacted while they are cut off: 410, then a full list with the differences', async () => {
    running = await runControllers({ kubeconfig: admin(), redisUrl: redis.url });
    const metrics = running.metrics;
    const ns = await poolWithBacklog(0, 2);
    await cluster.provider(ns, 'doomed');
    await eventually(async () => expect((await cluster.poolStatus(ns, `${ns}-q`)).decision).toBeDefined());
    const count = async () =>
      (await metrics.registry.getSingleMetric('informer_relists_total')?.get())?.values.reduce(
        (sum, v) => sum + v.value,
        0,
      ) ?? 0;
    const before = await count();
    // The watch breaks, the world goes on, and its history is thrown away before the watch can continue.
    for (let i = 0; i < 5; i++)
      await cluster.admin.mergePatch(DEPLOYMENTS, ns, 'workers', {
        metadata: { annotations: { n: String(i) } },
      });
    await cluster.plane.apiserver.stop('SIGKILL');
    cluster.plane.apiserver.start();
    await cluster.plane.ready();
    await cluster.admin.remove(CHAIN_PROVIDERS, ns, 'doomed');
    for (let i = 0; i < 5; i++)
      await cluster.admin.mergePatch(DEPLOYMENTS, ns, 'workers', {
        metadata: { annotations: { m: String(i) } },
      });
    await cluster.plane.compact();
    await cluster.plane.apiserver.stop('SIGKILL');
    cluster.plane.apiserver.start();
    await cluster.plane.ready();
    await addJobs(`${ns}-q`, 400);
    await scaledAbove(ns, 2);
    expect(await count()).toBeGreaterThan(before);
  });

  it('a watch that is black-holed: the watchdog notices the silence', async () => {
    proxy = await startTcpProxy(cluster.plane.port);
    running = await runControllers({
      kubeconfig: admin(`https://127.0.0.1:${proxy.port}`),
      redisUrl: redis.url,
      overrides: { watchdogMs: 2_000 },
    });
    const ns = await cluster.namespace(`resilience-${counter++}`);
    await cluster.deployment(ns, 'workers', 1);
    await pause(500);
    proxy.blackHoleExisting();
    await addJobs(`${ns}-q`, 400);
    await cluster.pool(ns, `${ns}-q`);
    await scaledAbove(ns, 1);
  });

  it('a network that swallows everything for a while', async () => {
    proxy = await startTcpProxy(cluster.plane.port);
    running = await runControllers({
      kubeconfig: admin(`https://127.0.0.1:${proxy.port}`),
      redisUrl: redis.url,
      overrides: { watchdogMs: 2_000 },
    });
    const ns = await poolWithBacklog(0);
    await eventually(async () => expect((await cluster.poolStatus(ns, `${ns}-q`)).decision).toBeDefined());
    proxy.blackHoleAll(true);
    await addJobs(`${ns}-q`, 400);
    await pause(6_000);
    expect(await cluster.replicas(ns, 'workers')).toBe(1);
    proxy.blackHoleAll(false);
    await scaledAbove(ns, 1, 60_000);
  });
});

describe('two controllers', () => {
  it('hand over at once when the leader is told to stop', async () => {
    const a = controllerProcess('a');
    await eventually(async () => expect(await holder()).toMatch(/^a_/));
    const b = controllerProcess('b');
    await eventually(async () => expect(b.log()).toContain('listening'), 30_000);
    await pause(2_000);
    a.signal('SIGTERM');
    expect(await a.exited).toBe(0);
    await eventually(async () => expect(await holder()).toMatch(/^b_/), 5_000);
    const ns = await poolWithBacklog(400);
    await scaledAbove(ns, 1);
  });

  it('no split brain: a leader that slept past its lease never writes again', async () => {
    const first = controllerProcess('first');
    await eventually(async () => expect(await holder()).toMatch(/^first_/));
    const ns = await poolWithBacklog(0);
    await eventually(async () => expect((await cluster.poolStatus(ns, `${ns}-q`)).decision).toBeDefined());
    const second = controllerProcess('second');
    await eventually(async () => expect(second.log()).toContain('listening'), 30_000);

    first.signal('SIGSTOP');
    const logged = first.log().length;
    await eventually(async () => expect(await holder()).toMatch(/^second_/), 15_000);
    await addJobs(`${ns}-q`, 400);
    await scaledAbove(ns, 1);
    const scaled = await cluster.replicas(ns, 'workers');
    const before = (await cluster.admin.get(DEPLOYMENTS, ns, 'workers')).metadata?.managedFields?.length;
    first.signal('SIGCONT');
    // It finds out before it writes anything, and leaves, so that a fresh process starts.
    expect(await first.exited).toBe(1);
    expect(first.log()).toContain('leadership was lost');
    // What it scaled while it led was its right.
    expect(first.log().slice(logged)).not.toContain('"scaled"');
    expect(await holder()).toMatch(/^second_/);
    expect(await cluster.replicas(ns, 'workers')).toBeGreaterThanOrEqual(scaled);
    expect((await cluster.admin.get(DEPLOYMENTS, ns, 'workers')).metadata?.managedFields?.length).toBe(
      before,
    );
    second.signal('SIGTERM');
    expect(await second.exited).toBe(0);
  });

  it('the rest goes on when the leader is killed in the middle of scaling', async () => {
    const ns = await poolWithBacklog(2_000);
    for (let round = 0; round < 3; round++) {
      const leader = controllerProcess(`round-${round}`);
      await eventually(async () => expect(await holder()).toMatch(new RegExp(`^round-${round}_`)), 20_000);
      // Killed at another moment each time: right after winning, while deciding, after the scale call.
      await pause(150 * round);
      leader.signal('SIGKILL');
      await leader.exited;
    }
    controllerProcess('survivor');
    await scaledAbove(ns, 1, 30_000);
  });
});

describe('a controller alone', () => {
  it('ends when it cannot renew its lease, rather than act on stale copies', async () => {
    proxy = await startTcpProxy(cluster.plane.port);
    const alone = controllerProcess('alone', `https://127.0.0.1:${proxy.port}`);
    await eventually(async () => expect(await holder()).toMatch(/^alone_/), 15_000);
    proxy.blackHoleAll(true);
    expect(await alone.exited).toBe(1);
  });

  it('says what is wrong when it is configured wrongly, and exits with 78', async () => {
    const wrong = startControllerProcess({
      name: 'x',
      kubeconfig: admin(),
      redisUrl: 'http://not-redis',
      env: { QUEUE_INTERVAL_MS: '5' },
    });
    processes.push(wrong);
    expect(await wrong.exited).toBe(78);
    expect(wrong.log()).toContain('REDIS_URL');
    expect(wrong.log()).toContain('QUEUE_INTERVAL_MS');
  });
});
