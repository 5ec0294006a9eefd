import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import Bull from 'bull';
import { parse } from 'yaml';
import { workerSlotsKey } from '../lib/worker-slots.ts';
import { createTestRedis, type TestRedis } from '../tools/testing/test-redis.ts';
import type { KubeObject } from './api.ts';
import { PROVIDERS_KEY, providersSecretName } from './chain-provider/reconcile.ts';
import { RPC_WORKER_POOLS } from './resources.ts';
import type { Resource } from './runtime/kube-client.ts';
import { LEASES, PODS, SECRETS } from './runtime/resources.ts';
import { eventually, startTestCluster, type TestCluster } from './testing/cluster.ts';
import { type ControllerProcess, startControllerProcess } from './testing/controller-process.ts';

interface Rule {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
}
const file = join(import.meta.dirname, '..', 'charts', 'rejuve-platform', 'files', 'controller-rules.yaml');
const rules = parse(readFileSync(file, 'utf8')) as { namespaced: Rule[]; election: Rule[] };
const resource = (plural: string, kind: string, namespaced: boolean): Resource<KubeObject> => ({
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  plural,
  kind,
  namespaced,
});
const USER = 'the-controller';
const folder = mkdtempSync(join(tmpdir(), 'audit-'));
const auditLog = join(folder, 'audit.log');

let cluster: TestCluster;
let redis: TestRedis;
let controller: ControllerProcess;
let queue: Bull.Queue;

/** `get apps/deployments` for everything that the rules allow. */
const granted = (list: Rule[]): string[] =>
  list.flatMap((rule) =>
    rule.apiGroups.flatMap((group) =>
      rule.resources.flatMap((r) => rule.verbs.map((verb) => `${verb} ${group}/${r}`)),
    ),
  );

beforeAll(async () => {
  const policy = join(folder, 'policy.yaml');
  writeFileSync(policy, 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n');
  [cluster, redis] = await Promise.all([
    startTestCluster({
      apiserverArgs: [`--audit-policy-file=${policy}`, `--audit-log-path=${auditLog}`],
      controllers: ['deployment-controller', 'replicaset-controller'],
    }),
    createTestRedis(),
  ]);
  await cluster.namespace('apps');
  await cluster.namespace('system');
  const bind = async (namespace: string, name: string, list: Rule[]) => {
    await cluster.admin.apply(
      resource('roles', 'Role', true),
      { metadata: { name, namespace }, rules: list } as KubeObject,
      { fieldManager: 'test' },
    );
    await cluster.admin.apply(
      resource('rolebindings', 'RoleBinding', true),
      {
        metadata: { name, namespace },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
        subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: USER }],
      } as KubeObject,
      { fieldManager: 'test' },
    );
  };
  await bind('apps', 'controller', rules.namespaced);
  await bind('system', 'controller-election', rules.election);
});
afterAll(async () => {
  await controller?.stop();
  await queue?.close();
  await redis?.drop();
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('the permissions in the chart', () => {
  it('are all needed, and enough for everything the controller does', async () => {
    controller = startControllerProcess({
      name: 'pod',
      kubeconfig: cluster.plane.kubeconfigFor({ name: USER }),
      redisUrl: redis.url,
      env: { WATCH_NAMESPACE: 'apps', LEASE_NAMESPACE: 'system' },
    });
    await eventually(async () =>
      expect((await cluster.admin.get(LEASES, 'system', 'rejuve-controller')).spec?.holderIdentity).toMatch(
        /^pod_/,
      ),
    );

    // Everything it can do, once: probe and compile, read a Redis Secret, scale up, mark busy pods, scale down, tell.
    await cluster.provider('apps', 'alpha', {}, 'http://127.0.0.1:1');
    await eventually(async () =>
      expect(await cluster.admin.get(SECRETS, 'apps', providersSecretName(31337))).toMatchObject({
        data: { [PROVIDERS_KEY]: expect.any(String) },
      }),
    );
    await cluster.provider('apps', 'beta', {}, 'http://127.0.0.1:2');
    await cluster.deployment('apps', 'workers', 4);
    await eventually(async () =>
      expect((await cluster.admin.list(PODS, { namespace: 'apps' })).items.length).toBe(4),
    );
    const [busiest] = (await cluster.admin.list(PODS, { namespace: 'apps' })).items;
    await cluster.secret('apps', 'redis', { url: redis.url });
    queue = new Bull('q', redis.url);
    await queue.isReady();
    await queue.client.hset(
      workerSlotsKey({ prefix: 'bull', name: 'q' }),
      busiest?.metadata?.name as string,
      `3 ${Date.now() + 60_000}`,
    );
    await cluster.pool('apps', 'pool', {
      queue: { name: 'q', redisSecretRef: { name: 'redis' } },
      // A chain without providers: the dead ones above would hold the scale.
      chainId: 5,
      minReplicas: 5,
      behavior: {
        scaleDown: {
          stabilizationWindowSeconds: 0,
          policies: [{ type: 'Pods', value: 10, periodSeconds: 1 }],
        },
      },
    });
    await eventually(async () => expect(await cluster.replicas('apps', 'workers')).toBe(5));
    await cluster.admin.mergePatch(RPC_WORKER_POOLS, 'apps', 'pool', {
      spec: { minReplicas: 1, maxReplicas: 2 },
    });
    await eventually(async () => expect(await cluster.replicas('apps', 'workers')).toBe(1));
    // The busy pod stayed, the idle ones went.
    await eventually(async () => {
      const left = (await cluster.admin.list(PODS, { namespace: 'apps' })).items.filter(
        (pod) => !pod.metadata?.deletionTimestamp,
      );
      expect(left.map((pod) => pod.metadata?.name)).toEqual([busiest?.metadata?.name]);
    });
    controller.signal('SIGTERM');
    expect(await controller.exited).toBe(0);

    await eventually(async () => expect(existsSync(auditLog)).toBe(true));
    const used = new Set<string>();
    const refused: string[] = [];
    for (const line of readFileSync(auditLog, 'utf8').trim().split('\n')) {
      const entry = JSON.parse(line) as {
        user: { username: string };
        verb: string;
        stage: string;
        objectRef?: { apiGroup?: string; resource: string; subresource?: string };
        responseStatus?: { code: number };
      };
      if (entry.user.username !== USER || !entry.objectRef) continue;
      const { apiGroup = '', resource: plural, subresource } = entry.objectRef;
      const what = `${entry.verb} ${apiGroup}/${plural}${subresource ? `/${subresource}` : ''}`;
      used.add(what);
      if (entry.responseStatus?.code === 403) refused.push(what);
    }
    expect(refused).toEqual([]);
    const all = [...granted(rules.namespaced), ...granted(rules.election)];
    // Server-side apply that creates is authorised as create as well, and is logged as patch. A repeated Event is
    // patched after a minute of silence, longer than this test.
    const implied = new Set(['create /secrets', 'patch events.k8s.io/events']);
    expect(all.filter((permission) => !used.has(permission) && !implied.has(permission))).toEqual([]);
    expect([...used].filter((permission) => !all.includes(permission))).toEqual([]);
  });
});
