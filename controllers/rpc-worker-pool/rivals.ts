import type { V2HorizontalPodAutoscaler } from '@kubernetes/client-node';
import type { KubeObject } from '../api.ts';
import type { Resource } from '../runtime/kube-client.ts';
import type { Wire } from '../runtime/resources.ts';
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

function precedes(a: RpcWorkerPool, b: RpcWorkerPool): boolean {
  const [x, y] = [a.metadata?.creationTimestamp ?? '', b.metadata?.creationTimestamp ?? ''];
  return x === y ? (a.metadata?.name ?? '') < (b.metadata?.name ?? '') : x < y;
}
