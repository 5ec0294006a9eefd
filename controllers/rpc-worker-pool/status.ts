import type { Condition } from '../api.ts';
import { findCondition, kubeTime, setConditions } from '../runtime/conditions.ts';
import type { Deployment } from '../runtime/resources.ts';
import type { Decision } from './decide.ts';
import type { Observation } from './observation.ts';
import type { ForeignWriter } from './rivals.ts';
import { number } from './trace.ts';
import type { Memory, PoolSpec, PoolStatus, RpcWorkerPool } from './types.ts';

/** Something that keeps a pool from being scaled at all, with the next step. */
export interface Obstacle {
  readonly reason:
    | 'TargetNotFound'
    | 'SecretNotFound'
    | 'SecretKeyMissing'
    | 'PermissionDenied'
    | 'QueueNotReadYet'
    | 'NotTheOnlyPool';
  readonly message: string;
}

type NewCondition = Omit<Condition, 'lastTransitionTime'>;

/** The status of a pool that could not be looked at: the last decision stays, the conditions say what is missing. */
export function obstructedStatus(pool: RpcWorkerPool, obstacle: Obstacle, now: number): PoolStatus {
  const generation = pool.metadata?.generation ?? 0;
  const condition = (type: string, status: Condition['status']): NewCondition => ({
    type,
    status,
    reason: obstacle.reason,
    message: obstacle.message,
    observedGeneration: generation,
  });
  const waiting = obstacle.reason === 'QueueNotReadYet';
  return {
    ...pool.status,
    observedGeneration: generation,
    conditions: setConditions(
      pool.status?.conditions,
      [
        condition('Ready', waiting ? 'Unknown' : 'False'),
        condition('ScalingActive', waiting ? 'Unknown' : 'False'),
      ],
      now,
    ),
  };
}

/** The status after a decision. */
export function decidedStatus(options: {
  pool: RpcWorkerPool;
  target: Deployment;
  seen: Observation;
  decision: Decision;
  memory: Memory;
  forecast?: string;
  scaled: boolean;
  /** Who else set the replicas since we last did. */
  writer?: ForeignWriter | undefined;
}): PoolStatus {
  const { pool, target, seen, decision, memory, forecast, scaled, writer } = options;
  const generation = pool.metadata?.generation ?? 0;
  const labels = target.spec?.selector?.matchLabels ?? {};
  const conditions = [...conditionsOf(pool.spec, decision), contested(pool, writer, decision.at)].map(
    (condition) => ({
      ...condition,
      observedGeneration: generation,
    }),
  );
  return {
    observedGeneration: generation,
    conditions: setConditions(pool.status?.conditions, conditions, decision.at),
    replicas: target.status?.replicas ?? 0,
    readyReplicas: target.status?.readyReplicas ?? 0,
    desiredReplicas: decision.replicas,
    selector: Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(','),
    ...(scaled
      ? { lastScaleTime: kubeTime(decision.at) }
      : pool.status?.lastScaleTime
        ? { lastScaleTime: pool.status.lastScaleTime }
        : {}),
    ...(seen.queue.readable
      ? {
          backlog: seen.queue.reading.waiting,
          oldestJobAge: `${number(seen.queue.reading.oldestAgeSeconds)}s`,
        }
      : {}),
    decision: {
      time: kubeTime(decision.at),
      replicas: decision.replicas,
      from: decision.from,
      action: decision.action,
      summary: decision.summary,
      terms: [...decision.terms],
    },
    memory: JSON.stringify(memory),
    ...(forecast === undefined ? {} : { forecast }),
  };
}

