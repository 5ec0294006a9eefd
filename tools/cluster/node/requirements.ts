import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { missingPrograms, whyNotBuildable } from '../build.ts';
import { cgroupVersion } from './cgroups.ts';
import { NODE_PROGRAMS } from './processes.ts';
import { CNI_PLUGINS } from './settings.ts';

/** Program → the Debian and Ubuntu package that brings it. */
const PACKAGES: Readonly<Record<string, string>> = {
  containerd: 'containerd',
  runc: 'runc',
  buildah: 'buildah',
  iptables: 'iptables',
  conntrack: 'conntrack',
  ip: 'iproute2',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  sysctl: 'procps',
};

/** What a machine must have and has or not; injectable for tests. */
export interface Machine {
  readonly platform: string;
  readonly uid: number;
  readonly capabilities: bigint;
  readonly mounts: string;
  has(program: string): boolean;
  exists(path: string): boolean;
  /** Whether new mount, pid and network namespaces can be made. */
  canIsolate(): boolean;
  notBuildable(): string | undefined;
}

const CAP_NET_ADMIN = 12n;
const CAP_SYS_ADMIN = 21n;

const onPath = (program: string): boolean =>
  `${process.env.PATH ?? ''}:/usr/sbin:/sbin`
    .split(':')
    .some((dir) => dir && existsSync(`${dir}/${program}`));

function thisMachine(): Machine {
  const linux = process.platform === 'linux';
  const status = linux ? readFileSync('/proc/self/status', 'utf8') : '';
  return {
    platform: process.platform,
    uid: process.getuid?.() ?? -1,
    capabilities: BigInt(`0x${/CapEff:\s*([0-9a-f]+)/.exec(status)?.[1] ?? '0'}`),
    mounts: linux ? readFileSync('/proc/mounts', 'utf8') : '',
    has: onPath,
    exists: existsSync,
    canIsolate: () => spawnSync('unshare', ['--mount', '--pid', '--net', '--fork', 'true']).status === 0,
    notBuildable: () => (missingPrograms(NODE_PROGRAMS).length > 0 ? whyNotBuildable() : undefined),
  };
}

export interface Missing {
  /** One sentence each, with what to do. */
  readonly problems: readonly string[];
  /** Packages that would cure the rest; only asked for when nothing worse is wrong. */
  readonly packages: readonly string[];
}

/** Everything that keeps this machine from hosting a cluster; both lists are empty when it can. */
export function findMissing(machine: Machine = thisMachine()): Missing {
  if (machine.platform !== 'linux')
    return {
      problems: [
        `a Kubernetes node needs Linux, and this is ${machine.platform}: set KUBECONFIG to a cluster that you have`,
      ],
      packages: [],
    };
  const problems: string[] = [];
  if (machine.uid !== 0)
    problems.push(
      'a Kubernetes node needs root (mounts, network, cgroups): use sudo, or set KUBECONFIG to a cluster that you have',
    );
  const may = (bit: bigint) => (machine.capabilities >> bit) & 1n;
  if (machine.uid === 0 && !(may(CAP_SYS_ADMIN) && may(CAP_NET_ADMIN)))
    problems.push(
      'this root lacks CAP_SYS_ADMIN or CAP_NET_ADMIN (an unprivileged container?): run it with --privileged or on the machine itself',
    );
  const version = cgroupVersion(machine.mounts);
  if (version === undefined)
    problems.push(
      'no cgroup controllers are mounted at /sys/fs/cgroup: mount cgroup2 there, or start the container with --privileged',
    );
  if (version === 2 && /^\S+ \/sys\/fs\/cgroup cgroup2 ro/m.test(machine.mounts))
    problems.push('/sys/fs/cgroup is mounted read-only: start the container with --privileged');
  const notBuildable = machine.notBuildable();
  if (notBuildable) problems.push(notBuildable);
  const packages = new Set(
    Object.entries(PACKAGES).flatMap(([name, pkg]) => (machine.has(name) ? [] : [pkg])),
  );
  if (!machine.exists(`${CNI_PLUGINS}/ptp`)) packages.add('containernetworking-plugins');
  if (problems.length === 0 && packages.size === 0 && !machine.canIsolate())
    problems.push('the kernel refuses new namespaces (a sandbox?): this machine cannot host a cluster');
  return { problems, packages: [...packages].sort() };
}

/** The sentences for a person; undefined when nothing is missing. */
export function explainMissing({ problems, packages }: Missing): string | undefined {
  if (problems.length === 0 && packages.length === 0) return undefined;
  const lines = problems.map((problem) => `  - ${problem}`);
  if (packages.length > 0)
    lines.push(
      `  - packages: apt-get install --no-install-recommends ${packages.join(' ')}`,
      '    (make cluster-up INSTALL=1 does that; other distributions name them alike)',
    );
  return `This machine cannot host a cluster yet:\n${lines.join('\n')}`;
}

/** Installs Debian packages. Throws with apt's last words. */
export function installPackages(packages: readonly string[], log: (line: string) => void): void {
  log(`installing ${packages.join(', ')} with apt-get`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [
    ['update', '-qq'],
    ['install', '-y', '-qq', '--no-install-recommends', ...packages],
  ]) {
    const run = spawnSync('apt-get', args, { env, encoding: 'utf8' });
    if (run.status !== 0)
      throw new Error(
        `apt-get ${args.join(' ')} failed: ${run.error?.message ?? run.stderr.trim().slice(-800)}`,
      );
  }
}
