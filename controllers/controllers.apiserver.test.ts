import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import Bull from 'bull';
import { createTestRedis, type TestRedis } from '../tools/testing/test-redis.ts';
import { PROVIDERS_KEY, providersSecretName } from './chain-provider/reconcile.ts';
import { CHAIN_PROVIDERS, RPC_WORKER_POOLS } from './resources.ts';
import { HORIZONTAL_POD_AUTOSCALERS, type HorizontalPodAutoscaler } from './rpc-worker-pool/rivals.ts';
import { findCondition } from './runtime/conditions.ts';
import type { KubeClient } from './runtime/kube-client.ts';
import { DEPLOYMENTS, type Deployment, SECRETS } from './runtime/resources.ts';
import {
  clientFor,
  eventually,
  healthyProbe,
  type RunningControllers,
  runControllers,
  startTestCluster,
  type TestCluster,
} from './testing/cluster.ts';

let cluster: TestCluster;
let redis: TestRedis;
let running: RunningControllers | undefined;
let counter = 0;
const queues: Bull.Queue[] = [];

beforeAll(async () => {
  [cluster, redis] = await Promise.all([startTestCluster(), createTestRedis()]);
});
afterEach(async () => {
  await running?.stop();
  running = undefined;
  await Promise.all(queues.splice(0).map((queue) => queue.close()));
});
afterAll(async () => {
  await redis?.drop();
  await cluster?.stop();
});

const start = async (options: Partial<Parameters<typeof runControllers>[0]> = {}) => {
  running = await runControllers({
    kubeconfig: cluster.plane.kubeconfigFor({ name: 'controller', groups: ['system:masters'] }),
    redisUrl: redis.url,
    ...options,
  });
  return running;
};
const fresh = async (replicas = 1) => {
  const ns = await cluster.namespace(`case-${counter++}`);
  await cluster.deployment(ns, 'workers', replicas);
  await cluster.markReady(ns, 'workers', replicas);
  return ns;
};
/** A real Bull queue with so many jobs waiting. Pools are named after their queue. */
const enqueue = async (name: string, jobs: number): Promise<Bull.Queue> => {
  const queue = new Bull(name, redis.url);
  queues.push(queue);
  await queue.addBulk(Array.from({ length: jobs }, (_, index) => ({ data: { index } })));
  return queue;
};
const condition = async (ns: string, name: string, type: string) =>
  findCondition((await cluster.poolStatus(ns, name)).conditions, type);

