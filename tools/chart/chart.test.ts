import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { DEV_CHAIN_ID, devAccount } from '../../contracts/dev-accounts.ts';
import { ROLES } from '../image/roles.ts';
import { CHART, hasHelm, type Rendered, type RenderOptions, render } from './helm.ts';
import { MATRIX } from './matrix.ts';

/** Without helm (it is built by tools/cluster, which needs Go) these tests are counted as skipped. */
const withHelm = hasHelm() ? describe : describe.skip;

const rendered = new Map<string, Rendered[]>();
/** Each row of the matrix is rendered once. */
const row = (name: string): Rendered[] => {
  const known = rendered.get(name) ?? render(MATRIX[name] as RenderOptions);
  rendered.set(name, known);
  return known;
};
const rows = Object.keys(MATRIX);

const find = (objects: readonly Rendered[], kind: string, name: string): Rendered => {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
  if (!found)
    throw new Error(
      `no ${kind} ${name}; there are ${objects.flatMap((o) => (o.kind === kind ? [o.metadata.name] : [])).join(', ')}`,
    );
  return found;
};
/** The pod template (or pod) of everything that runs. */
const pods = (
  objects: readonly Rendered[],
): { object: Rendered; spec: Rendered['spec']; labels: Record<string, string> }[] =>
  objects.flatMap((object) => {
    if (object.kind === 'Pod') return [{ object, spec: object.spec, labels: object.metadata.labels ?? {} }];
    const template = object.spec?.template;
    return template?.spec === undefined
      ? []
      : [{ object, spec: template.spec, labels: template.metadata.labels }];
  });
const env = (deployment: Rendered): Record<string, string | undefined> =>
  Object.fromEntries(
    deployment.spec.template.spec.containers[0].env.map((entry: { name: string; value?: string }) => [
      entry.name,
      entry.value,
    ]),
  );

