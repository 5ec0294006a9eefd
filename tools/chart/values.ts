import { z } from 'zod';
import { scaledComponent, servingComponent, workingComponent } from './component-values.ts';
import { embeddedValues } from './embedded-values.ts';
import { exposureValues } from './exposure-values.ts';
import { operationValues } from './operation-values.ts';
import { optionalName, passThrough, resources, stringMap } from './value-types.ts';

const secretKey = (key: string, what: string, fallback = 'secrets.existingSecret') =>
  z
    .strictObject({
      secret: optionalName.describe(`Secret that holds it. Empty: ${fallback}.`),
      key: z.string().default(key).describe('Key inside the Secret.'),
    })
    .prefault({})
    .describe(what);

const databaseOf = (schema: string) =>
  secretKey('', `Database of schema ${schema}, when it is not databaseUrl.`, 'the same as databaseUrl');

/**
 * Everything that the chart can be told: the one source of values.yaml, values.schema.json and the table of the README
 * (`node tools/chart/generate.ts`).
 */
export const valuesSchema = z.strictObject({
  global: passThrough
    .default({})
    .describe('Set by Helm when this chart is a dependency of another; not read.'),
  fullnameOverride: z
    .string()
    .regex(/^([a-z]([-a-z0-9]*[a-z0-9])?)?$/)
    .max(36)
    .default('')
    .describe('Start of all names. Empty: the name of the release, shortened when it is longer than 36.'),
  commonLabels: stringMap.default({}).describe('Labels of every object.'),
  commonAnnotations: stringMap.default({}).describe('Annotations of every object.'),

  image: z
    .strictObject({
      registry: z
        .string()
        .default('ghcr.io')
        .describe('Registry. Empty for images that are already on the nodes.'),
      repository: z.string().min(1).default('rejuve/rejuve-platform').describe('Repository.'),
      tag: z.string().default('').describe('Tag. Empty: the version of the platform that this chart is for.'),
      digest: z
        .string()
        .regex(/^(sha256:[0-9a-f]{64})?$/)
        .default('')
        .describe('Pins the content, sha256:…; wins over the tag.'),
      pullPolicy: z
        .enum(['Always', 'IfNotPresent', 'Never'])
        .default('IfNotPresent')
        .describe('When the image is pulled.'),
    })
    .prefault({})
    .describe('The one image of all our processes.'),
  imagePullSecrets: z
    .array(z.strictObject({ name: z.string().min(1).describe('Name of the Secret.') }))
    .default([])
    .describe('Secrets with credentials of the registry.'),
  logLevel: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace'])
    .default('info')
    .describe('Least severe level that is logged.'),
  drainDelaySeconds: z
    .int()
    .min(0)
    .max(120)
    .default(6)
    .describe(
      'Seconds that a pod goes on serving after SIGTERM while load balancers learn that it leaves; longer where they are slow.',
    ),

  chain: z
    .strictObject({
      id: z.int().min(1).default(1).describe('EIP-155 id of the chain.'),
      contracts: z
        .strictObject({
          existingConfigMap: optionalName.describe('ConfigMap with the manifest of deployed contracts.'),
          key: z.string().min(1).default('contracts.json').describe('Key inside the ConfigMap.'),
          manifest: passThrough
            .default({})
            .describe('The manifest itself, when no ConfigMap holds it; contracts/deploy.ts writes one.'),
        })
        .prefault({})
        .describe('Which contracts the platform works with. Made by the release itself with embedded.chain.'),
      providers: z
        .array(
          z.strictObject({
            name: z
              .string()
              .regex(/^[a-z]([-a-z0-9]{0,39}[a-z0-9])?$/)
              .describe('Name of the ChainProvider.'),
            secret: z.string().min(1).describe('Secret with its URLs.'),
            key: z.string().min(1).default('url').describe('Key of the HTTP URL.'),
            webSocketKey: z.string().default('').describe('Key of the WebSocket URL. Empty: none.'),
            spec: passThrough
              .default({})
              .describe('Further fields of the ChainProvider: tier, weight, limits, pricePerMillionUnits …'),
          }),
        )
        .default([])
        .describe(
          'JSON-RPC providers as ChainProvider objects; the controller probes them and hands them to the gateway.',
        ),
      providersSecret: z
        .strictObject({
          name: optionalName.describe('Name of the Secret.'),
          key: z.string().min(1).default('providers.yaml').describe('Key inside the Secret.'),
        })
        .prefault({})
        .describe(
          'A providers file of your own instead of chain.providers, for a platform without the controller.',
        ),
    })
    .prefault({})
    .describe('The chain that the platform speaks to.'),

  secrets: z
    .strictObject({
      existingSecret: optionalName.describe(
        'The Secret that holds whatever is not said to be elsewhere below.',
      ),
      generate: z
        .boolean()
        .default(false)
        .describe(
          'Make up secrets at the first install and keep them at upgrades. For first tries: `helm template` and GitOps would see new ones each time.',
        ),
      databaseUrl: secretKey('database-url', 'postgres://user:password@host:5432/database'),
      gatewayDatabaseUrl: databaseOf('gateway'),
      apiDatabaseUrl: databaseOf('api'),
      userDatabaseUrl: databaseOf('users'),
      consoleDatabaseUrl: databaseOf('console'),
      redisUrl: secretKey('redis-url', 'redis[s]://:password@host:6379/0'),
      serviceAuthKeys: secretKey(
        'service-auth-keys',
        'kid:secret[,kid2:secret2]; the first signs, all verify.',
      ),
      cursorSecret: secretKey('cursor-secret', 'Signs list cursors; at least 32 characters.'),
      dataKeys: secretKey(
        'data-keys',
        'kid:secret[,…]; seals what the user service keeps sealed in its database.',
      ),
      apiBootstrapKey: secretKey(
        'api-bootstrap-key',
        'Optional: an API key with every scope, rjv_<id>_<secret>.',
      ),
      webhookSecrets: secretKey('webhook-secrets', 'Optional: secrets that sign webhooks of transactions.'),
      consoleOperators: secretKey(
        'console-operators',
        'Who may sign in to the console: name:role:hash per line, from `node console/server/operator-cli.ts`.',
      ),
      smtpUrl: secretKey('smtp-url', 'Optional: mail server, smtp[s]://user:password@host:port.'),
    })
    .prefault({})
    .describe('Where secrets come from. Values never hold them.'),

  signers: z
    .strictObject({
      pools: passThrough
        .default({})
        .describe(
          'Pools by alias, as services/chain-gateway/signers/signers-file.ts reads them. Key files are under /etc/rejuve/signer-keys.',
        ),
      existingSecret: optionalName.describe(
        'Secret whose keys become files under /etc/rejuve/signer-keys of the transaction manager, and of nobody else.',
      ),
    })
    .prefault({})
    .describe('Who signs transactions. Prefer aws-kms or gcp-kms entries, which need no Secret.'),

  urls: z
    .strictObject({
      issuer: z
        .string()
        .default('')
        .describe(
          'Public URL of the user service, `iss` of access tokens. Empty: its address inside the cluster.',
        ),
      app: z.string().default('').describe('The app; links in messages start with it.'),
      siweDomains: z
        .array(z.string().min(1))
        .default([])
        .describe('Hosts that may ask for sign-in signatures. Empty: the host of issuer.'),
    })
    .prefault({})
    .describe('How the outside world calls us.'),

  gateway: servingComponent({ replicas: 2, cpu: '250m', memory: '256Mi', memoryLimit: '768Mi' }).describe(
    'Chain gateway: JSON-RPC, transactions, events.',
  ),
  transactions: workingComponent({
    replicas: 2,
    cpu: '100m',
    memory: '192Mi',
    memoryLimit: '512Mi',
  }).describe(
    'Transaction manager: carries transactions from accepted to final. Each nonce lane has one owner; a second pod takes over.',
  ),
  rpcWorkers: scaledComponent({
    cpu: '100m',
    memory: '192Mi',
    memoryLimit: '512Mi',
    extra: {
      pool: z
        .strictObject({
          queue: z
            .string()
            .default('')
            .describe('Bull queue that they drain. Empty: rpc-jobs-CHAIN, where the gateway puts jobs.'),
          minReplicas: z.int().min(0).max(1000).default(1).describe('Never fewer pods.'),
          maxReplicas: z.int().min(1).max(1000).default(20).describe('Never more pods.'),
          oldestJobAgeSeconds: z
            .int()
            .min(1)
            .max(86_400)
            .default(30)
            .describe('The objective: no job waits longer before a worker takes it.'),
          concurrency: z
            .int()
            .min(1)
            .max(1000)
            .default(4)
            .describe('Jobs that one pod works on at the same time.'),
          spec: passThrough
            .default({})
            .describe(
              'Further fields of the RpcWorkerPool (kubectl explain rwp.spec): burst, budget, behavior, schedules …',
            ),
        })
        .prefault({})
        .describe('The RpcWorkerPool by which the controller scales them.'),
      fixedReplicas: z
        .int()
        .min(0)
        .max(1000)
        .default(2)
        .describe('Pods while controller.enabled is false, when nobody else scales them.'),
    },
  }).describe('RPC workers: run queued calls. The controller owns their number.'),
  indexer: workingComponent({ replicas: 2, cpu: '100m', memory: '256Mi', memoryLimit: '768Mi' }).describe(
    'Indexer: follows the chain. One works, one stands by.',
  ),
  api: servingComponent({ replicas: 2, cpu: '200m', memory: '192Mi', memoryLimit: '512Mi' }).describe(
    'Public API for the app and partners.',
  ),
  user: servingComponent({ replicas: 2, cpu: '200m', memory: '192Mi', memoryLimit: '512Mi' }).describe(
    'User service: sign-in, accounts, ledger, inbox.',
  ),
  notifications: workingComponent({
    replicas: 2,
    cpu: '100m',
    memory: '192Mi',
    memoryLimit: '512Mi',
  }).describe(
    'Notification workers: follow events, deliver messages, run jobs of the user service. When off, the user pods do it.',
  ),
  controller: workingComponent({
    replicas: 2,
    cpu: '50m',
    memory: '128Mi',
    memoryLimit: '384Mi',
    extra: {
      watchAllNamespaces: z
        .boolean()
        .default(false)
        .describe('Look after the pools and providers of all namespaces; needs a ClusterRole.'),
    },
  }).describe('Controller: scales RPC workers, probes providers.'),
  console: servingComponent({ replicas: 1, cpu: '50m', memory: '96Mi', memoryLimit: '256Mi' }).describe(
    'Operator console and documentation portal.',
  ),

  migrations: z
    .strictObject({
      hook: z
        .boolean()
        .default(true)
        .describe(
          'Bring the schemas up to date in a Job before the install or upgrade touches any pod. Off, the first new pod does it at its start, under the same lock; always so with embedded.postgres.',
        ),
      activeDeadlineSeconds: z
        .int()
        .min(10)
        .max(86_400)
        .default(600)
        .describe('The Job is given up after this.'),
      resources: resources({
        requests: { cpu: '50m', memory: '128Mi' },
        limits: { memory: '384Mi' },
      }),
    })
    .prefault({})
    .describe('Database migrations.'),

  embedded: embeddedValues,
  ...exposureValues,
  ...operationValues,
  extraObjects: z
    .array(z.union([passThrough, z.string()]))
    .default([])
    .describe('Further objects of the release; strings are templates.'),
});

export type Values = z.output<typeof valuesSchema>;
