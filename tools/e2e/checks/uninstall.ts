import { type Check, expectThat, seconds } from '../check.ts';

interface Objects {
  readonly items: readonly {
    readonly kind: string;
    readonly metadata: { readonly name: string; readonly labels?: Record<string, string> };
  }[];
}

/** Kinds of which the chart makes objects in its namespace. */
const KINDS = [
  ...[
    'pods',
    'services',
    'deployments',
    'statefulsets',
    'replicasets',
    'jobs',
    'secrets',
    'configmaps',
    'serviceaccounts',
  ],
  ...[
    'roles',
    'rolebindings',
    'networkpolicies',
    'poddisruptionbudgets',
    'horizontalpodautoscalers',
    'persistentvolumeclaims',
    'leases',
  ],
].join(',');
const CLUSTER_KINDS = 'clusterroles,clusterrolebindings,priorityclasses';

/** What every namespace has by itself. */
const OF_KUBERNETES = new Set(['ConfigMap/kube-root-ca.crt', 'ServiceAccount/default']);
/** Made by controllers at run time, in a form that dies with its holder. */
const GONE_WITHIN_MS = 120_000;

export const uninstallCheck: Check = {
  id: 'uninstall',
  title: 'helm uninstall leaves nothing behind but the CRDs that it was asked to keep',
  needs: ['install'],
  async run({ release }) {
    const from = performance.now();
    await release.helm('uninstall', release.name, '--wait', '--timeout', '5m');
    const took = seconds(from);
    let left: string[] = [];
    for (const deadline = Date.now() + GONE_WITHIN_MS; Date.now() < deadline; ) {
      const inside = await release.get<Objects>(KINDS);
      const wide = await release.get<Objects>(
        CLUSTER_KINDS,
        '-l',
        `app.kubernetes.io/instance=${release.name}`,
      );
      left = [...inside.items, ...wide.items]
        .map(({ kind, metadata }) => `${kind}/${metadata.name}`)
        .filter((name) => !OF_KUBERNETES.has(name));
      if (left.length === 0) break;
    }
    expectThat(left.length === 0, 'nothing of the release to be left', left);
    const crds = await release.get<Objects>('customresourcedefinitions');
    const ours = crds.items.filter(({ metadata }) => metadata.name.endsWith('.chain.rejuve.io')).length;
    expectThat(ours === 2, 'both CRDs to be kept', ours);
    return `gone in ${took}: no object left in the namespace or the cluster; ${ours} CRDs kept, as asked`;
  },
};
