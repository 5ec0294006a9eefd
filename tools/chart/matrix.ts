import type { RenderOptions } from './helm.ts';

const part = (name: string, values: object): object => ({ [name]: values });
const OFF = { enabled: false };

/** Ways to install the chart that must all give valid, restricted objects: every preset, and every switch turned. */
export const MATRIX: Readonly<Record<string, RenderOptions>> = {
  dev: { presets: ['dev'] },
  production: { presets: ['production'] },
  'long release name': { presets: ['dev'], release: 'a-release-with-the-longest-name-that-helm-allows-53-c' },
  'local images': {
    presets: ['dev'],
    values: {
      image: { registry: '', repository: 'localhost/rejuve-platform', tag: 'dev', pullPolicy: 'Never' },
    },
  },
  digests: {
    presets: ['production'],
    values: { image: { digest: `sha256:${'a'.repeat(64)}` }, api: { image: { tag: '1.2.3' } } },
  },
  persistence: {
    presets: ['dev'],
    values: {
      embedded: {
        postgres: { persistence: { enabled: true } },
        redis: { persistence: { enabled: true, storageClassName: 'fast' } },
        chain: { persistence: { enabled: true } },
      },
    },
  },
  'canaries by pods': {
    presets: ['production'],
    values: Object.fromEntries(
      ['gateway', 'api', 'user', 'transactions', 'indexer', 'notifications'].map((name) => [
        name,
        { canary: { enabled: true, weight: 10, image: { tag: '1.1.0' }, env: { LOG_LEVEL: 'debug' } } },
      ]),
    ),
  },
  'canaries by routes': {
    presets: ['production'],
    values: {
      httpRoute: {
        enabled: true,
        parentRefs: [{ name: 'public', namespace: 'gateways' }],
        routes: [
          { component: 'api', hostnames: ['api.example.com'] },
          { component: 'gateway', hostnames: ['rpc.example.com'], path: '/rpc' },
        ],
      },
      api: { canary: { enabled: true, weight: 5 } },
    },
  },
  'no controller': {
    presets: ['production'],
    values: { controller: OFF, chain: { providers: [], providersSecret: { name: 'providers' } } },
  },
  'all namespaces': { presets: ['production'], values: { controller: { watchAllNamespaces: true } } },
  'gateway alone': {
    presets: ['production'],
    values: {
      ...Object.fromEntries(
        ['api', 'user', 'notifications', 'console', 'transactions', 'indexer', 'rpcWorkers'].map((name) => [
          name,
          OFF,
        ]),
      ),
      ingress: OFF,
    },
  },
  'no network policies, monitors or tests': {
    presets: ['production'],
    values: {
      networkPolicy: OFF,
      metrics: { podMonitor: OFF, rules: OFF, dashboards: OFF, scrapeAnnotations: true },
      tests: OFF,
      crds: { install: false },
      migrations: { hook: false },
      flags: OFF,
      priorityClasses: { create: false },
    },
  },
  'CRDs that go': { presets: ['dev'], values: { crds: { keep: false } } },
  'everything extra': {
    presets: ['production'],
    values: {
      commonLabels: { team: 'platform' },
      commonAnnotations: { owner: 'platform@example.com' },
      imagePullSecrets: [{ name: 'registry' }],
      signers: {
        pools: { treasury: [{ type: 'private-key-file', file: '/etc/rejuve/signer-keys/t.key' }] },
        existingSecret: 'keys',
      },
      flags: {
        definitions: {
          hedging: { state: 'ENABLED', variants: { on: true, off: false }, defaultVariant: 'on' },
        },
      },
      extraObjects: [
        'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-extra',
        { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'plain' } },
      ],
      ...part('api', {
        env: { REQUESTS_PER_MINUTE: 1200 },
        extraEnv: [{ name: 'CURSOR_SECRET', valueFrom: { secretKeyRef: { name: 'own', key: 'cursor' } } }],
        envFrom: [{ configMapRef: { name: 'more' } }],
        extraVolumes: [{ name: 'ca', configMap: { name: 'ca' } }],
        extraVolumeMounts: [{ name: 'ca', mountPath: '/etc/ssl/extra', readOnly: true }],
        nodeSelector: { pool: 'web' },
        tolerations: [{ key: 'web', operator: 'Exists' }],
        affinity: { nodeAffinity: {} },
        serviceAccount: { annotations: { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::1:role/api' } },
        service: { type: 'NodePort', nodePort: 30_100 },
      }),
    },
  },
};
