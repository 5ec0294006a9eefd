import type { Logger } from '../../lib/log.ts';
import type { Clock } from '../../lib/time.ts';
import type { ChainProvider } from '../chain-provider/types.ts';
import { RPC_WORKER_POOLS } from '../resources.ts';
import { findCondition } from '../runtime/conditions.ts';
import type { Reconcile, Result } from '../runtime/controller.ts';
import type { EventRecorder } from '../runtime/events.ts';
import type { Informer } from '../runtime/informer.ts';
import type { KubeClient } from '../runtime/kube-client.ts';
import { isForbidden, isNotFound } from '../runtime/kube-error.ts';
import { type Deployment, SECRETS } from '../runtime/resources.ts';
import { FIELD_MANAGER, markBusyPods, setScale } from './apply.ts';
import { decide, emptyMemory } from './decide.ts';
import type { Forecaster } from './forecast.ts';
import { observe } from './observe.ts';
import type { PoolMetrics } from './pool-metrics.ts';
import type { QueueWatch } from './queue-watch.ts';
import { findForeignWriter, findRival, type HorizontalPodAutoscaler } from './rivals.ts';
import { decidedStatus, type Obstacle, obstructedStatus, urgency } from './status.ts';
import { type Memory, memorySchema, type PoolStatus, parsePoolSpec, type RpcWorkerPool } from './types.ts';

export interface PoolReconcilerDeps {
  readonly client: Pick<KubeClient, 'get' | 'list' | 'update' | 'mergePatch' | 'apply'>;
  readonly clock: Clock;
  readonly events: EventRecorder;
  readonly pools: Pick<Informer<RpcWorkerPool>, 'get' | 'list'>;
  readonly deployments: Pick<Informer<Deployment>, 'get'>;
  readonly providers: Pick<Informer<ChainProvider>, 'list'>;
  readonly autoscalers: Pick<Informer<HorizontalPodAutoscaler>, 'list'>;
  readonly queues: QueueWatch;
  readonly forecaster?: Forecaster;
  /** Redis of the pools that name no Secret. */
  readonly defaultRedisUrl: string | undefined;
  /** Throws when this process may not write any more; called right before every write. */
  readonly assertLeader: () => void;
  readonly metrics?: PoolMetrics;
  /** Called for every scale call: how long after the deciding look at the queue. */
  readonly onScale?: (event: { pool: string; from: number; to: number; lagMs: number }) => void;
}

/** With work in the queue the time itself matters: ages grow, windows pass. */
const BUSY_RECHECK_MS = 1_000;
/** An idle pool is woken by its queue; this is only for windows and schedules. */
const IDLE_RECHECK_MS = 10_000;
/** A missing Deployment or Secret is looked for again after this long; a change of the pool comes at once. */
const OBSTACLE_RECHECK_MS = 15_000;
/** Observations are written to the status at most this often. */
const STATUS_EVERY_MS = 60_000;
/** A Secret with the Redis URL is read again after this long, at once when Redis refuses us. */
const SECRET_TTL_MS = 600_000;

/** What the reconciler remembers of a pool between two passes. All of it can be had again from the status. */
interface Known {
  memory: Memory;
  statusWrittenAt: number;
  redisUrl?: { readonly url: string; readonly readAt: number; readonly ref: string };
}