function conditionsOf(spec: PoolSpec, decision: Decision): Omit<NewCondition, 'observedGeneration'>[] {
  const held = decision.hold;
  const active: Omit<NewCondition, 'observedGeneration' | 'type'> = held
    ? { status: 'False', reason: held, message: decision.summary }
    : decision.action === 'Paused'
      ? { status: 'False', reason: 'Paused', message: 'spec.paused is set; remove it to scale again' }
      : spec.mode === 'Shadow'
        ? {
            status: 'False',
            reason: 'ShadowMode',
            message: 'decisions are reported but not carried out; set spec.mode to Active',
          }
        : { status: 'True', reason: 'FollowsQueue', message: 'the scale follows the queue' };
  const { providers } = decision;
  const provider: Omit<NewCondition, 'observedGeneration' | 'type'> =
    providers.known === 0
      ? {
          status: 'Unknown',
          reason: 'NoChainProvider',
          message: `no ChainProvider of chain ${spec.chainId} in this namespace: create one to limit growth by its health`,
        }
      : providers.healthy === 0
        ? {
            status: 'False',
            reason: 'AllDown',
            message: `no provider is healthy: ${names(providers.detail)}`,
          }
        : providers.leftPerSecond <= 0
          ? {
              status: 'False',
              reason: 'Exhausted',
              message: 'the healthy providers are at their limit: raise it or add a provider',
            }
          : {
              status: 'True',
              reason: 'Available',
              message: `${providers.healthy} of ${providers.known} providers are healthy`,
            };
  const limited = decision.limit !== 'None' && decision.limit !== 'MinReplicas';
  return [
    held && held !== 'QueuePaused' && held !== 'ProvidersDown'
      ? { type: 'Ready', status: 'False', reason: held, message: decision.summary }
      : { type: 'Ready', status: 'True', reason: 'Reconciled', message: 'the pool is looked after' },
    { type: 'ScalingActive', ...active },
    { type: 'ProviderHealthy', ...provider },
    limited
      ? {
          type: 'ScalingLimited',
          status: 'True',
          reason: decision.limit,
          message: LIMITED[decision.limit] ?? '',
        }
      : {
          type: 'ScalingLimited',
          status: 'False',
          reason: 'WithinLimits',
          message: 'nothing keeps the pool from what it needs',
        },
  ];
}

/** So long after another writer was seen the pool says so: the scale itself is put right within a second. */
const CONTESTED_MS = 10 * 60_000;

function contested(
  pool: RpcWorkerPool,
  writer: ForeignWriter | undefined,
  now: number,
): Omit<NewCondition, 'observedGeneration'> {
  const type = 'ScaleContested';
  const before = findCondition(pool.status?.conditions, type);
  if (writer) {
    const target = pool.spec.targetRef.name;
    return {
      type,
      status: 'True',
      reason: 'AnotherWriter',
      message: `${writer.manager} set the replicas of Deployment ${target} at ${writer.at}, after this pool did: leave spec.replicas out of its manifest, and scale with kubectl scale rwp instead`,
    };
  }
  if (before?.status === 'True' && now - Date.parse(before.lastTransitionTime) < CONTESTED_MS)
    return { type, status: 'True', reason: before.reason, message: before.message };
  return {
    type,
    status: 'False',
    reason: 'OnlyWriter',
    message: 'nobody else has set the replicas since this pool did',
  };
}

const names = (detail: string): string => detail.slice(0, 500);

const LIMITED: Partial<Record<Decision['limit'], string>> = {
  ProviderCapacity: 'more workers would exceed what the providers can take',
  Budget: 'more workers could burn more than budget.computeUnitsPerHour',
  Policy: 'a scaling policy limits the speed',
  Stabilized: 'the need has not held for the stabilization window yet',
  MaxReplicas: 'the need is larger than maxReplicas',
};

/** Numbers that move all the time are worth a write only once in a while. */
export type Urgency = 'none' | 'later' | 'now';

/** How urgent it is to write `next` over `present`. */
export function urgency(present: PoolStatus | undefined, next: PoolStatus): Urgency {
  if (!present || present.observedGeneration !== next.observedGeneration) return 'now';
  if (present.decision?.action !== next.decision?.action || present.desiredReplicas !== next.desiredReplicas)
    return 'now';
  for (const condition of next.conditions ?? []) {
    const before = findCondition(present.conditions, condition.type);
    // Whether a limit bites this very second flickers; what is well and what is not must be seen at once.
    if (condition.type === 'ScalingLimited') continue;
    if (before?.status !== condition.status || before.reason !== condition.reason) return 'now';
  }
  if (JSON.stringify(lasting(present)) !== JSON.stringify(lasting(next))) return 'later';
  return 'none';
}

/** The status without the times that every pass renews. */
function lasting(status: PoolStatus): unknown {
  const { memory, decision, lastScaleTime: _time, ...rest } = status;
  const kept = memory === undefined ? {} : (JSON.parse(memory) as Partial<Memory>);
  return [
    Object.entries(rest).sort(([a], [b]) => a.localeCompare(b)),
    decision?.summary,
    decision?.terms.map((term) => [term.name, term.value]),
    [kept.recommendations, kept.scaleEvents, kept.unreadableSince === undefined],
  ];
}
