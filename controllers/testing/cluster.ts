import { KubeConfig } from '@kubernetes/client-node';
import { createLogger } from '../../lib/log.ts';
import { createMetrics, type Metrics } from '../../lib/metrics.ts';
import { systemRandom } from '../../lib/random.ts';
import { closeRedis, createRedis } from '../../lib/redis.ts';
import { systemClock as clock } from '../../lib/time.ts';
import { type ControlPlane, startControlPlane } from '../../tools/cluster/control-plane.ts';
import { customResourceDefinitions } from '../../tools/cluster/crds.ts';
import type { KubeObject } from '../api.ts';
import type { Probe } from '../chain-provider/probe.ts';
import type { ChainProvider, ProviderSpecInput } from '../chain-provider/types.ts';
import {
  createPlatformControllers,
  type PlatformControllers,
  type PlatformControllersDeps,
} from '../platform-controllers.ts';
import { CHAIN_PROVIDERS, RPC_WORKER_POOLS } from '../resources.ts';
import type { PoolSpecInput, RpcWorkerPool } from '../rpc-worker-pool/types.ts';
import { createKubeClient, type KubeClient, type Resource } from '../runtime/kube-client.ts';
import { createControllerMetrics } from '../runtime/metrics.ts';
import { DEPLOYMENTS, type Deployment, SECRETS, type Secret } from '../runtime/resources.ts';
import { createTransport } from '../runtime/transport.ts';

const CRDS: Resource<KubeObject & { status?: { conditions?: { type: string; status: string }[] } }> = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
};
const NAMESPACES: Resource = {
  group: '',
  version: 'v1',
  plural: 'namespaces',
  kind: 'Namespace',
  namespaced: false,
};

/** A client for a kubeconfig text. */
export function clientFor(
  kubeconfig: string,
  onAnswer?: Parameters<typeof createKubeClient>[0]['onAnswer'],
  timeoutMs = 5_000,
): KubeClient {
  const config = new KubeConfig();
  config.loadFromString(kubeconfig);
  return createKubeClient({
    transport: createTransport({ kubeConfig: config, clock }),
    timeoutMs,
    ...(onAnswer ? { onAnswer } : {}),
  });
}

export interface TestCluster {
  readonly plane: ControlPlane;
  /** cluster-admin */
  readonly admin: KubeClient;
  namespace(name: string): Promise<string>;
  deployment(namespace: string, name: string, replicas: number): Promise<Deployment>;
  /** Pretends that so many pods are ready, where no controller manager runs. */
  markReady(namespace: string, name: string, ready: number): Promise<void>;
  pool(namespace: string, name: string, spec?: Partial<PoolSpecInput>): Promise<RpcWorkerPool>;
  provider(
    namespace: string,
    name: string,
    spec?: Partial<ProviderSpecInput>,
    url?: string,
  ): Promise<ChainProvider>;
  secret(namespace: string, name: string, data: Record<string, string>): Promise<void>;
  replicas(namespace: string, name: string): Promise<number>;
  poolStatus(namespace: string, name: string): Promise<NonNullable<RpcWorkerPool['status']>>;
  stop(): Promise<void>;
}

