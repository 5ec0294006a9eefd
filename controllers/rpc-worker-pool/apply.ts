import type { Logger } from '../../lib/log.ts';
import type { KubeClient } from '../runtime/kube-client.ts';
import { isNotFound } from '../runtime/kube-error.ts';
import { DEPLOYMENTS, type Deployment, PODS, type Scale } from '../runtime/resources.ts';
import type { WorkerSlots } from './bull-queue.ts';

/** The name under which the API server books what we write; whoever else wrote `replicas` shows by another name. */
export const FIELD_MANAGER = 'rejuve-controller';
/** Read by the ReplicaSet controller: of two pods the one with the lower cost goes first. */
const DELETION_COST = 'controller.kubernetes.io/pod-deletion-cost';
/** So far apart that one more busy slot always outweighs nothing. */
const COST_PER_BUSY_SLOT = 100;

/**
 * Sets the scale of the target. The resource version of the Deployment we decided on goes along: when anybody
 * changed it meanwhile the API server answers 409, and the next pass decides on what is there then.
 */
export async function setScale(
  client: Pick<KubeClient, 'update'>,
  target: Deployment,
  replicas: number,
): Promise<void> {
  const { name = '', namespace = '', resourceVersion } = target.metadata ?? {};
  const scale: Scale = {
    apiVersion: 'autoscaling/v1',
    kind: 'Scale',
    metadata: { name, namespace, ...(resourceVersion ? { resourceVersion } : {}) },
    spec: { replicas },
  };
  await client.update(
    DEPLOYMENTS as unknown as {
      kind: string;
      group: string;
      version: string;
      plural: string;
      namespaced: boolean;
      type?: Scale;
    },
    namespace,
    name,
    scale,
    'scale',
    FIELD_MANAGER,
  );
}

/**
 * Before a scale-down: tells the ReplicaSet controller which pods are busy, so that the idle ones go. Only pods whose
 * cost changes are written. Workers that do not report how busy they are leave the choice to Kubernetes.
 */
export async function markBusyPods(
  client: Pick<KubeClient, 'list' | 'mergePatch'>,
  target: Deployment,
  workers: readonly WorkerSlots[],
  log: Logger,
): Promise<void> {
  if (workers.length === 0) return;
  const namespace = target.metadata?.namespace ?? '';
  const labels = target.spec?.selector?.matchLabels ?? {};
  const labelSelector = Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
  const busy = new Map(workers.map((worker) => [worker.pod, worker.busy]));
  const { items } = await client.list(PODS, { namespace, labelSelector });
  for (const pod of items) {
    const name = pod.metadata?.name ?? '';
    const cost = String((busy.get(name) ?? 0) * COST_PER_BUSY_SLOT);
    if ((pod.metadata?.annotations?.[DELETION_COST] ?? '0') === cost || pod.metadata?.deletionTimestamp)
      continue;
    try {
      await client.mergePatch(PODS, namespace, name, {
        metadata: { annotations: { [DELETION_COST]: cost } },
      });
    } catch (error) {
      // It left by itself: one less to choose from.
      if (!isNotFound(error)) throw error;
      log.debug({ pod: name }, 'a pod was gone before its deletion cost could be set');
    }
  }
}
