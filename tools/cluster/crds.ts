import { stringify } from 'yaml';
import type { z } from 'zod';
import { GROUP, type KubeObject, VERSION } from '../../controllers/api.ts';
import { providerSpecSchema, providerStatusSchema } from '../../controllers/chain-provider/types.ts';
import { CHAIN_PROVIDERS, RPC_WORKER_POOLS } from '../../controllers/resources.ts';
import { poolSpecSchema, poolStatusSchema } from '../../controllers/rpc-worker-pool/types.ts';
import type { Resource } from '../../controllers/runtime/kube-client.ts';
import { type StructuralSchema, structuralSchema } from './structural-schema.ts';

interface PrinterColumn {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'date' | 'boolean';
  readonly jsonPath: string;
  readonly description: string;
  /** Columns above 0 are shown by `-o wide` only. */
  readonly priority?: number;
}

interface Definition {
  readonly resource: Resource;
  readonly description: string;
  readonly shortNames: readonly string[];
  readonly spec: z.ZodType;
  readonly status: z.ZodType;
  readonly columns: readonly PrinterColumn[];
  readonly scale?: StructuralSchema;
  /** CEL rules of the whole object. */
  readonly rules?: readonly { rule: string; message: string }[];
}

const condition = (type: string, field = 'status'): string =>
  `.status.conditions[?(@.type=="${type}")].${field}`;
const age: PrinterColumn = {
  name: 'Age',
  type: 'date',
  jsonPath: '.metadata.creationTimestamp',
  description: 'Time since creation.',
};

const DEFINITIONS: readonly Definition[] = [
  {
    resource: RPC_WORKER_POOLS,
    description:
      'A pool of RPC workers that is scaled from the backlog of its queue, the age of its oldest job and the health of the providers it calls. Every decision is explained in the status.',
    shortNames: ['rwp', 'workerpool'],
    spec: poolSpecSchema,
    status: poolStatusSchema,
    // `kubectl scale rwp/NAME --replicas=5` means "at least five": the floor is the one number people may set by hand.
    scale: {
      specReplicasPath: '.spec.minReplicas',
      statusReplicasPath: '.status.replicas',
      labelSelectorPath: '.status.selector',
    },
    columns: [
      { name: 'Ready', type: 'string', jsonPath: condition('Ready'), description: 'Whether all is well.' },
      {
        name: 'Active',
        type: 'string',
        jsonPath: condition('ScalingActive'),
        description: 'Whether the scale follows the queue.',
      },
      { name: 'Replicas', type: 'integer', jsonPath: '.status.replicas', description: 'Replicas now.' },
      {
        name: 'Desired',
        type: 'integer',
        jsonPath: '.status.desiredReplicas',
        description: 'Replicas decided.',
      },
      { name: 'Max', type: 'integer', jsonPath: '.spec.maxReplicas', description: 'The ceiling.' },
      {
        name: 'Providers',
        type: 'string',
        jsonPath: condition('ProviderHealthy'),
        description: 'Whether the providers can take more.',
      },
      {
        name: 'Backlog',
        type: 'integer',
        jsonPath: '.status.backlog',
        description: 'Jobs waiting when last reported.',
      },
      {
        name: 'Oldest',
        type: 'string',
        jsonPath: '.status.oldestJobAge',
        description: 'Age of the oldest job when last reported.',
      },
      age,
      {
        name: 'Target',
        type: 'string',
        jsonPath: '.spec.targetRef.name',
        description: 'The Deployment.',
        priority: 1,
      },
      {
        name: 'Why',
        type: 'string',
        jsonPath: '.status.decision.summary',
        description: 'The last decision.',
        priority: 1,
      },
    ],
    rules: [
      {
        rule: 'self.metadata.name.size() <= 200',
        message: 'the name must not be longer than 200 characters: Events are named after it',
      },
    ],
  },
  {
    resource: CHAIN_PROVIDERS,
    description:
      'A JSON-RPC provider of one chain: probed, judged together with real traffic, and handed to the gateway when it is well.',
    shortNames: ['cpr', 'chainprov'],
    spec: providerSpecSchema,
    status: providerStatusSchema,
    columns: [
      { name: 'Chain', type: 'integer', jsonPath: '.spec.chainId', description: 'EIP-155 chain id.' },
      {
        name: 'Ready',
        type: 'string',
        jsonPath: condition('Ready'),
        description: 'Whether the gateway uses it.',
      },
      { name: 'Reason', type: 'string', jsonPath: condition('Ready', 'reason'), description: 'Why.' },
      { name: 'Tier', type: 'integer', jsonPath: '.spec.tier', description: '1 is used first.' },
      {
        name: 'Lag',
        type: 'integer',
        jsonPath: '.status.headLag',
        description: 'Blocks behind, when last reported.',
      },
      {
        name: 'Latency',
        type: 'integer',
        jsonPath: '.status.latencyMilliseconds',
        description: 'Milliseconds, when last reported.',
      },
      age,
      {
        name: 'Limit',
        type: 'integer',
        jsonPath: '.spec.limits.callsPerSecond',
        description: 'Calls per second.',
        priority: 1,
      },
      {
        name: 'Client',
        type: 'string',
        jsonPath: '.status.clientVersion',
        description: 'Software.',
        priority: 1,
      },
    ],
  },
];

/** The CustomResourceDefinitions of the platform, ready to be applied. */
export function customResourceDefinitions(): (KubeObject & { spec: StructuralSchema })[] {
  return DEFINITIONS.map((definition) => {
    const { resource } = definition;
    return {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: `${resource.plural}.${GROUP}` },
      spec: {
        group: GROUP,
        scope: 'Namespaced',
        names: {
          kind: resource.kind,
          listKind: `${resource.kind}List`,
          plural: resource.plural,
          singular: resource.kind.toLowerCase(),
          shortNames: definition.shortNames,
          categories: ['rejuve'],
        },
        versions: [
          {
            name: VERSION,
            served: true,
            storage: true,
            subresources: { status: {}, ...(definition.scale ? { scale: definition.scale } : {}) },
            additionalPrinterColumns: definition.columns,
            schema: {
              openAPIV3Schema: {
                type: 'object',
                description: definition.description,
                required: ['spec'],
                properties: {
                  apiVersion: { type: 'string' },
                  kind: { type: 'string' },
                  metadata: { type: 'object' },
                  spec: structuralSchema(definition.spec),
                  status: structuralSchema(definition.status),
                },
                ...(definition.rules ? { 'x-kubernetes-validations': definition.rules } : {}),
              },
            },
          },
        ],
      },
    };
  });
}

/** File name → YAML, as committed in the chart. */
export function customResourceDefinitionFiles(): Record<string, string> {
  return Object.fromEntries(
    customResourceDefinitions().map((crd) => [
      `${crd.metadata?.name}.yaml`,
      `# Generated from controllers/**/types.ts by tools/cluster/generate-crds.ts. Do not edit.\n${stringify(crd, { lineWidth: 110, aliasDuplicateObjects: false, version: '1.1' })}`,
    ]),
  );
}
