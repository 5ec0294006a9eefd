import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadContractsManifest } from '../../lib/contracts-manifest.ts';
import type { StackAccess } from '../demo/stack-access.ts';
import { NoStackError } from '../demo/stack-access.ts';
import type { ChildAction } from '../stack/control-api.ts';
import type { ChildRecord } from '../stack/state.ts';
import type { Release } from './release.ts';

/** Names that the story uses → workloads of the chart. */
const WORKLOADS: Readonly<Record<string, string>> = {
  gateway: 'deployment/gateway',
  'gateway-worker': 'deployment/transactions',
  'gateway-indexer': 'deployment/indexer',
  api: 'deployment/api',
  user: 'deployment/user',
  alpha: 'deployment/provider-alpha',
  beta: 'deployment/provider-beta',
  postgres: 'statefulset/postgres',
  redis: 'statefulset/redis',
  chain: 'statefulset/chain',
};

interface Workload {
  readonly spec: { readonly replicas?: number };
  readonly status: { readonly readyReplicas?: number };
}

/**
 * The same view of a running platform that the demo has of `make up`, over a release in a cluster: URLs are Service
 * addresses, stopping a part scales it to nothing. So the story is the same code in both worlds.
 */
export async function openRelease(release: Release, folder: string): Promise<StackAccess> {
  const full = (workload: string) => workload.replace('/', `/${release.name}-`);
  const record = async (workload: string): Promise<ChildRecord> => {
    const [kind = '', name = ''] = full(workload).split('/');
    const { spec, status } = await release.get<Workload>(kind, name);
    const ready = (status.readyReplicas ?? 0) >= Math.max(1, spec.replicas ?? 1);
    const log = `kubectl -n ${release.namespace} logs ${full(workload)}`;
    return {
      kind: 'service',
      state: ready ? 'ready' : 'starting',
      process: null,
      url: null,
      restarts: 0,
      log,
    };
  };
  const children = async (): Promise<Record<string, ChildRecord>> =>
    Object.fromEntries(
      await Promise.all(
        Object.entries(WORKLOADS).map(async ([name, workload]) => [name, await record(workload)] as const),
      ),
    );

  const manifest = await release.get<{ data: Record<string, string> }>(
    'configmap',
    `${release.name}-contracts`,
  );
  const manifestFile = join(folder, 'contracts.json');
  writeFileSync(manifestFile, Object.values(manifest.data)[0] ?? '');
  const made = `${release.name}-made`;
  const credentials: Record<string, string> = {
    apiKey: await release.secret(made, 'api-bootstrap-key'),
    serviceAuthKeys: await release.secret(made, 'service-auth-keys'),
  };
  for (const pool of ['treasury', 'sponsor', 'lab'])
    credentials[`${pool}PrivateKey`] = await release.secret(`${release.name}-dev-signers`, `${pool}.key`);
  const gateway = await release.url('gateway', 4000);
  const urls: Record<string, string> = {
    gateway,
    rpc: `${gateway}/rpc/31337`,
    api: await release.url('api', 4100),
    user: await release.url('user', 4200),
    chain: await release.url('chain', 8545),
    alpha: await release.url('provider-alpha', 8545),
    beta: await release.url('provider-beta', 8545),
    alphaControl: await release.url('provider-alpha', 9545),
    betaControl: await release.url('provider-beta', 9545),
    gatewayWorker: await podUrl(release, 'transactions', 4001),
    gatewayIndexer: await podUrl(release, 'indexer', 4002),
  };
  const named = (kind: string, map: Readonly<Record<string, string>>) => (name: string) => {
    const value = map[name];
    if (value === undefined) throw new NoStackError(`the release has no ${kind} "${name}"`);
    return value;
  };
  const state = {
    version: 1 as const,
    supervisor: { pid: process.pid, mark: '' },
    startedAt: new Date().toISOString(),
    ready: true,
    control: { url: '', token: '' },
    children: await children(),
    urls,
    credentials,
    files: { contracts: manifestFile, logs: `kubectl -n ${release.namespace} logs` },
    chainId: 31_337,
  };
  return {
    state,
    control: {
      state: async () => ({ ...state, children: await children() }),
      child: async (name: string, action: ChildAction) => {
        const workload = full(WORKLOADS[name] ?? `deployment/${name}`);
        if (action === 'stop') await release.kubectl('scale', workload, '--replicas=0');
        else if (action === 'start') await release.kubectl('scale', workload, '--replicas=1');
        else await release.kubectl('rollout', 'restart', workload);
        return await record(WORKLOADS[name] ?? `deployment/${name}`);
      },
    } as unknown as StackAccess['control'],
    manifest: loadContractsManifest(manifestFile),
    url: named('URL', urls),
    credential: named('credential', credentials),
    logOf: (service) => state.children[service]?.log,
  };
}

/** Parts without a Service are scraped at their pods; this machine reaches those of its own cluster only. */
async function podUrl(release: Release, component: string, port: number): Promise<string> {
  const { items } = await release.get<{ items: { status: { podIP?: string; phase: string } }[] }>(
    'pods',
    ...['-l', `app.kubernetes.io/instance=${release.name},app.kubernetes.io/component=${component}`],
  );
  const ip = items.find(({ status }) => status.phase === 'Running' && status.podIP)?.status.podIP;
  return ip === undefined ? '' : `http://${ip}:${port}`;
}