/** A control plane with our CRDs in it. */
export async function startTestCluster(
  options: Parameters<typeof startControlPlane>[0] = { controllers: [] },
): Promise<TestCluster> {
  const plane = await startControlPlane(options);
  // A busy machine is slow, not wrong.
  const admin = clientFor(
    plane.kubeconfigFor({ name: 'test-admin', groups: ['system:masters'] }),
    undefined,
    30_000,
  );
  for (const crd of customResourceDefinitions()) await admin.apply(CRDS, crd, { fieldManager: 'test' });
  await eventually(async () => {
    const { items } = await admin.list(CRDS, {});
    const established = items.filter((crd) =>
      crd.status?.conditions?.some((c) => c.type === 'Established' && c.status === 'True'),
    );
    if (established.length < 2) throw new Error('the CRDs are not established');
    await admin.list(RPC_WORKER_POOLS, {});
    await admin.list(CHAIN_PROVIDERS, {});
  });
  const secret: TestCluster['secret'] = async (namespace, name, data) => {
    const encoded = Object.fromEntries(
      Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
    );
    await admin.apply(SECRETS, { metadata: { name, namespace }, data: encoded } as Secret, {
      fieldManager: 'test',
    });
  };
  return {
    plane,
    admin,
    async namespace(name) {
      await admin.apply(NAMESPACES, { metadata: { name } }, { fieldManager: 'test' });
      return name;
    },
    deployment: (namespace, name, replicas) =>
      admin.create(DEPLOYMENTS, namespace, deployment(namespace, name, replicas)),
    async markReady(namespace, name, ready) {
      await admin.mergePatch(
        DEPLOYMENTS,
        namespace,
        name,
        { status: { replicas: ready, readyReplicas: ready, availableReplicas: ready } },
        'status',
      );
    },
    pool: (namespace, name, spec = {}) =>
      admin.create(RPC_WORKER_POOLS, namespace, {
        metadata: { name, namespace },
        spec: {
          targetRef: { name: 'workers' },
          chainId: 31337,
          queue: { name },
          maxReplicas: 10,
          worker: { concurrency: 4, startupSeconds: 5 },
          ...spec,
        },
      } as RpcWorkerPool),
    async provider(namespace, name, spec = {}, url = `http://${name}.invalid`) {
      await secret(namespace, `${name}-endpoint`, { url });
      return admin.create(CHAIN_PROVIDERS, namespace, {
        metadata: { name, namespace },
        spec: {
          chainId: 31337,
          endpointSecretRef: { name: `${name}-endpoint` },
          probe: { intervalSeconds: 5 },
          ...spec,
        },
      } as ChainProvider);
    },
    secret,
    async replicas(namespace, name) {
      return (await admin.get(DEPLOYMENTS, namespace, name)).spec?.replicas ?? -1;
    },
    async poolStatus(namespace, name) {
      const { status } = await admin.get(RPC_WORKER_POOLS, namespace, name);
      if (!status) throw new Error(`pool ${name} has no status yet`);
      return status;
    },
    async stop() {
      await admin.close();
      await plane.stop();
    },
  };
}

const deployment = (namespace: string, name: string, replicas: number): Deployment =>
  ({
    metadata: { name, namespace },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { containers: [{ name: 'worker', image: 'worker:1' }] },
      },
    },
  }) as unknown as Deployment;

export interface RunningControllers {
  readonly controllers: PlatformControllers;
  readonly client: KubeClient;
  readonly metrics: Metrics;
  readonly scales: { pool: string; from: number; to: number; lagMs: number }[];
  stop(): Promise<void>;
}

/** Runs the controllers inside the test, without leader election. */
export async function runControllers(options: {
  kubeconfig: string;
  redisUrl: string | undefined;
  probe?: Probe;
  overrides?: Partial<PlatformControllersDeps>;
}): Promise<RunningControllers> {
  const metrics = createMetrics({ service: 'controller', processMetrics: false });
  const controllerMetrics = createControllerMetrics(metrics);
  const client = clientFor(options.kubeconfig, controllerMetrics.apiAnswer);
  const log = createLogger({ service: 'controller', level: process.env.TEST_LOG_LEVEL ?? 'silent' });
  const scales: RunningControllers['scales'] = [];
  const controllers = createPlatformControllers({
    client,
    clock,
    random: systemRandom(clock),
    log,
    metrics: controllerMetrics,
    namespace: undefined,
    instance: 'test',
    defaultRedisUrl: options.redisUrl,
    connectRedis: (url) => {
      const redis = createRedis({ url, log, role: 'controller-test', commandTimeoutMs: 3_000 });
      return { redis, close: () => closeRedis(redis) };
    },
    probe: options.probe ?? (async (_url, spec) => healthyProbe(spec.chainId)),
    assertLeader: () => undefined,
    onScale: (event) => void scales.push(event),
    queueIntervalMs: 100,
    ...options.overrides,
  });
  await controllers.startInformers();
  controllers.startControllers();
  return {
    controllers,
    client,
    metrics,
    scales,
    async stop() {
      await controllers.stop();
      await client.close();
    },
  };
}

export const healthyProbe = (chainId: number, head = 100): Awaited<ReturnType<Probe>> => ({
  ok: true,
  chainId,
  head,
  latencyMs: 5,
  clientVersion: 'test/1',
  missingMethods: [],
});

/** Tries until it does not throw; throws the last error when the time is over. */
export async function eventually<T>(check: () => Promise<T>, timeoutMs = 60_000): Promise<T> {
  const deadline = clock.monotonic() + timeoutMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (clock.monotonic() > deadline) throw error;
      await clock.sleep(50);
    }
  }
}