export function createPoolReconciler(deps: PoolReconcilerDeps): Reconcile {
  const { client, clock, events, queues } = deps;
  const known = new Map<string, Known>();

  return async (key, { log }): Promise<Result | undefined> => {
    const stored = deps.pools.get(key);
    if (!stored || stored.metadata?.deletionTimestamp) {
      queues.forget(key);
      known.delete(key);
      deps.forecaster?.forget(key);
      deps.metrics?.forget(key);
      return undefined;
    }
    const pool: RpcWorkerPool = { ...stored, spec: parsePoolSpec(stored.spec) };
    const state = recall(key, pool, log);
    const target = deps.deployments.get(`${pool.metadata?.namespace}/${pool.spec.targetRef.name}`);
    if (!target) {
      return obstructed(pool, state, {
        reason: 'TargetNotFound',
        message: `there is no Deployment ${pool.spec.targetRef.name} in namespace ${pool.metadata?.namespace}: create it or correct spec.targetRef.name`,
      });
    }
    const url = await redisUrl(pool, state);
    if (typeof url !== 'string') return obstructed(pool, state, url);
    queues.watch(key, { url, prefix: pool.spec.queue.prefix, name: pool.spec.queue.name });
    const queue = queues.latest(key);
    if (!queue) {
      return obstructed(pool, state, {
        reason: 'QueueNotReadYet',
        message: 'waiting for the first look at the queue',
      });
    }
    if (!queue.readable) delete state.redisUrl;

    const competitor = findRival(pool, deps.autoscalers.list(), deps.pools.list());
    const forecast = deps.forecaster?.observe(key, pool, queue);
    const seen = observe({
      pool,
      target,
      queue,
      providers: deps.providers.list(),
      now: clock.now(),
      ...(forecast ? { forecast } : {}),
      ...(competitor ? { competitor } : {}),
    });
    const { decision, memory } = decide(pool.spec, state.memory, seen);
    deps.metrics?.decided(key, seen, decision);
    const change = decision.replicas !== decision.from && pool.spec.mode === 'Active';
    if (change) {
      deps.assertLeader();
      if (decision.replicas < decision.from && queue.readable) {
        await markBusyPods(client, target, queue.snapshot.workers, log);
        deps.assertLeader();
      }
      try {
        await setScale(client, target, decision.replicas);
      } catch (error) {
        if (!isForbidden(error)) throw error;
        return obstructed(pool, state, {
          reason: 'PermissionDenied',
          message: `the controller may not scale Deployment ${pool.spec.targetRef.name}: grant it update on deployments/scale`,
        });
      }
      const event = {
        pool: key,
        from: decision.from,
        to: decision.replicas,
        lagMs: clock.now() - decision.at,
      };
      deps.metrics?.scaled(event);
      deps.onScale?.(event);
      log.info({ from: decision.from, to: decision.replicas, summary: decision.summary }, 'scaled');
      events.emit(pool, {
        type: 'Normal',
        reason: decision.replicas > decision.from ? 'ScaledUp' : 'ScaledDown',
        action: 'Scale',
        note: `${decision.from} → ${decision.replicas}: ${decision.summary}`,
      });
    }
    state.memory = memory;
    const status = decidedStatus({
      pool,
      target,
      seen,
      decision,
      memory,
      scaled: change,
      writer: findForeignWriter(target, pool.status?.lastScaleTime),
      ...(deps.forecaster?.export(key) === undefined
        ? {}
        : { forecast: deps.forecaster.export(key) as string }),
    });
    await writeStatus(pool, state, status);
    const restless =
      !seen.queue.readable || seen.queue.reading.waiting > 0 || seen.queue.reading.active > 0 || change;
    const pending =
      decision.limit === 'Policy' ||
      decision.limit === 'Stabilized' ||
      target.status?.readyReplicas !== target.spec?.replicas;
    return { requeueAfterMs: restless || pending ? BUSY_RECHECK_MS : IDLE_RECHECK_MS };
  };

  function recall(key: string, pool: RpcWorkerPool, log: Logger): Known {
    const present = known.get(key);
    if (present) return present;
    let memory = emptyMemory();
    if (pool.status?.memory) {
      try {
        memory = memorySchema.parse(JSON.parse(pool.status.memory));
      } catch (error) {
        // Written by another version, or by hand. Starting empty holds the scale for a window: safe.
        log.info({ err: error }, 'the memory in the status cannot be read; starting with none');
      }
    }
    const fresh: Known = { memory, statusWrittenAt: Number.NEGATIVE_INFINITY };
    known.set(key, fresh);
    return fresh;
  }

  async function redisUrl(pool: RpcWorkerPool, state: Known): Promise<string | Obstacle> {
    const ref = pool.spec.queue.redisSecretRef;
    if (!ref) {
      if (deps.defaultRedisUrl) return deps.defaultRedisUrl;
      return {
        reason: 'SecretNotFound',
        message: 'the controller has no Redis of its own (REDIS_URL): set spec.queue.redisSecretRef',
      };
    }
    const id = `${ref.name}/${ref.key}`;
    const cached = state.redisUrl;
    if (cached && cached.ref === id && clock.monotonic() - cached.readAt < SECRET_TTL_MS) return cached.url;
    const namespace = pool.metadata?.namespace ?? '';
    try {
      const secret = await client.get(SECRETS, namespace, ref.name);
      const value = secret.data?.[ref.key];
      if (!value)
        return {
          reason: 'SecretKeyMissing',
          message: `Secret ${ref.name} has no key ${ref.key}: add it with the Redis URL as its value`,
        };
      const url = Buffer.from(value, 'base64').toString('utf8').trim();
      if (!/^rediss?:\/\//.test(url)) {
        return {
          reason: 'SecretKeyMissing',
          message: `key ${ref.key} of Secret ${ref.name} is not a Redis URL: write redis://… or rediss://…`,
        };
      }
      state.redisUrl = { url, readAt: clock.monotonic(), ref: id };
      return url;
    } catch (error) {
      if (isNotFound(error))
        return {
          reason: 'SecretNotFound',
          message: `there is no Secret ${ref.name} in namespace ${namespace}: create it with the key ${ref.key}`,
        };
      if (isForbidden(error))
        return {
          reason: 'PermissionDenied',
          message: `the controller may not read Secret ${ref.name}: grant it get on this Secret`,
        };
      throw error;
    }
  }

  async function obstructed(pool: RpcWorkerPool, state: Known, obstacle: Obstacle): Promise<Result> {
    await writeStatus(pool, state, obstructedStatus(pool, obstacle, clock.now()));
    return { requeueAfterMs: obstacle.reason === 'QueueNotReadYet' ? BUSY_RECHECK_MS : OBSTACLE_RECHECK_MS };
  }

  async function writeStatus(pool: RpcWorkerPool, state: Known, status: PoolStatus): Promise<void> {
    const how = urgency(pool.status, status);
    if (how === 'none' || (how === 'later' && clock.monotonic() - state.statusWrittenAt < STATUS_EVERY_MS))
      return;
    const { name, namespace } = pool.metadata ?? {};
    deps.assertLeader();
    try {
      await client.apply(
        RPC_WORKER_POOLS,
        { metadata: { name: name as string, namespace: namespace as string }, status } as RpcWorkerPool,
        { fieldManager: FIELD_MANAGER, subresource: 'status' },
      );
    } catch (error) {
      // Deleted meanwhile: there is nothing to report to.
      if (isNotFound(error)) return;
      throw error;
    }
    state.statusWrittenAt = clock.monotonic();
    announce(pool, status);
  }

  /** Events for people who look with `kubectl describe`: when a pool stops being well, and when it is well again. */
  function announce(pool: RpcWorkerPool, status: PoolStatus): void {
    const contested = findCondition(status.conditions, 'ScaleContested');
    if (
      contested?.status === 'True' &&
      findCondition(pool.status?.conditions, 'ScaleContested')?.status !== 'True'
    )
      events.emit(pool, {
        type: 'Warning',
        reason: contested.reason,
        action: 'Scale',
        note: contested.message,
      });
    const before = findCondition(pool.status?.conditions, 'Ready');
    const now = findCondition(status.conditions, 'Ready');
    if (!now || now.status === 'Unknown' || (before?.status === now.status && before.reason === now.reason))
      return;
    if (now.status === 'True' && before?.status !== 'False') return;
    events.emit(pool, {
      type: now.status === 'True' ? 'Normal' : 'Warning',
      reason: now.status === 'True' ? 'Recovered' : now.reason,
      action: 'Reconcile',
      note: now.message,
    });
  }
}
