import { KubeConfig } from '@kubernetes/client-node';
import type { KubeObject } from '../../controllers/api.ts';
import { createKubeClient, type KubeClient, type Resource } from '../../controllers/runtime/kube-client.ts';
import { createTransport } from '../../controllers/runtime/transport.ts';
import { systemClock as clock } from '../../lib/time.ts';

/** The cluster of the service account, or of KUBECONFIG. */
export function openCluster(): KubeClient {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromDefault();
  return createKubeClient({ transport: createTransport({ kubeConfig, clock }) });
}

export interface ConfigMap extends KubeObject {
  data?: Record<string, string>;
}

export const CONFIG_MAPS: Resource<ConfigMap> = {
  group: '',
  version: 'v1',
  plural: 'configmaps',
  kind: 'ConfigMap',
  namespaced: true,
};

export const SERVICE_ACCOUNTS: Resource = {
  group: '',
  version: 'v1',
  plural: 'serviceaccounts',
  kind: 'ServiceAccount',
  namespaced: true,
};

export interface CustomResourceDefinition extends KubeObject {
  spec: {
    names: { kind: string; plural: string };
    group: string;
    versions: { name: string; served: boolean; storage: boolean }[];
  };
  status?: { storedVersions?: string[]; conditions?: { type: string; status: string; message?: string }[] };
}

export const CRDS: Resource<CustomResourceDefinition> = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
};
