import type { KubeObject, OwnerReference } from '../api.ts';
import type { KubeClient, Resource } from './kube-client.ts';

/** The reference that makes `owner` take the object along when it is deleted. */
export function controllerReference(owner: KubeObject): OwnerReference {
  const { name, uid } = owner.metadata ?? {};
  if (!owner.apiVersion || !owner.kind || !name || !uid)
    throw new Error('an owner needs apiVersion, kind, name and uid');
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name,
    uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

export const hasFinalizer = (object: KubeObject, finalizer: string): boolean =>
  object.metadata?.finalizers?.includes(finalizer) ?? false;

/**
 * Adds or removes one finalizer. The resource version makes it safe: a concurrent change of the list gives 409
 * instead of losing somebody's finalizer.
 */
export async function setFinalizer<T extends KubeObject>(
  client: Pick<KubeClient, 'mergePatch'>,
  resource: Resource<T>,
  object: T,
  finalizer: string,
  present: boolean,
): Promise<T> {
  if (hasFinalizer(object, finalizer) === present) return object;
  const { name = '', namespace = '', resourceVersion, finalizers = [] } = object.metadata ?? {};
  const next = present ? [...finalizers, finalizer] : finalizers.filter((f) => f !== finalizer);
  return client.mergePatch(resource, namespace, name, { metadata: { resourceVersion, finalizers: next } });
}
