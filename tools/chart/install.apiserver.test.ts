import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parse, stringify } from 'yaml';
import { buildPrograms } from '../cluster/build.ts';
import { type ControlPlane, startControlPlane } from '../cluster/control-plane.ts';
import { eventually } from '../testing/eventually.ts';
import { CHART, helm } from './helm.ts';

/**
 * The chart against a real API server and controller manager: what only a cluster can answer. There are no nodes, so hooks
 * are left out and pods stay pending; that they are admitted is what is looked at.
 */
const CONTROLLERS = [
  'deployment-controller',
  'replicaset-controller',
  'statefulset-controller',
  'garbage-collector-controller',
  'namespace-controller',
  'serviceaccount-controller',
  'root-ca-certificate-publisher-controller',
];

let plane: ControlPlane;
let kubectlPath: string;

beforeAll(async () => {
  const programs = await buildPrograms(['helm', 'kubectl']);
  kubectlPath = programs.kubectl;
  plane = await startControlPlane({ controllers: CONTROLLERS });
}, 300_000);
afterAll(() => plane?.stop());

function kubectl(args: readonly string[], input?: string): string {
  return execFileSync(kubectlPath, ['--kubeconfig', plane.kubeconfig, ...args], {
    encoding: 'utf8',
    input: input ?? '',
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}
// biome-ignore lint/suspicious/noExplicitAny: objects of all kinds, of which tests compare single fields
const get = (...args: string[]): any => JSON.parse(kubectl(['get', ...args, '-o', 'json']));

const preset = (name: string): string[] => ['--values', join(CHART, `values-${name}.yaml`)];
/** Helm on the test cluster; throws what it says. */
function run(command: string, release: string, namespace: string, more: readonly string[] = []): string {
  const chart = command === 'uninstall' ? [] : [CHART];
  const hooks = ['--no-hooks'];
  const { ok, out, error } = helm(
    [command, release, ...chart, '--namespace', namespace, ...hooks, ...more],
    undefined,
    plane.kubeconfig,
  );
  if (!ok) throw new Error(error.trim());
  return out;
}

function namespace(name: string): void {
  kubectl(
    ['apply', '-f', '-'],
    stringify({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
    }),
  );
}

/** Deployments whose pods the API server admitted, and those for which it refused them. */
function admission(ns: string): { waiting: string[]; refused: string[] } {
  const replicaSets = get('replicasets', '-n', ns).items;
  return {
    waiting: replicaSets.flatMap(
      (rs: { metadata: { name: string }; spec: { replicas: number }; status: { replicas: number } }) =>
        (rs.status.replicas ?? 0) < rs.spec.replicas ? [rs.metadata.name] : [],
    ),
    refused: get('events', '-n', ns, '--field-selector', 'reason=FailedCreate').items.map(
      (event: { message: string }) => event.message,
    ),
  };
}

const generations = (ns: string): Record<string, number> =>
  Object.fromEntries(
    get('deployments', '-n', ns).items.map((d: { metadata: { name: string; generation: number } }) => [
      d.metadata.name,
      d.metadata.generation,
    ]),
  );

describe('a first try', () => {
  it('is admitted into a namespace with the restricted policy, also with a name of 53 characters', async () => {
    namespace('first');
    const release = 'a-release-with-the-longest-name-that-helm-allows-53-c';
    expect(release).toHaveLength(53);
    run('install', release, 'first', preset('dev'));
    await eventually(() => admission('first').waiting.length === 0, {
      timeoutMs: 60_000,
      what: 'pods of all Deployments',
    });
    expect(admission('first').refused).toEqual([]);
    const embedded = () =>
      get('pods', '-n', 'first', '-l', 'app.kubernetes.io/component in (postgres,redis,chain)').items;
    await eventually(() => embedded().length === 3, {
      timeoutMs: 30_000,
      what: 'pods of Postgres, Redis and the chain',
    });
  }, 120_000);

  it('keeps its secrets, and touches no pod, when it is upgraded to the same', () => {
    const release = 'a-release-with-the-longest-name-that-helm-allows-53-c';
    const secret = (): unknown =>
      get('secret', '-n', 'first', '-l', 'app.kubernetes.io/component=platform').items.map(
        (s: { data: object }) => s.data,
      );
    const before = { secret: secret(), generations: generations('first') };
    run('upgrade', release, 'first', preset('dev'));
    expect({ secret: secret(), generations: generations('first') }).toEqual(before);
  });

  it('leaves the number of RPC workers as the controller set it', () => {
    const release = 'a-release-with-the-longest-name-that-helm-allows-53-c';
    const [workers] = get(
      'deployments',
      '-n',
      'first',
      '-l',
      'app.kubernetes.io/component=rpc-workers',
    ).items;
    kubectl(['scale', 'deployment', workers.metadata.name, '-n', 'first', '--replicas=7']);
    run('upgrade', release, 'first', [...preset('dev'), '--set', 'rpcWorkers.logLevel=debug']);
    expect(get('deployment', workers.metadata.name, '-n', 'first').spec.replicas).toBe(7);
  });

  it('refuses a second controller in its namespace, and not in another one', () => {
    expect(() => run('install', 'second', 'first', preset('dev'))).toThrow(
      /already runs a controller in namespace first/,
    );
    namespace('other');
    expect(run('install', 'second', 'other', preset('dev'))).toContain('revision 1');
  });

  it('leaves nothing behind but the CRDs', async () => {
    run('uninstall', 'second', 'other', ['--wait']);
    const kinds =
      'deployments,statefulsets,services,configmaps,secrets,serviceaccounts,roles,rolebindings,jobs,networkpolicies,poddisruptionbudgets,rpcworkerpools,chainproviders';
    const left = (): string[] =>
      get(kinds, '-n', 'other').items.flatMap(
        ({ kind, metadata }: { kind: string; metadata: { name: string } }) =>
          ['kube-root-ca.crt', 'default'].includes(metadata.name) ? [] : [`${kind} ${metadata.name}`],
      );
    await eventually(() => left().length === 0, { timeoutMs: 20_000, what: 'everything to be gone' }).catch(
      () => undefined,
    );
    expect(left()).toEqual([]);
    expect(get('crds').items.map(({ metadata }: { metadata: { name: string } }) => metadata.name)).toEqual([
      'chainproviders.chain.rejuve.io',
      'rpcworkerpools.chain.rejuve.io',
    ]);
  }, 60_000);
});

describe('production', () => {
  const install =
    (more: string[] = []) =>
    () =>
      run('install', 'rejuve', 'production', [...preset('production'), ...NO_OPERATOR, ...more]);
  /** There is no Prometheus operator here. */
  const NO_OPERATOR = ['--set', 'metrics.podMonitor.enabled=false', '--set', 'metrics.rules.enabled=false'];
  const KEYS = [
    'database-url',
    'redis-url',
    'service-auth-keys',
    'cursor-secret',
    'data-keys',
    'console-operators',
  ];
  const secret = (name: string, keys: readonly string[]): void => {
    kubectl(
      ['apply', '-f', '-'],
      stringify({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name, namespace: 'production' },
        stringData: Object.fromEntries(keys.map((key) => [key, 'x'])),
      }),
    );
  };

  it('says everything that is missing at once, with the command that makes it, and creates nothing', () => {
    namespace('production');
    expect(install()).toThrow(
      /there is no Secret rejuve in namespace production: kubectl -n production create secret generic rejuve --from-literal=/,
    );
    expect(install()).toThrow(/there is no Secret chain-first/);
    expect(install()).toThrow(/there is no Secret chain-second/);
    expect(install()).toThrow(/there is no ConfigMap rejuve-contracts/);
    expect(get('deployments,services', '-n', 'production').items).toEqual([]);
  });

  it('says which key a Secret lacks, and which it has', () => {
    secret(
      'rejuve',
      KEYS.filter((key) => key !== 'redis-url'),
    );
    expect(install()).toThrow(
      /Secret rejuve has no key redis-url .*; it has: console-operators, cursor-secret, data-keys, database-url, service-auth-keys/,
    );
  });

  it('is admitted when everything is there', async () => {
    secret('rejuve', KEYS);
    secret('chain-first', ['url', 'wsUrl']);
    secret('chain-second', ['url']);
    kubectl([
      'create',
      'configmap',
      'rejuve-contracts',
      '-n',
      'production',
      '--from-literal=contracts.json={}',
    ]);
    expect(install()()).toContain('revision 1');
    await eventually(() => admission('production').waiting.length === 0, {
      timeoutMs: 60_000,
      what: 'pods of all Deployments',
    });
    expect(admission('production').refused).toEqual([]);
  }, 120_000);

  it('rolls what reads a Secret that was rotated, and nothing else', () => {
    const before = generations('production');
    kubectl([
      'patch',
      'secret',
      'rejuve',
      '-n',
      'production',
      '--type=merge',
      '-p',
      '{"stringData":{"cursor-secret":"another"}}',
    ]);
    run('upgrade', 'rejuve', 'production', [...preset('production'), ...NO_OPERATOR]);
    const after = generations('production');
    const rolled = Object.keys(after).filter((name) => after[name] !== before[name]);
    expect(rolled.sort()).toEqual(['rejuve-api', 'rejuve-notifications', 'rejuve-user']);
  });
});

describe('CRDs', () => {
  const CRD = 'rpcworkerpools.chain.rejuve.io';
  const crds = (verb: string) =>
    spawnSync(
      process.execPath,
      [join(import.meta.dirname, '..', 'delivery', 'crds.ts'), verb, join(CHART, 'crds')],
      {
        encoding: 'utf8',
        env: { ...process.env, KUBECONFIG: plane.kubeconfig },
      },
    );
  /** The CRD as an older release had it: without `burst`. */
  const makeOld = (): void => {
    const crd = parse(kubectl(['get', 'crd', CRD, '-o', 'yaml']));
    const { spec } = crd.spec.versions[0].schema.openAPIV3Schema.properties;
    delete spec.properties.burst;
    spec['x-kubernetes-validations'] = spec['x-kubernetes-validations'].filter(
      ({ rule }: { rule: string }) => !rule.includes('burst'),
    );
    kubectl(['replace', '-f', '-'], stringify(crd));
  };

  it('of an older release are named with the fields they lack, and renewed without losing an object', () => {
    makeOld();
    const values = [
      ...preset('production'),
      '--set',
      'metrics.podMonitor.enabled=false',
      '--set',
      'metrics.rules.enabled=false',
    ];
    expect(() => run('upgrade', 'rejuve', 'production', values)).toThrow(
      /is older than this chart.*lacks spec\.burst/s,
    );
    const renewed = crds('apply');
    expect([renewed.status, renewed.stdout]).toEqual([0, expect.stringContaining(`${CRD}: renewed`)]);
    expect(crds('apply').stdout).toContain(`${CRD}: up to date`);
    expect(run('upgrade', 'rejuve', 'production', values)).toContain('revision');
    expect(get('rpcworkerpools', '-n', 'production').items).toHaveLength(1);
  });

  it('with objects are kept, without they go', async () => {
    expect(crds('delete').stdout).toContain(`${CRD}: kept, because there are`);
    run('uninstall', 'rejuve', 'production');
    run('uninstall', 'a-release-with-the-longest-name-that-helm-allows-53-c', 'first');
    await eventually(() => get('rpcworkerpools,chainproviders', '-A').items.length === 0, {
      timeoutMs: 20_000,
      what: 'objects to go',
    });
    expect(crds('delete').stdout).toContain(`${CRD}: removed`);
    await eventually(() => get('crds').items.length === 0, { timeoutMs: 20_000, what: 'CRDs to go' });
  }, 60_000);
});