withHelm('every way to install', () => {
  it.each(rows)('%s: pods keep the restricted Pod Security Standard', (name) => {
    for (const { object, spec } of pods(row(name))) {
      const where = `${object.kind} ${object.metadata.name}`;
      const own = { where, ...spec.securityContext };
      expect(own).toMatchObject({ where, runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
      expect(own.runAsUser).toBeGreaterThan(0);
      expect({ where, ...spec }).not.toHaveProperty('hostNetwork');
      for (const container of [...spec.containers, ...(spec.initContainers ?? [])]) {
        expect({ where, ...container.securityContext }).toEqual({
          where,
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          runAsNonRoot: true,
          capabilities: { drop: ['ALL'] },
          seccompProfile: { type: 'RuntimeDefault' },
        });
        expect(container.resources.requests).toMatchObject({
          cpu: expect.anything(),
          memory: expect.anything(),
        });
        expect(container.resources.limits).toMatchObject({ memory: expect.anything() });
      }
      for (const volume of spec.volumes ?? []) {
        const kinds = Object.keys(volume).filter((key) => key !== 'name');
        expect(['configMap', 'secret', 'emptyDir', 'persistentVolumeClaim']).toContain(kinds[0]);
        if (volume.emptyDir) expect({ where, ...volume.emptyDir }).toHaveProperty('sizeLimit');
      }
    }
  });

  it.each(rows)('%s: only who needs the Kubernetes API gets a token', (name) => {
    for (const { object, spec } of pods(row(name))) {
      const allowed = /-(controller|console|crds-apply|crds-delete|contracts-\d+)$/.test(
        object.metadata.name,
      );
      expect({ name: object.metadata.name, token: spec.automountServiceAccountToken }).toEqual({
        name: object.metadata.name,
        token: allowed,
      });
      expect(spec.enableServiceLinks).toBe(false);
    }
  });

  it.each(rows)('%s: names fit and are unique, and every object is in the namespace', (name) => {
    const seen = new Set<string>();
    for (const { kind, apiVersion, metadata } of row(name)) {
      const id = `${apiVersion} ${kind} ${metadata.name}`;
      expect(seen.has(id) ? id : '').toBe('');
      seen.add(id);
      // A StatefulSet adds a hash of 11 characters to a label of its pods, which holds 63.
      const most = kind === 'StatefulSet' ? 52 : 63;
      expect({ id, fits: metadata.name.length <= most || /ClusterRole|PriorityClass/.test(kind) }).toEqual({
        id,
        fits: true,
      });
    }
  });

  it.each(rows)('%s: services, budgets, policies and autoscalers select pods that are there', (name) => {
    const objects = row(name);
    const all = pods(objects).map(({ labels }) => labels);
    const matches = (selector: Record<string, string>): boolean =>
      all.some((labels) => Object.entries(selector).every(([key, value]) => labels[key] === value));
    for (const object of objects) {
      const selector =
        object.kind === 'Service'
          ? object.spec.selector
          : (object.spec?.selector?.matchLabels ?? object.spec?.podSelector?.matchLabels);
      if (selector === undefined || !/Service$|Budget|Deployment|StatefulSet/.test(object.kind)) continue;
      expect({ object: `${object.kind} ${object.metadata.name}`, matches: matches(selector) }).toEqual({
        object: `${object.kind} ${object.metadata.name}`,
        matches: true,
      });
    }
    for (const hpa of objects.filter(({ kind }) => kind === 'HorizontalPodAutoscaler')) {
      const target = find(objects, 'Deployment', hpa.spec.scaleTargetRef.name);
      expect(target.spec).not.toHaveProperty('replicas');
    }
  });

  it.each(rows)('%s: what pods mount is made by the release, or known to come from elsewhere', (name) => {
    const objects = row(name);
    const made = new Set(objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`));
    const elsewhere =
      /^(Secret (rejuve|chain-.*|rejuve-providers-\d+|providers|keys|own)|ConfigMap (.*-contracts|ca|more))$/;
    for (const { spec } of pods(objects)) {
      for (const volume of spec.volumes ?? []) {
        const id = volume.configMap
          ? `ConfigMap ${volume.configMap.name}`
          : volume.secret
            ? `Secret ${volume.secret.secretName}`
            : undefined;
        if (id !== undefined) expect(made.has(id) || elsewhere.test(id) ? '' : id).toBe('');
      }
      for (const entry of spec.containers.flatMap((container: { env?: object[] }) => container.env ?? [])) {
        const secret = (entry as { valueFrom?: { secretKeyRef?: { name: string } } }).valueFrom?.secretKeyRef
          ?.name;
        if (secret !== undefined)
          expect(made.has(`Secret ${secret}`) || elsewhere.test(`Secret ${secret}`) ? '' : secret).toBe('');
      }
    }
  });
});

withHelm('the parts', () => {
  it('start as the roles of the image, on their ports', () => {
    const objects = row('dev');
    const byEntry = new Map<string, number>(Object.values(ROLES).map(({ entry, port }) => [entry, port]));
    for (const object of objects.filter(({ kind }) => kind === 'Deployment')) {
      const [container] = object.spec.template.spec.containers;
      const entry = container.args[0];
      expect([...byEntry.keys()]).toContain(entry);
      if (entry !== ROLES.simulator.entry) expect(container.ports[0].containerPort).toBe(byEntry.get(entry));
    }
  });

  it('leave the number of RPC workers to the controller', () => {
    const objects = row('production');
    expect(find(objects, 'Deployment', 'rejuve-rpc-workers').spec).not.toHaveProperty('replicas');
    expect(find(objects, 'RpcWorkerPool', 'rejuve-rpc-workers').spec).toMatchObject({
      targetRef: { name: 'rejuve-rpc-workers' },
      queue: { prefix: 'rejuve:bull' },
      minReplicas: 2,
      maxReplicas: 40,
      burst: { maxReplicas: 60 },
    });
    expect(find(row('no controller'), 'Deployment', 'rejuve-rpc-workers').spec.replicas).toBe(2);
  });

  it('give the grace period for leaving, draining and closing', () => {
    const deployment = find(row('production'), 'Deployment', 'rejuve-gateway');
    const { DRAIN_DELAY_MS, DRAIN_TIMEOUT_MS } = env(deployment);
    const grace = deployment.spec.template.spec.terminationGracePeriodSeconds * 1000;
    // lib/lifecycle.ts leaves the hard way 5 s after the drain.
    expect(grace).toBeGreaterThan(Number(DRAIN_DELAY_MS) + Number(DRAIN_TIMEOUT_MS) + 5_000);
    expect(deployment.spec.strategy.rollingUpdate).toEqual({ maxUnavailable: 0, maxSurge: 1 });
  });

  it('take what the values say over what the chart says, once', () => {
    const deployment = find(row('everything extra'), 'Deployment', 'rejuve-api');
    const names = deployment.spec.template.spec.containers[0].env.map(
      (entry: { name: string }) => entry.name,
    );
    expect(names).toEqual([...new Set(names)]);
    expect(env(deployment)).toMatchObject({ REQUESTS_PER_MINUTE: '1200' });
    const cursor = deployment.spec.template.spec.containers[0].env.find(
      (entry: { name: string }) => entry.name === 'CURSOR_SECRET',
    );
    expect(cursor.valueFrom.secretKeyRef).toEqual({ name: 'own', key: 'cursor' });
  });

  it('run the user service whole, or split into serving and notifications', () => {
    expect(env(find(row('production'), 'Deployment', 'rejuve-user')).ROLES).toBe('http');
    expect(env(find(row('production'), 'Deployment', 'rejuve-notifications')).ROLES).toBe(
      'events,delivery,jobs',
    );
    const whole = render({ presets: ['dev'], values: { notifications: { enabled: false } } });
    expect(env(find(whole, 'Deployment', 'rejuve-user')).ROLES).toBe('http,events,delivery,jobs');
  });

  it('show signer keys to the transaction manager and to nobody else', () => {
    const holders = pods(row('dev')).flatMap(({ object, spec }) =>
      (spec.volumes ?? []).some(
        (volume: { secret?: { secretName: string } }) => volume.secret?.secretName === 'rejuve-dev-signers',
      )
        ? [object.metadata.name]
        : [],
    );
    expect(holders).toEqual(['rejuve-transactions']);
  });

  it('have the right keys for the development chain, and no other chain', () => {
    const keys = find(row('dev'), 'Secret', 'rejuve-dev-signers').stringData;
    for (const [index, alias] of ['treasury', 'sponsor', 'lab'].entries())
      expect(keys[`${alias}.key`]).toBe(devAccount(index + 1).privateKey);
    expect(env(find(row('dev'), 'Deployment', 'rejuve-gateway')).CHAIN_ID).toBe(String(DEV_CHAIN_ID));
  });

  it('give the controller exactly the rules that its tests prove', () => {
    const rules = parse(readFileSync(join(CHART, 'files', 'controller-rules.yaml'), 'utf8'));
    expect(find(row('dev'), 'Role', 'rejuve-controller').rules).toEqual(rules.namespaced);
    expect(find(row('dev'), 'Role', 'rejuve-controller-election').rules).toEqual(rules.election);
    expect(
      row('dev')
        .filter(({ kind }) => kind === 'ClusterRole')
        .map(({ metadata }) => metadata.name),
    ).toEqual(['rejuve-rejuve-crds-apply']);
    expect(find(row('all namespaces'), 'ClusterRole', 'rejuve-rejuve-controller').rules).toEqual(
      rules.namespaced,
    );
  });

  it('roll when what they read at their start changes, and only then', () => {
    const checksums = (values: object) =>
      find(render({ presets: ['production'], values }), 'Deployment', 'rejuve-api').spec.template.metadata
        .annotations;
    const before = checksums({});
    expect(checksums({})).toEqual(before);
    expect(checksums({ chain: { contracts: { existingConfigMap: 'other' } } })).not.toEqual(before);
    // Flags are read while they run.
    expect(
      checksums({
        flags: { definitions: { a: { state: 'ENABLED', variants: { x: true }, defaultVariant: 'x' } } },
      }),
    ).toEqual(before);
  });

  it('migrate in a hook with external databases, and at their start with an embedded one', () => {
    const job = find(row('production'), 'Job', 'rejuve-migrate');
    expect(job.metadata.annotations?.['helm.sh/hook']).toBe('pre-install,pre-upgrade');
    expect(job.spec.template.spec.containers.map((c: { args: string[] }) => c.args[0]).sort()).toEqual([
      'services/api/migrate.ts',
      'services/chain-gateway/migrate.ts',
      'services/user/migrate.ts',
    ]);
    expect(row('dev').some(({ metadata }) => metadata.name === 'rejuve-migrate')).toBe(false);
  });
});

withHelm('canaries', () => {
  it('run beside the stable pods, behind the same Service, in proportion', () => {
    const objects = row('canaries by pods');
    const canary = find(objects, 'Deployment', 'rejuve-notifications-canary');
    expect(canary.spec.replicas).toBe(1);
    expect(canary.spec.template.spec.containers[0].image).toMatch(/:1\.1\.0$/);
    expect(env(canary).LOG_LEVEL).toBe('debug');
    expect(find(objects, 'Deployment', 'rejuve-notifications').spec.selector.matchLabels.track).toBe(
      'stable',
    );
    expect(find(objects, 'Service', 'rejuve-api').spec.selector).not.toHaveProperty('track');
    const share = (weight: number, replicas: number) =>
      find(
        render({ presets: ['dev'], values: { api: { replicas, canary: { enabled: true, weight } } } }),
        'Deployment',
        'rejuve-api-canary',
      ).spec.replicas;
    expect([share(10, 9), share(10, 10), share(50, 4), share(1, 2), share(100, 3)]).toEqual([1, 2, 4, 1, 3]);
  });

  it('get their exact weight where the Gateway API carries the traffic', () => {
    const objects = row('canaries by routes');
    expect(find(objects, 'HTTPRoute', 'rejuve-api-0').spec.rules[0].backendRefs).toEqual([
      { name: 'rejuve-api-stable', port: 4100, weight: 95 },
      { name: 'rejuve-api-canary', port: 4100, weight: 5 },
    ]);
    expect(find(objects, 'Service', 'rejuve-api-canary').spec.selector.track).toBe('canary');
    expect(find(objects, 'HTTPRoute', 'rejuve-gateway-1').spec.rules[0].backendRefs).toEqual([
      { name: 'rejuve-gateway', port: 4000 },
    ]);
  });
});
