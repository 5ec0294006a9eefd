import type { V2HorizontalPodAutoscaler } from '@kubernetes/client-node';
import type { KubeObject } from '../api.ts';
import type { Resource } from '../runtime/kube-client.ts';
import type { Deployment, Wire } from '../runtime/resources.ts';
import { FIELD_MANAGER } from './apply.ts';
import type { RpcWorkerPool } from './types.ts';

export type HorizontalPodAutoscaler = Wire<V2HorizontalPodAutoscaler> & KubeObject;

export const HORIZONTAL_POD_AUTOSCALERS: Resource<HorizontalPodAutoscaler> = {
  group: 'autoscaling',
  version: 'v2',
  plural: 'horizontalpodautoscalers',
  kind: 'HorizontalPodAutoscaler',
  namespaced: true,
};

/** Another autoscaler on the same target, in words; KEDA's ScaledObjects show up as the HPA that they create. */
export function findRival(
  pool: RpcWorkerPool,
  autoscalers: readonly HorizontalPodAutoscaler[],
  pools: readonly RpcWorkerPool[],
): string | undefined {
  const { namespace, name } = pool.metadata ?? {};
  const target = pool.spec.targetRef.name;
  const hpa = autoscalers.find(
    (candidate) =>
      candidate.metadata?.namespace === namespace &&
      candidate.spec?.scaleTargetRef?.kind === 'Deployment' &&
      candidate.spec.scaleTargetRef.name === target,
  );
  if (hpa) {
    const owner = hpa.metadata?.ownerReferences?.[0];
    return owner ? `${owner.kind} ${owner.name}` : `HorizontalPodAutoscaler ${hpa.metadata?.name}`;
  }
  // Of two pools on one target the older one works; the younger says so. A pool in shadow mode disturbs nobody.
  const older = pools.find(
    (other) =>
      other.metadata?.namespace === namespace &&
      other.metadata?.name !== name &&
      other.spec.targetRef.name === target &&
      other.spec.mode === 'Active' &&
      precedes(other, pool),
  );
  return older ? `RpcWorkerPool ${older.metadata?.name}` : undefined;
}

/** Somebody else who sets the replicas of our target. */
export interface ForeignWriter {
  /** As the API server knows it: `kubectl-client-side-apply`, `helm`, `argocd-controller` … */
  readonly manager: string;
  /** When it last did. */
  readonly at: string;
}

/**
 * Who wrote `spec.replicas` of the target after we last scaled it, according to its managed fields. Once may be a person
 * with `kubectl scale`; a manifest with replicas in it does it again with every release.
 * @param lastScaleTime of the pool's status; without it we have never scaled, and whoever made the target set its replicas
 */
export function findForeignWriter(
  target: Deployment,
  lastScaleTime: string | undefined,
): ForeignWriter | undefined {
  if (lastScaleTime === undefined) return undefined;
  const entry = target.metadata?.managedFields?.find(({ manager, time, fieldsV1 }) => {
    const spec = (fieldsV1 as { 'f:spec'?: { 'f:replicas'?: unknown } } | undefined)?.['f:spec'];
    return (
      spec?.['f:replicas'] !== undefined &&
      manager !== FIELD_MANAGER &&
      Date.parse(time ?? '') > Date.parse(lastScaleTime)
    );
  });
  return entry && { manager: entry.manager ?? 'unknown', at: entry.time ?? '' };
}

function precedes(a: RpcWorkerPool, b: RpcWorkerPool): boolean {
  const [x, y] = [a.metadata?.creationTimestamp ?? '', b.metadata?.creationTimestamp ?? ''];
  return x === y ? (a.metadata?.name ?? '') < (b.metadata?.name ?? '') : x < y;
}