describe('an RpcWorkerPool', () => {
  it('is scaled from a real Bull queue, and says why', async () => {
    await start();
    const ns = await fresh();
    await enqueue(`${ns}-q`, 500);
    await cluster.pool(ns, `${ns}-q`);
    await eventually(async () => expect(await cluster.replicas(ns, 'workers')).toBeGreaterThan(1));
    const status = await eventually(async () => {
      const found = await cluster.poolStatus(ns, `${ns}-q`);
      expect(found.decision?.summary).toMatch(/500 waiting/);
      return found;
    });
    expect(status.decision?.terms.map((term) => term.name)).toEqual(
      expect.arrayContaining(['λ', 'S', 'base', 'backlog', 'drain', 'cap', 'desired']),
    );
    expect(status.observedGeneration).toBe(1);
    expect(status.selector).toBe('app=workers');
    expect(findCondition(status.conditions, 'Ready')).toMatchObject({ status: 'True' });
    expect(findCondition(status.conditions, 'ProviderHealthy')).toMatchObject({
      status: 'Unknown',
      reason: 'NoChainProvider',
    });
  });

  it('follows a changed spec at once, and reports its generation', async () => {
    await start();
    const ns = await fresh(2);
    await enqueue(`${ns}-q`, 0);
    await cluster.pool(ns, `${ns}-q`);
    await eventually(async () => expect((await condition(ns, `${ns}-q`, 'Ready'))?.status).toBe('True'));
    await cluster.admin.mergePatch(RPC_WORKER_POOLS, ns, `${ns}-q`, { spec: { minReplicas: 4 } });
    await eventually(async () => expect(await cluster.replicas(ns, 'workers')).toBe(4));
    await eventually(async () =>
      expect((await cluster.poolStatus(ns, `${ns}-q`)).observedGeneration).toBe(2),
    );
  });

  it('leaves the Deployment alone once it is deleted', async () => {
    const { scales } = await start();
    const ns = await fresh();
    await enqueue(`${ns}-q`, 10);
    await cluster.pool(ns, `${ns}-q`);
    await eventually(async () => expect((await cluster.poolStatus(ns, `${ns}-q`)).decision).toBeDefined());
    await cluster.admin.remove(RPC_WORKER_POOLS, ns, `${ns}-q`);
    await new Promise((resolve) => setTimeout(resolve, 500));
    const before = scales.filter((scale) => scale.pool.startsWith(ns)).length;
    await enqueue(`${ns}-q`, 900);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(scales.filter((scale) => scale.pool.startsWith(ns)).length).toBe(before);
  });

  it('waits for a missing Deployment and names it; goes on when it appears', async () => {
    await start();
    const ns = await cluster.namespace(`case-${counter++}`);
    await cluster.pool(ns, `${ns}-q`, { minReplicas: 2 });
    await eventually(async () =>
      expect(await condition(ns, `${ns}-q`, 'Ready')).toMatchObject({
        status: 'False',
        reason: 'TargetNotFound',
        message: `there is no Deployment workers in namespace ${ns}: create it or correct spec.targetRef.name`,
      }),
    );
    await cluster.deployment(ns, 'workers', 1);
    await eventually(async () => expect(await cluster.replicas(ns, 'workers')).toBe(2));
    await eventually(async () => expect((await condition(ns, `${ns}-q`, 'Ready'))?.status).toBe('True'));
  });

  it('names a missing Secret, a missing key and a value that is no Redis URL, each with the next step', async () => {
    await start();
    const ns = await fresh();
    const name = `${ns}-q`;
    const patch = (queue: object) =>
      cluster.admin.mergePatch(RPC_WORKER_POOLS, ns, name, { spec: { queue } });
    await cluster.pool(ns, name, { queue: { name, redisSecretRef: { name: 'redis', key: 'url' } } });
    const message = (text: string) =>
      eventually(async () => expect((await condition(ns, name, 'Ready'))?.message).toBe(text));
    await message(`there is no Secret redis in namespace ${ns}: create it with the key url`);
    await cluster.secret(ns, 'redis', { other: 'x' });
    await patch({ prefix: 'bull2' });
    await message('Secret redis has no key url: add it with the Redis URL as its value');
    await cluster.secret(ns, 'redis', { url: 'localhost' });
    await patch({ prefix: 'bull3' });
    await message('key url of Secret redis is not a Redis URL: write redis://… or rediss://…');
    await cluster.secret(ns, 'redis', { url: redis.url });
    await patch({ prefix: 'bull' });
    await eventually(async () => expect((await condition(ns, name, 'Ready'))?.status).toBe('True'));
  });

  it('holds while Redis is away, says so, and recovers', async () => {
    await start();
    const ns = await fresh(3);
    const name = `${ns}-q`;
    await cluster.secret(ns, 'redis', { url: 'redis://127.0.0.1:1' });
    await cluster.pool(ns, name, { queue: { name, redisSecretRef: { name: 'redis' } }, minReplicas: 1 });
    await eventually(async () =>
      expect(await condition(ns, name, 'ScalingActive')).toMatchObject({
        status: 'False',
        reason: 'QueueUnreadable',
      }),
    );
    expect(await cluster.replicas(ns, 'workers')).toBe(3);
    await cluster.secret(ns, 'redis', { url: redis.url });
    await eventually(
      async () => expect(await condition(ns, name, 'ScalingActive')).toMatchObject({ status: 'True' }),
      20_000,
    );
  });

  it('holds on a queue whose keys are not what Bull makes, without disturbing its neighbours', async () => {
    await start();
    const ns = await fresh(2);
    const broken = await enqueue(`${ns}-broken`, 0);
    await broken.isReady();
    await broken.client.set(`bull:${ns}-broken:wait`, 'not a list');
    await cluster.deployment(ns, 'others', 1);
    await enqueue(`${ns}-fine`, 0);
    await cluster.pool(ns, `${ns}-broken`);
    await cluster.pool(ns, `${ns}-fine`, { targetRef: { name: 'others' } });
    await eventually(async () => {
      expect((await condition(ns, `${ns}-broken`, 'Ready'))?.reason).toBe('QueueUnreadable');
      expect((await condition(ns, `${ns}-fine`, 'Ready'))?.status).toBe('True');
    });
  });

  it('puts replicas right that somebody else has set, and tells who', async () => {
    await start();
    const ns = await fresh(1);
    const name = `${ns}-q`;
    await cluster.pool(ns, name, { minReplicas: 2 });
    await eventually(async () => expect(await cluster.replicas(ns, 'workers')).toBe(2));
    await eventually(async () =>
      expect(await condition(ns, name, 'ScaleContested')).toMatchObject({ reason: 'OnlyWriter' }),
    );
    // Later by more than the whole seconds of Kubernetes' times.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await cluster.admin.apply(
      DEPLOYMENTS,
      { metadata: { name: 'workers', namespace: ns }, spec: { replicas: 1 } } as unknown as Deployment,
      { fieldManager: 'helm' },
    );
    await eventually(async () => expect(await cluster.replicas(ns, 'workers')).toBe(2));
    await eventually(async () =>
      expect(await condition(ns, name, 'ScaleContested')).toMatchObject({
        status: 'True',
        reason: 'AnotherWriter',
        message: expect.stringMatching(/^helm set the replicas of Deployment workers at /),
      }),
    );
  });

  it('yields to a HorizontalPodAutoscaler on its target, and goes on when that is gone', async () => {
    await start();
    const ns = await fresh(1);
    const name = `${ns}-q`;
    const rival = {
      metadata: { name: 'hpa', namespace: ns },
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'workers' },
        maxReplicas: 5,
      },
    } as unknown as HorizontalPodAutoscaler;
    await cluster.admin.create(HORIZONTAL_POD_AUTOSCALERS, ns, rival);
    await enqueue(name, 500);
    await cluster.pool(ns, name);
    await eventually(async () =>
      expect(await condition(ns, name, 'Ready')).toMatchObject({
        reason: 'CompetingAutoscaler',
        message: 'holding, because HorizontalPodAutoscaler hpa scales the same target: delete one of the two',
      }),
    );
    expect(await cluster.replicas(ns, 'workers')).toBe(1);
    await cluster.admin.remove(HORIZONTAL_POD_AUTOSCALERS, ns, 'hpa');
    await eventually(async () => expect(await cluster.replicas(ns, 'workers')).toBeGreaterThan(1));
  });

  it('in shadow mode only says what it would have done', async () => {
    const { scales } = await start();
    const ns = await fresh(1);
    await enqueue(`${ns}-q`, 500);
    await cluster.pool(ns, `${ns}-q`, { mode: 'Shadow' });
    await eventually(async () =>
      expect((await cluster.poolStatus(ns, `${ns}-q`)).decision?.action).toBe('WouldScaleUp'),
    );
    expect(scales.filter((scale) => scale.pool.startsWith(ns))).toEqual([]);
    expect(await cluster.replicas(ns, 'workers')).toBe(1);
  });

  it('decides on what is there when somebody else changes the Deployment all the time', async () => {
    await start();
    const ns = await fresh(1);
    let stop = false;
    const meddler = (async () => {
      for (let i = 0; !stop; i++) {
        await cluster.admin.mergePatch(DEPLOYMENTS, ns, 'workers', {
          metadata: { annotations: { meddler: String(i) } },
        });
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    await enqueue(`${ns}-q`, 500);
    await cluster.pool(ns, `${ns}-q`);
    await eventually(async () => expect(await cluster.replicas(ns, 'workers')).toBeGreaterThan(1));
    stop = true;
    await meddler;
  });

  it('continues where it stopped after a restart in the middle', async () => {
    const first = await start();
    const ns = await fresh(1);
    await enqueue(`${ns}-q`, 500);
    await cluster.pool(ns, `${ns}-q`);
    await eventually(async () => expect(await cluster.replicas(ns, 'workers')).toBeGreaterThan(1));
    await eventually(async () => expect((await cluster.poolStatus(ns, `${ns}-q`)).memory).toBeDefined());
    await first.stop();
    const at = await cluster.replicas(ns, 'workers');
    const second = await start();
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    // The policy (four pods per 15 s) still counts what the first one did.
    expect(await cluster.replicas(ns, 'workers')).toBeGreaterThanOrEqual(at);
    expect(await cluster.replicas(ns, 'workers')).toBeLessThanOrEqual(at + 4);
    expect(second.scales.every((scale) => scale.to >= scale.from)).toBe(true);
  });
});

describe('a crash', () => {
  it.each([1, 2, 3, 4, 5, 6])('at write %i is made good by the next start', async (write) => {
    const ns = await fresh(1);
    await enqueue(`${ns}-q`, 500);
    // The process dies right after the API server carried out its n-th write, before it heard the answer.
    let writes = 0;
    let crashed = false;
    const real = clientFor(cluster.plane.kubeconfigFor({ name: 'controller', groups: ['system:masters'] }));
    const mutating = new Set(['create', 'update', 'mergePatch', 'apply']);
    const client = new Proxy(real, {
      get(target, name: keyof KubeClient) {
        if (!mutating.has(name)) return target[name];
        return async (...args: unknown[]) => {
          if (crashed) throw new Error('dead');
          const answer = await (target[name] as (...a: unknown[]) => Promise<unknown>)(...args);
          if (++writes >= write) {
            crashed = true;
            throw new Error('dead');
          }
          return answer;
        };
      },
    });
    await cluster.provider(ns, 'alpha', { limits: { callsPerSecond: 1000 } });
    await cluster.pool(ns, `${ns}-q`);
    const first = await start({ overrides: { client, namespace: ns } });
    await eventually(async () => expect(crashed || (await cluster.replicas(ns, 'workers')) > 1).toBe(true));
    await first.stop();
    await real.close();
    await start({ overrides: { namespace: ns } });
    await eventually(async () => {
      expect(await cluster.replicas(ns, 'workers')).toBeGreaterThan(1);
      expect((await condition(ns, `${ns}-q`, 'Ready'))?.status).toBe('True');
      expect(
        (await cluster.admin.get(SECRETS, ns, providersSecretName(31337))).data?.[PROVIDERS_KEY],
      ).toBeDefined();
    });
  });
});

describe('a ChainProvider', () => {
  it('is probed and compiled into the Secret of its chain; a bad one does not take the set down', async () => {
    const bad = new Set<string>();
    await start({
      probe: async (url, spec) =>
        bad.has(new URL(url).hostname.split('.')[0] as string)
          ? { ok: false, error: 'connect ECONNREFUSED' }
          : healthyProbe(spec.chainId),
    });
    const ns = await cluster.namespace(`case-${counter++}`);
    bad.add('beta');
    await Promise.all([
      cluster.provider(ns, 'alpha', { limits: { callsPerSecond: 50 } }),
      cluster.provider(ns, 'beta'),
      cluster.provider(ns, 'gamma', { endpointSecretRef: { name: 'nowhere' } }),
    ]);
    const file = await eventually(async () => {
      const secret = await cluster.admin.get(SECRETS, ns, providersSecretName(31337));
      return Buffer.from(secret.data?.[PROVIDERS_KEY] ?? '', 'base64').toString();
    });
    expect(file).toContain('url: http://alpha.invalid');
    expect(file).not.toContain('beta');
    const reason = async (name: string) =>
      findCondition((await cluster.admin.get(CHAIN_PROVIDERS, ns, name)).status?.conditions, 'Ready');
    await eventually(async () =>
      expect(await reason('alpha')).toMatchObject({ status: 'True', reason: 'Serving' }),
    );
    expect(await reason('beta')).toMatchObject({ status: 'False', reason: 'Unreachable' });
    expect(await reason('gamma')).toMatchObject({
      status: 'False',
      reason: 'SecretNotFound',
      message: `there is no Secret nowhere in namespace ${ns}: create it with the key url`,
    });
  });

  it('that serves another chain is never handed to the gateway', async () => {
    await start({ probe: async () => healthyProbe(1) });
    const ns = await cluster.namespace(`case-${counter++}`);
    await cluster.provider(ns, 'liar');
    await eventually(async () => {
      const { status } = await cluster.admin.get(CHAIN_PROVIDERS, ns, 'liar');
      expect(findCondition(status?.conditions, 'Ready')).toMatchObject({
        reason: 'WrongChain',
        message: 'it serves chain 1, not 31337: correct the URL in the Secret or spec.chainId',
      });
    });
    await expect(cluster.admin.get(SECRETS, ns, providersSecretName(31337))).rejects.toMatchObject({
      status: 404,
    });
  });

  it('that dies holds its pools: no growth into a dead provider', async () => {
    await start({ probe: async () => ({ ok: false, error: 'connect ECONNREFUSED' }) });
    const ns = await fresh(1);
    await cluster.provider(ns, 'alpha');
    await eventually(async () => {
      const { status } = await cluster.admin.get(CHAIN_PROVIDERS, ns, 'alpha');
      expect(findCondition(status?.conditions, 'Ready')?.reason).toBe('Unreachable');
    });
    await enqueue(`${ns}-q`, 500);
    await cluster.pool(ns, `${ns}-q`);
    await eventually(async () =>
      expect(await condition(ns, `${ns}-q`, 'ScalingActive')).toMatchObject({ reason: 'ProvidersDown' }),
    );
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(await cluster.replicas(ns, 'workers')).toBe(1);
  });
});
