import type { Logger } from '../lib/log.ts';
import type { Random } from '../lib/random.ts';
import type { Clock } from '../lib/time.ts';
import type { KubeObject } from './api.ts';
import type { GatewayTraffic } from './chain-provider/gateway-traffic.ts';
import type { Probe } from './chain-provider/probe.ts';
import { createProviderReconciler } from './chain-provider/reconcile.ts';
import { CHAIN_PROVIDERS, RPC_WORKER_POOLS } from './resources.ts';
import { FIELD_MANAGER } from './rpc-worker-pool/apply.ts';
import { createForecaster } from './rpc-worker-pool/forecast.ts';
import type { PoolMetrics } from './rpc-worker-pool/pool-metrics.ts';
import { createQueueWatch, type QueueWatchDeps } from './rpc-worker-pool/queue-watch.ts';
import { createPoolReconciler, type PoolReconcilerDeps } from './rpc-worker-pool/reconcile.ts';
import { HORIZONTAL_POD_AUTOSCALERS } from './rpc-worker-pool/rivals.ts';
import { createController } from './runtime/controller.ts';
import { createEventRecorder } from './runtime/events.ts';
import { type Change, createInformer, type Informer, keyOf } from './runtime/informer.ts';
import type { KubeClient, Resource } from './runtime/kube-client.ts';
import type { ControllerMetrics } from './runtime/metrics.ts';
import { DEPLOYMENTS } from './runtime/resources.ts';

export interface PlatformControllersDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: ControllerMetrics;
  /** Only this namespace; undefined for all. */
  readonly namespace: string | undefined;
  readonly instance: string;
  readonly defaultRedisUrl: string | undefined;
  readonly connectRedis: QueueWatchDeps['connect'];
  readonly probe: Probe;
  readonly traffic?: GatewayTraffic;
  readonly assertLeader: () => void;
  readonly poolMetrics?: PoolMetrics;
  readonly onScale?: PoolReconcilerDeps['onScale'];
  readonly queueIntervalMs?: number;
  readonly watchdogMs?: number;
  readonly poolConcurrency?: number;
}

/** Both controllers with everything they share. */
export interface PlatformControllers {
  /** Fills the local copies; safe on every replica, leading or not. */
  startInformers(signal?: AbortSignal): Promise<void>;
  /** Begins to act. Only for the leader. */
  startControllers(): void;
  stop(): Promise<void>;
  /** Rejects, naming the kind, while a local copy is not (or no longer) fresh. */
  checkFresh(): void;
}

export function createPlatformControllers(deps: PlatformControllersDeps): PlatformControllers {
  const { client, clock, random, log, metrics, namespace } = deps;
  const informers: [string, Informer<KubeObject>][] = [];
  const inform = <T extends KubeObject>(resource: Resource<T>): Informer<T> => {
    const informer = createInformer<T>({
      client,
      resource,
      namespace,
      clock,
      random,
      log,
      onRelist: () => metrics.relisted(resource.kind),
      ...(deps.watchdogMs === undefined ? {} : { watchdogMs: deps.watchdogMs }),
    });
    informers.push([resource.kind, informer as unknown as Informer<KubeObject>]);
    return informer;
  };
  const pools = inform(RPC_WORKER_POOLS);
  const providers = inform(CHAIN_PROVIDERS);
  const deployments = inform(DEPLOYMENTS);
  const autoscalers = inform(HORIZONTAL_POD_AUTOSCALERS);

  const events = createEventRecorder({
    client,
    clock,
    log,
    controller: FIELD_MANAGER,
    instance: deps.instance,
  });
  const queues = createQueueWatch({
    clock,
    log,
    connect: deps.connectRedis,
    onChange: (key) => poolController.queue.add(key),
    ...(deps.queueIntervalMs === undefined ? {} : { intervalMs: deps.queueIntervalMs }),
  });
  const poolController = createController({
    name: 'rpcworkerpool',
    clock,
    random,
    log,
    metrics,
    concurrency: deps.poolConcurrency ?? 16,
    reconcile: createPoolReconciler({
      client,
      clock,
      events,
      pools,
      deployments,
      providers,
      autoscalers,
      queues,
      forecaster: createForecaster(),
      defaultRedisUrl: deps.defaultRedisUrl,
      assertLeader: deps.assertLeader,
      ...(deps.poolMetrics ? { metrics: deps.poolMetrics } : {}),
      ...(deps.onScale ? { onScale: deps.onScale } : {}),
    }),
  });
  const providerController = createController({
    name: 'chainprovider',
    clock,
    random,
    log,
    metrics,
    concurrency: 8,
    reconcile: createProviderReconciler({
      client,
      clock,
      events,
      providers,
      probe: deps.probe,
      fieldManager: FIELD_MANAGER,
      assertLeader: deps.assertLeader,
      ...(deps.traffic ? { traffic: deps.traffic } : {}),
    }),
  });

  // Who must look again when what has changed.
  const poolsWhere = (test: (pool: ReturnType<typeof pools.list>[number]) => boolean): void => {
    for (const pool of pools.list()) if (test(pool)) poolController.queue.add(keyOf(pool));
  };
  const targetChanged = ({ key }: Change<KubeObject>): void =>
    poolsWhere((pool) => `${pool.metadata?.namespace}/${pool.spec.targetRef.name}` === key);
  pools.onChange((change) => {
    if (specChanged(change)) poolController.queue.add(change.key);
  });
  deployments.onChange(targetChanged);
  autoscalers.onChange(({ object, old }) => {
    const target = (object ?? old)?.spec?.scaleTargetRef?.name;
    poolsWhere((pool) => pool.spec.targetRef.name === target);
  });
  providers.onChange((change) => {
    if (specChanged(change)) providerController.queue.add(change.key);
    const chainId = (change.object ?? change.old)?.spec.chainId;
    const home = (change.object ?? change.old)?.metadata?.namespace;
    poolsWhere((pool) => pool.spec.chainId === chainId && pool.metadata?.namespace === home);
  });

  return {
    async startInformers(signal) {
      for (const [, informer] of informers) informer.start();
      await Promise.all(informers.map(([, informer]) => informer.waitForSync(signal)));
    },
    startControllers() {
      deps.traffic?.start();
      poolController.start();
      providerController.start();
    },
    async stop() {
      await Promise.all([poolController.stop(), providerController.stop()]);
      deps.traffic?.stop();
      await queues.stop();
      await Promise.all(informers.map(([, informer]) => informer.stop()));
    },
    checkFresh() {
      const missing = informers.filter(([, informer]) => !informer.synced()).map(([kind]) => kind);
      if (missing.length > 0) throw new Error(`not listed yet: ${missing.join(', ')}`);
    },
  };
}

/** Our own writes to the status must not wake us: only a new spec, a deletion or another finalizer does. */
function specChanged({ object, old }: Change<KubeObject>): boolean {
  return (
    !object ||
    !old ||
    object.metadata?.generation !== old.metadata?.generation ||
    object.metadata?.deletionTimestamp !== old.metadata?.deletionTimestamp
  );
}
