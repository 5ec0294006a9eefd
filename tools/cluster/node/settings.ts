import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createAuthority, createSigningKey } from '../certificates.ts';
import type { Network } from './network.ts';

export const NODE_NAME = 'rejuve-node';
export const PAUSE_IMAGE = 'localhost/pause:3';

/** Where the distribution's package puts the CNI plugins. */
export const CNI_PLUGINS = '/usr/lib/cni';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

function kubeconfig(server: string, ca: string, user: { cert: string; key: string }): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'rejuve', cluster: { server, 'certificate-authority-data': base64(ca) } }],
    users: [
      {
        name: 'rejuve',
        user: { 'client-certificate-data': base64(user.cert), 'client-key-data': base64(user.key) },
      },
    ],
    contexts: [{ name: 'rejuve', context: { cluster: 'rejuve', user: 'rejuve', namespace: 'default' } }],
    'current-context': 'rejuve',
  });
}

/** Files of one cluster, by name, as absolute paths. */
export type Files = Record<string, string>;

/** Writes certificates, kubeconfigs and settings of every part. They live as long as the cluster. */
export function writeSettings(options: { folder: string; network: Network; cgroup: string }): Files {
  const { folder, network, cgroup } = options;
  const authority = createAuthority(`rejuve cluster ${network.prefix}`);
  const signing = createSigningKey();
  const server = `https://${network.node}:6443`;
  const client = (commonName: string, ...organizations: string[]) =>
    kubeconfig(server, authority.cert, authority.issue({ commonName, organizations }));
  const apiserver = authority.issue({
    commonName: 'kube-apiserver',
    names: [
      ...['127.0.0.1', 'localhost', network.node, network.apiService],
      ...[
        'kubernetes',
        'kubernetes.default',
        'kubernetes.default.svc',
        'kubernetes.default.svc.cluster.local',
      ],
    ],
  });
  const node = authority.issue({
    commonName: `system:node:${NODE_NAME}`,
    organizations: ['system:nodes'],
    names: [NODE_NAME, network.node],
  });
  const kubeletClient = authority.issue({ commonName: 'kubelet-client', organizations: ['system:masters'] });

  const contents: Record<string, string> = {
    'ca.crt': authority.cert,
    'sa.key': signing.privateKey,
    'sa.pub': signing.publicKey,
    'apiserver.crt': apiserver.cert,
    'apiserver.key': apiserver.key,
    'kubelet.crt': node.cert,
    'kubelet.key': node.key,
    'kubelet-client.crt': kubeletClient.cert,
    'kubelet-client.key': kubeletClient.key,
    'admin.kubeconfig': client('admin', 'system:masters'),
    'controller-manager.kubeconfig': client('system:kube-controller-manager'),
    'scheduler.kubeconfig': client('system:kube-scheduler'),
    'kube-proxy.kubeconfig': client('system:kube-proxy', 'system:node-proxier'),
    'node.kubeconfig': kubeconfig(server, authority.cert, node),
    'containerd.toml': containerdToml(folder),
    'kubelet.yaml': JSON.stringify(kubeletConfiguration(folder, network, cgroup), null, 2),
    'cni/10-rejuve.conflist': JSON.stringify(cniConfiguration(network), null, 2),
    // Pods resolve through CoreDNS; the cluster has no way out, so there is no resolver behind it.
    'resolv.conf': '',
  };
  const files: Files = {};
  mkdirSync(join(folder, 'cni'), { recursive: true });
  for (const [name, content] of Object.entries(contents)) {
    files[name] = join(folder, name);
    writeFileSync(join(folder, name), content, { mode: 0o600 });
  }
  return files;
}

function cniConfiguration(network: Network): object {
  return {
    cniVersion: '0.4.0',
    name: 'rejuve',
    plugins: [
      {
        // Every pod hangs on its own cable and everything between pods is routed: so what kube-proxy translates is
        // translated back, also on kernels whose bridges do not ask the firewall (br_netfilter).
        type: 'ptp',
        ipMasq: false,
        ipam: { type: 'host-local', ranges: [[{ subnet: network.podCidr }]], routes: [{ dst: '0.0.0.0/0' }] },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  };
}

function containerdToml(folder: string): string {
  return `version = 2
root = "${folder}/containerd"
state = "/run/containerd"
oom_score = 0
[grpc]
  address = "${folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE_IMAGE}"
  # Without the right to lower oom_score_adj (CAP_SYS_RESOURCE) every sandbox would fail otherwise.
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${CNI_PLUGINS}"
    conf_dir = "${folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
`;
}

function kubeletConfiguration(folder: string, network: Network, cgroup: string): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: network.node,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: join(folder, 'ca.crt') },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: join(folder, 'kubelet.crt'),
    tlsPrivateKeyFile: join(folder, 'kubelet.key'),
    cgroupDriver: 'cgroupfs',
    cgroupRoot: cgroup,
    failCgroupV1: false,
    enforceNodeAllocatable: [],
    failSwapOn: false,
    oomScoreAdj: 0,
    clusterDNS: [network.dnsService],
    clusterDomain: 'cluster.local',
    resolvConf: join(folder, 'resolv.conf'),
    containerRuntimeEndpoint: `unix://${join(folder, 'containerd.sock')}`,
    podLogsDir: '/var/log/pods',
    maxPods: 250,
    registerNode: true,
    // The disk is the machine's own: a full one elsewhere must not evict pods here, nor old images vanish.
    evictionHard: {
      'memory.available': '100Mi',
      'nodefs.available': '1%',
      'imagefs.available': '1%',
      'nodefs.inodesFree': '1%',
    },
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    nodeStatusUpdateFrequency: '5s',
    syncFrequency: '10s',
    serializeImagePulls: false,
    shutdownGracePeriod: '0s',
    // Settings of the whole machine's kernel are not ours to change.
    protectKernelDefaults: false,
  };
}
