import { describe, expect, it } from '@jest/globals';
import { hasHelm, type Rendered, render } from './helm.ts';

const withHelm = hasHelm() ? describe : describe.skip;

interface Peer {
  readonly podSelector?: { matchLabels: Record<string, string> };
  readonly ipBlock?: { cidr: string };
  readonly namespaceSelector?: object;
}

const component = (labels: Record<string, string>): string => labels['app.kubernetes.io/component'] ?? '*';

/** `from → to:port` for every arrow inside the release that both ends allow. */
function arrows(objects: readonly Rendered[]): string[] {
  const policies = objects.filter(({ kind }) => kind === 'NetworkPolicy');
  const out = new Set<string>();
  const into = new Set<string>();
  for (const { spec } of policies) {
    const self = component(spec.podSelector.matchLabels);
    for (const rule of spec.egress ?? [])
      for (const peer of (rule.to ?? []) as Peer[])
        for (const { port } of rule.ports)
          if (peer.podSelector && !peer.namespaceSelector)
            out.add(`${self} → ${component(peer.podSelector.matchLabels)}:${port}`);
    for (const rule of spec.ingress ?? [])
      for (const peer of (rule.from ?? []) as Peer[])
        for (const { port } of rule.ports)
          if (peer.podSelector && !peer.namespaceSelector)
            into.add(`${component(peer.podSelector.matchLabels)} → ${self}:${port}`);
  }
  // An arrow that only one end allows carries nothing: a slip.
  expect([...out].filter((arrow) => !into.has(arrow))).toEqual([]);
  expect([...into].filter((arrow) => !out.has(arrow))).toEqual([]);
  return [...out].filter((arrow) => !arrow.startsWith('test ')).sort();
}

withHelm('network policies', () => {
  it('are the arrows of the architecture and nothing else', () => {
    const data = ['postgres:5432', 'redis:6379'];
    const chain = ['gateway', 'indexer', 'rpc-workers', 'transactions'];
    expect(arrows(render({ presets: ['dev'] }))).toEqual(
      [
        ...[...chain, 'api', 'user', 'notifications'].flatMap((from) => data.map((to) => `${from} → ${to}`)),
        ...[...chain, 'controller'].map((from) => `${from} → provider:8545`),
        'controller → redis:6379',
        'controller → gateway:4000',
        'api → gateway:4000',
        'api → user:4200',
        'user → gateway:4000',
        'notifications → gateway:4000',
        ...[
          'gateway:4000',
          'transactions:4001',
          'rpc-workers:4001',
          'indexer:4002',
          'api:4100',
          'user:4200',
        ].map((to) => `console → ${to}`),
        'console → notifications:4200',
        'console → controller:4300',
        'console → postgres:5432',
        'provider → chain:8545',
        'contracts → chain:8545',
      ].sort(),
    );
  });

  it('deny everything else for every pod of the release', () => {
    const deny = render({ presets: ['dev'] }).find(({ metadata }) => metadata.name === 'rejuve-default-deny');
    expect(deny?.spec).toEqual({
      podSelector: {
        matchLabels: { 'app.kubernetes.io/name': 'rejuve-platform', 'app.kubernetes.io/instance': 'rejuve' },
      },
      policyTypes: ['Ingress', 'Egress'],
    });
  });

  it('let only published parts be called from outside, and only the controller, the console and jobs reach the Kubernetes API', () => {
    const objects = render({ presets: ['production'] });
    const ports = (rules: { ports: { port: number }[] }[]) =>
      rules.flatMap((rule) => rule.ports.map(({ port }) => port));
    const policies = objects.filter(({ kind }) => kind === 'NetworkPolicy');
    const fromIngress = policies.filter(({ spec }) =>
      JSON.stringify(spec.ingress ?? []).includes('ingress-nginx'),
    );
    expect(fromIngress.map(({ metadata }) => metadata.name).sort()).toEqual(['rejuve-api', 'rejuve-user']);
    const toApi = policies.filter(({ spec }) => ports(spec.egress ?? []).includes(6443));
    expect(toApi.map(({ metadata }) => metadata.name).sort()).toEqual([
      'rejuve-console',
      'rejuve-controller',
      'rejuve-crds',
    ]);
  });
});
