import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A program that is built from pinned Go modules. */
export interface Program {
  readonly name: string;
  /** Folder under modules/ whose go.mod and go.sum pin every line of its source. */
  readonly module: string;
  /** The main package. */
  readonly package: string;
  /** The module whose version is the program's version. */
  readonly versionOf: string;
  readonly ldflags: (version: string) => string;
  /** Go build tags, comma-separated. */
  readonly tags?: string;
}

const strip = () => '-s -w';

/** Kubernetes programs refuse to say their version (and skew checks go wrong) unless it is linked in. */
function kubernetesVersion(version: string): string {
  const [major, minor] = version.replace(/^v/, '').split('.');
  const set = (key: string, value: string) => `-X k8s.io/component-base/version.${key}=${value}`;
  return [
    '-s -w',
    set('gitVersion', version),
    set('gitMajor', major ?? ''),
    set('gitMinor', minor ?? ''),
    set('gitTreeState', 'clean'),
  ].join(' ');
}

const kubernetes = (name: string): Program => ({
  name,
  module: 'kubernetes',
  package: `k8s.io/kubernetes/cmd/${name}`,
  versionOf: 'k8s.io/kubernetes',
  ldflags: kubernetesVersion,
});

/** Only Kubernetes service discovery is built in: the SDKs of the clouds are most of its size, and none is used. */
const prometheus = (name: string): Program => ({
  name,
  module: 'prometheus',
  package: `github.com/prometheus/prometheus/cmd/${name}`,
  versionOf: 'github.com/prometheus/prometheus',
  ldflags: strip,
  tags: 'remove_all_sd,enable_kubernetes_sd',
});

/** Helm tells charts its version (`.Capabilities.HelmVersion`), and without it calls itself a development build. */
const helmVersion = (version: string): string =>
  `-s -w -X helm.sh/helm/v3/internal/version.version=${version} -X helm.sh/helm/v3/internal/version.gitTreeState=clean`;

export const PROGRAMS = {
  etcd: {
    name: 'etcd',
    module: 'etcd',
    package: 'go.etcd.io/etcd/server/v3',
    versionOf: 'go.etcd.io/etcd/server/v3',
    ldflags: strip,
  },
  'kube-apiserver': kubernetes('kube-apiserver'),
  'kube-controller-manager': kubernetes('kube-controller-manager'),
  'kube-scheduler': kubernetes('kube-scheduler'),
  'kube-proxy': kubernetes('kube-proxy'),
  kubelet: kubernetes('kubelet'),
  kubectl: {
    name: 'kubectl',
    module: 'kubectl',
    // The only program with a main package of ours; see modules/kubectl/main.go.
    package: '.',
    versionOf: 'k8s.io/kubectl',
    ldflags: (version) => kubernetesVersion(version.replace('v0.', 'v1.')),
  },
  helm: {
    name: 'helm',
    module: 'helm',
    package: 'helm.sh/helm/v3/cmd/helm',
    versionOf: 'helm.sh/helm/v3',
    ldflags: helmVersion,
  },
  kubeconform: {
    name: 'kubeconform',
    module: 'kubeconform',
    package: 'github.com/yannh/kubeconform/cmd/kubeconform',
    versionOf: 'github.com/yannh/kubeconform',
    ldflags: (version) => `-s -w -X main.version=${version}`,
  },
  'kube-score': {
    name: 'kube-score',
    module: 'kube-score',
    package: 'github.com/zegl/kube-score/cmd/kube-score',
    versionOf: 'github.com/zegl/kube-score',
    ldflags: strip,
  },
  coredns: {
    name: 'coredns',
    module: 'coredns',
    package: 'github.com/coredns/coredns',
    versionOf: 'github.com/coredns/coredns',
    ldflags: strip,
  },
  k6: { name: 'k6', module: 'k6', package: 'go.k6.io/k6', versionOf: 'go.k6.io/k6', ldflags: strip },
  prometheus: prometheus('prometheus'),
  promtool: prometheus('promtool'),
} as const satisfies Record<string, Program>;

export type ProgramName = keyof typeof PROGRAMS;

export const moduleFolder = (program: Program): string =>
  join(import.meta.dirname, 'modules', program.module);

/** The pinned version, from go.mod. Throws when the module is not required there. */
export function versionOf(program: Program): string {
  const text = readFileSync(join(moduleFolder(program), 'go.mod'), 'utf8');
  for (const line of text.split('\n')) {
    const [module, version] = line
      .replace(/^\s*require\s+/, '')
      .trim()
      .split(/\s+/);
    if (module === program.versionOf && version?.startsWith('v')) return version;
  }
  throw new Error(`${program.versionOf} is not required in tools/cluster/modules/${program.module}/go.mod`);
}
