import { join } from 'node:path';
import type { ProgramName } from '../programs.ts';
import type { Network } from './network.ts';
import { type Files, NODE_NAME } from './settings.ts';

/** A part of the cluster, as the supervisor runs it. */
export interface ProcessPlan {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}

export const PARTS = [
  'etcd',
  'containerd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
] as const;
export type PartName = (typeof PARTS)[number];

export const NODE_PROGRAMS = [
  ...['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet', 'kube-proxy'],
  ...['kubectl', 'coredns'],
] as readonly ProgramName[];

/** What runs inside the node's namespaces, and with which flags. */
export function planProcesses(options: {
  folder: string;
  network: Network;
  files: Files;
  programs: Record<ProgramName, string>;
}): ProcessPlan[] {
  const { folder, network, files, programs } = options;
  const file = (name: string): string => {
    const path = files[name];
    if (path === undefined) throw new Error(`no file ${name}`);
    return path;
  };
  const args: Record<PartName, string[]> = {
    etcd: [
      `--data-dir=${join(folder, 'etcd')}`,
      // A throw-away database: without fsync it is several times faster.
      '--unsafe-no-fsync',
      '--listen-client-urls=http://127.0.0.1:2379',
      '--advertise-client-urls=http://127.0.0.1:2379',
      '--listen-peer-urls=http://127.0.0.1:2380',
      '--log-level=warn',
    ],
    containerd: ['--config', file('containerd.toml')],
    'kube-apiserver': [
      '--etcd-servers=http://127.0.0.1:2379',
      `--bind-address=${network.node}`,
      `--advertise-address=${network.node}`,
      '--secure-port=6443',
      `--tls-cert-file=${file('apiserver.crt')}`,
      `--tls-private-key-file=${file('apiserver.key')}`,
      `--client-ca-file=${file('ca.crt')}`,
      '--authorization-mode=Node,RBAC',
      '--enable-admission-plugins=NodeRestriction',
      '--allow-privileged=true',
      `--service-cluster-ip-range=${network.serviceCidr}`,
      '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
      `--service-account-key-file=${file('sa.pub')}`,
      `--service-account-signing-key-file=${file('sa.key')}`,
      `--kubelet-client-certificate=${file('kubelet-client.crt')}`,
      `--kubelet-client-key=${file('kubelet-client.key')}`,
      `--kubelet-certificate-authority=${file('ca.crt')}`,
      // Nothing here resolves the node's name.
      '--kubelet-preferred-address-types=InternalIP',
      '--profiling=false',
    ],
    'kube-controller-manager': [
      `--kubeconfig=${file('controller-manager.kubeconfig')}`,
      '--leader-elect=false',
      '--bind-address=127.0.0.1',
      `--service-account-private-key-file=${file('sa.key')}`,
      `--root-ca-file=${file('ca.crt')}`,
      '--use-service-account-credentials=true',
      '--node-monitor-period=2s',
      '--kube-api-qps=100',
      '--kube-api-burst=200',
    ],
    'kube-scheduler': [
      `--kubeconfig=${file('scheduler.kubeconfig')}`,
      '--leader-elect=false',
      '--bind-address=127.0.0.1',
    ],
    kubelet: [
      `--config=${file('kubelet.yaml')}`,
      `--kubeconfig=${file('node.kubeconfig')}`,
      `--root-dir=${join(folder, 'kubelet')}`,
      `--hostname-override=${NODE_NAME}`,
      `--node-ip=${network.node}`,
      `--cert-dir=${join(folder, 'kubelet-certificates')}`,
    ],
    'kube-proxy': [
      `--kubeconfig=${file('kube-proxy.kubeconfig')}`,
      `--hostname-override=${NODE_NAME}`,
      '--proxy-mode=iptables',
      `--cluster-cidr=${network.podCidr}`,
      // The connection table belongs to the machine.
      '--conntrack-max-per-core=0',
      '--conntrack-tcp-timeout-established=0s',
      '--conntrack-tcp-timeout-close-wait=0s',
      '--oom-score-adj=0',
      '--healthz-bind-address=127.0.0.1:10256',
      // Services change while they are rolled out under load: rules follow at once.
      '--iptables-min-sync-period=100ms',
    ],
  };
  return PARTS.map((name) => ({
    name,
    command: name === 'containerd' ? 'containerd' : programs[name],
    args: args[name],
  }));
}
