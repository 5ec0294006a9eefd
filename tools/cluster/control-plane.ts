import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, fetch } from 'undici';
import { freePort } from '../stack/parts/free-port.ts';
import { buildPrograms } from './build.ts';
import { createAuthority, createSigningKey } from './certificates.ts';
import { type ManagedProcess, manageProcess, waitFor } from './process.ts';
import type { ProgramName } from './programs.ts';

const PREFIX = 'rejuve-control-plane-';
/** A cold API server on two busy cores needs about ten seconds. */
const READY_TIMEOUT_MS = 120_000;
/** What tests need of the controller manager: Deployments become ReplicaSets become Pods, owners take their own along. */
const DEFAULT_CONTROLLERS = [
  'deployment-controller',
  'replicaset-controller',
  'garbage-collector-controller',
  'namespace-controller',
  'serviceaccount-controller',
  'serviceaccount-token-controller',
  'root-ca-certificate-publisher-controller',
  'horizontal-pod-autoscaler-controller',
];

/** A real Kubernetes API: etcd, kube-apiserver and (unless `controllers` is empty) kube-controller-manager. No nodes. */
export interface ControlPlane {
  /** https://127.0.0.1:PORT */
  readonly url: string;
  readonly port: number;
  readonly caCert: string;
  /** A kubeconfig file of cluster-admin. */
  readonly kubeconfig: string;
  /** A kubeconfig (YAML text) of any user; `server` replaces the address, for a proxy in between. */
  kubeconfigFor(user: { name: string; groups?: string[]; server?: string }): string;
  readonly etcd: ManagedProcess;
  readonly apiserver: ManagedProcess;
  readonly controllerManager: ManagedProcess | undefined;
  /** Resolves when the API server answers /readyz. */
  ready(): Promise<void>;
  /** Throws away etcd's history up to now: a watch from an older revision gets 410 Gone. */
  compact(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts a control plane of its own on free ports of 127.0.0.1, about five seconds once the programs are cached.
 * What an interrupted run left behind is ended first.
 */
export async function startControlPlane(
  options: {
    controllers?: readonly string[];
    log?: (line: string) => void;
    apiserverArgs?: readonly string[];
  } = {},
): Promise<ControlPlane> {
  reapAbandoned();
  const controllers = options.controllers ?? DEFAULT_CONTROLLERS;
  const names: ProgramName[] = [
    'etcd',
    'kube-apiserver',
    ...(controllers.length > 0 ? (['kube-controller-manager'] as const) : []),
  ];
  const programs = await buildPrograms(names, options.log);
  const folder = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
  const [etcdPort, peerPort, port] = [await freePort(), await freePort(), await freePort()];
  const url = `https://127.0.0.1:${port}`;

  const authority = createAuthority('rejuve test cluster');
  const signing = createSigningKey();
  const files = writeFiles(folder, {
    'ca.crt': authority.cert,
    'sa.key': signing.privateKey,
    'sa.pub': signing.publicKey,
    ...pair(
      'apiserver',
      authority.issue({
        commonName: 'kube-apiserver',
        names: ['127.0.0.1', 'localhost', 'kubernetes.default.svc'],
      }),
    ),
  });
  const kubeconfigFor: ControlPlane['kubeconfigFor'] = ({ name, groups = [], server = url }) => {
    const client = authority.issue({ commonName: name, organizations: groups });
    return kubeconfig({ server, ca: authority.cert, ...client });
  };
  const adminFile = join(folder, 'admin.kubeconfig');
  const admin = { commonName: 'admin', organizations: ['system:masters'] };
  const adminCertificate = authority.issue(admin);
  writeFileSync(adminFile, kubeconfig({ server: url, ca: authority.cert, ...adminCertificate }), {
    mode: 0o600,
  });

  const etcd = manageProcess({
    name: 'etcd',
    command: programs.etcd,
    folder,
    args: [
      '--data-dir=etcd',
      // A throw-away database: skipping fsync makes it several times faster.
      '--unsafe-no-fsync',
      `--listen-client-urls=http://127.0.0.1:${etcdPort}`,
      `--advertise-client-urls=http://127.0.0.1:${etcdPort}`,
      `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
      '--log-level=warn',
    ],
  });
  const apiserver = manageProcess({
    name: 'kube-apiserver',
    command: programs['kube-apiserver'],
    folder,
    args: [
      `--etcd-servers=http://127.0.0.1:${etcdPort}`,
      '--bind-address=127.0.0.1',
      '--advertise-address=127.0.0.1',
      `--secure-port=${port}`,
      `--tls-cert-file=${files['apiserver.crt']}`,
      `--tls-private-key-file=${files['apiserver.key']}`,
      `--client-ca-file=${files['ca.crt']}`,
      '--authorization-mode=RBAC',
      '--service-cluster-ip-range=10.0.0.0/24',
      `--service-account-issuer=${url}`,
      `--service-account-key-file=${files['sa.pub']}`,
      `--service-account-signing-key-file=${files['sa.key']}`,
      '--disable-admission-plugins=ServiceAccount',
      '--watch-cache=true',
      '--profiling=false',
      ...(options.apiserverArgs ?? []),
    ],
  });
  const controllerManager =
    controllers.length === 0
      ? undefined
      : manageProcess({
          name: 'kube-controller-manager',
          command: programs['kube-controller-manager'],
          folder,
          args: [
            `--kubeconfig=${adminFile}`,
            `--controllers=${controllers.join(',')}`,
            '--leader-elect=false',
            '--secure-port=0',
            `--service-account-private-key-file=${files['sa.key']}`,
            `--root-ca-file=${files['ca.crt']}`,
            '--concurrent-deployment-syncs=10',
            '--kube-api-qps=200',
            '--kube-api-burst=400',
          ],
        });

  const agent = new Agent({
    connect: { ca: authority.cert, cert: adminCertificate.cert, key: adminCertificate.key },
  });
  const plane: ControlPlane = {
    url,
    port,
    caCert: authority.cert,
    kubeconfig: adminFile,
    kubeconfigFor,
    etcd,
    apiserver,
    controllerManager,
    ready: () =>
      waitFor(
        apiserver,
        async () => (await fetch(`${url}/readyz`, { dispatcher: agent })).ok,
        READY_TIMEOUT_MS,
      ),
    async compact() {
      const post = async (path: string, body: unknown): Promise<{ header?: { revision?: string } }> => {
        const response = await fetch(`http://127.0.0.1:${etcdPort}${path}`, {
          method: 'POST',
          body: JSON.stringify(body),
        });
        if (!response.ok) throw new Error(`etcd ${path}: ${response.status} ${await response.text()}`);
        return (await response.json()) as { header?: { revision?: string } };
      };
      const { header } = await post('/v3/kv/range', { key: 'AA==', limit: '1' });
      await post('/v3/kv/compaction', { revision: header?.revision, physical: true });
    },
    async stop() {
      // The API server goes before its database, or it spends its last seconds on errors.
      await controllerManager?.stop('SIGKILL');
      await apiserver.stop('SIGKILL');
      await etcd.stop('SIGKILL');
      await agent.destroy();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  try {
    etcd.start();
    await waitFor(
      etcd,
      async () => (await fetch(`http://127.0.0.1:${etcdPort}/health`)).ok,
      READY_TIMEOUT_MS,
    );
    apiserver.start();
    await plane.ready();
    controllerManager?.start();
  } catch (error) {
    await plane.stop();
    throw error;
  }
  return plane;
}

const pair = (name: string, certificate: { cert: string; key: string }) => ({
  [`${name}.crt`]: certificate.cert,
  [`${name}.key`]: certificate.key,
});

function writeFiles(folder: string, contents: Record<string, string>): Record<string, string> {
  const paths: Record<string, string> = {};
  for (const [name, content] of Object.entries(contents)) {
    const path = join(folder, name);
    writeFileSync(path, content, { mode: 0o600 });
    paths[name] = path;
  }
  return paths;
}

function kubeconfig(user: { server: string; ca: string; cert: string; key: string }): string {
  const encode = (text: string): string => Buffer.from(text).toString('base64');
  return JSON.stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [
        { name: 'test', cluster: { server: user.server, 'certificate-authority-data': encode(user.ca) } },
      ],
      users: [
        {
          name: 'user',
          user: { 'client-certificate-data': encode(user.cert), 'client-key-data': encode(user.key) },
        },
      ],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'user', namespace: 'default' } }],
      'current-context': 'test',
    },
    null,
    2,
  );
}

/** Ends the processes of control planes whose starter is gone, by the pids it wrote down, and removes their folders. */
function reapAbandoned(): void {
  for (const entry of readdirSync(tmpdir())) {
    const owner = entry.startsWith(PREFIX) ? Number(entry.slice(PREFIX.length).split('-')[0]) : Number.NaN;
    if (Number.isNaN(owner) || existsSync(`/proc/${owner}`)) continue;
    const folder = join(tmpdir(), entry);
    for (const file of readdirSync(folder).filter((f) => f.endsWith('.pid'))) {
      const pid = Number(readFileSync(join(folder, file), 'utf8'));
      // The pid may belong to somebody else by now: only a process that works in this very folder is ours.
      if (pid > 0 && existsSync(`/proc/${pid}/cmdline`) && runsIn(pid, folder)) process.kill(pid, 'SIGKILL');
    }
    rmSync(folder, { recursive: true, force: true });
  }
}

function runsIn(pid: number, folder: string): boolean {
  const cwd = join('/proc', String(pid), 'cwd');
  try {
    return readlinkSync(cwd) === folder;
  } catch (error) {
    // Gone in between, or not ours to look at: then it is not ours to end either.
    if (['ENOENT', 'EACCES', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}
