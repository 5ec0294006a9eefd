import type { V1Deployment, V1Lease, V1Pod, V1Scale, V1Secret } from '@kubernetes/client-node';
import type { KubeObject } from '../api.ts';
import type { Resource } from './kube-client.ts';

/** The client library types times as Date; on the wire, and here, they are strings. */
export type Wire<T> = T extends Date ? string : T extends object ? { [K in keyof T]: Wire<T[K]> } : T;

type Named<T> = Wire<T> & KubeObject;
export type Deployment = Named<V1Deployment>;
export type Pod = Named<V1Pod>;
export type Secret = Named<V1Secret>;
export type Lease = Named<V1Lease>;
export type Scale = Named<V1Scale>;

export const DEPLOYMENTS: Resource<Deployment> = {
  group: 'apps',
  version: 'v1',
  plural: 'deployments',
  kind: 'Deployment',
  namespaced: true,
};
export const PODS: Resource<Pod> = {
  group: '',
  version: 'v1',
  plural: 'pods',
  kind: 'Pod',
  namespaced: true,
};
export const SECRETS: Resource<Secret> = {
  group: '',
  version: 'v1',
  plural: 'secrets',
  kind: 'Secret',
  namespaced: true,
};
export const LEASES: Resource<Lease> = {
  group: 'coordination.k8s.io',
  version: 'v1',
  plural: 'leases',
  kind: 'Lease',
  namespaced: true,
};
