import { z } from 'zod';
import {
  type API_VERSION,
  conditionsSchema,
  int,
  type KubeObject,
  rules,
  seconds,
  secretKeyRef,
} from '../api.ts';

const methodPattern = z
  .string()
  .min(1)
  .max(100)
  .regex(/^[a-zA-Z0-9_]+\*?$/);

export const providerSpecSchema = z
  .object({
    chainId: z
      .int()
      .min(1)
      .max(Number.MAX_SAFE_INTEGER)
      .meta({ format: 'int64' })
      .describe('EIP-155 id of the chain this provider serves.'),
    endpointSecretRef: secretKeyRef('url').describe(
      'Secret with the HTTP(S) URL. URLs carry API keys, so they are never in a spec.',
    ),
    webSocketSecretRef: secretKeyRef('wsUrl')
      .optional()
      .describe('Secret with the WebSocket URL, when the provider has one.'),
    tier: int(1, 10).default(1).describe('1 is used first; a higher tier only when no lower one can serve.'),
    weight: int(1, 100).default(1).describe('Relative preference inside a tier.'),
    pricePerMillionUnits: z
      .string()
      .max(20)
      .regex(/^\d{1,9}(\.\d{1,9})?$/)
      .default('0')
      .describe('Price of a million compute units as a decimal, for example "0.55"; ties are broken by it.'),
    limits: z
      .object({
        callsPerSecond: int(1, 1_000_000)
          .optional()
          .describe('The provider’s rate limit. Without it growth of worker pools is not limited.'),
        maxInFlight: int(1, 100_000)
          .default(1000)
          .describe('Calls in flight at the same time, per gateway process.'),
        maxLogRange: int(1, 10_000_000).optional().describe('Most blocks in one eth_getLogs.'),
      })
      .prefault({})
      .describe('What the provider allows.'),
    methods: z
      .object({
        allow: z
          .array(methodPattern)
          .max(100)
          .default([])
          .describe('Only these methods; a trailing * matches a prefix. Empty allows all.'),
        deny: z.array(methodPattern).max(100).default([]).describe('Never these methods.'),
      })
      .prefault({})
      .describe('Which methods the provider is asked for.'),
    archive: z
      .boolean()
      .default(false)
      .describe('The provider is meant to serve historical state; the probe checks that it does.'),
    cordoned: z.boolean().default(false).describe('Takes the provider out of service; probes go on.'),
    probe: z
      .object({
        intervalSeconds: seconds(5, 3600).default(15).describe('How often it is probed.'),
        timeoutMilliseconds: int(100, 60_000).default(3000).describe('A probe that takes longer has failed.'),
        failureThreshold: int(1, 20).default(3).describe('So many failed probes in a row make it unhealthy.'),
        successThreshold: int(1, 20)
          .default(2)
          .describe('So many good probes in a row make it healthy again.'),
        maxHeadLagBlocks: int(1, 10_000)
          .default(5)
          .describe('A head further behind the best provider of the chain is stale.'),
        methods: z
          .array(methodPattern)
          .max(20)
          .default([])
          .describe(
            'Methods that must exist, such as "trace_block"; each is called with parameters that cost nothing.',
          ),
      })
      .prefault({})
      .describe('How the controller looks after it.'),
  })
  .meta(
    rules(
      {
        rule: 'self.chainId == oldSelf.chainId',
        message: 'chainId cannot be changed: create another ChainProvider for the other chain',
        fieldPath: '.chainId',
      },
      {
        rule: 'self.methods.allow.size() == 0 || !self.methods.allow.exists(m, m in self.methods.deny)',
        message: 'a method must not be in methods.allow and methods.deny at the same time',
      },
    ),
  );

export const providerStatusSchema = z.object({
  observedGeneration: z
    .int()
    .meta({ format: 'int64' })
    .optional()
    .describe('The generation of the spec that this status speaks of.'),
  conditions: conditionsSchema.optional(),
  headBlock: z.int().meta({ format: 'int64' }).optional().describe('Head at the last report.'),
  headLag: z
    .int()
    .meta({ format: 'int64' })
    .optional()
    .describe('Blocks behind the best provider of the chain, when last reported.'),
  latencyMilliseconds: z
    .int()
    .meta({ format: 'int32' })
    .optional()
    .describe('Median latency of the last probes.'),
  clientVersion: z.string().max(256).optional().describe('What the provider says it runs.'),
  traffic: z
    .object({
      callsPerSecond: z
        .int()
        .meta({ format: 'int32' })
        .describe('Calls per second that the gateway makes to it.'),
      throttledPercent: z
        .int()
        .min(0)
        .max(100)
        .meta({ format: 'int32' })
        .describe('Share of them refused for the rate limit.'),
      errorPercent: z
        .int()
        .min(0)
        .max(100)
        .meta({ format: 'int32' })
        .describe('Share of them that failed otherwise.'),
    })
    .optional()
    .describe('What the gateway’s real traffic says, when last reported.'),
});

export type ProviderSpec = z.output<typeof providerSpecSchema>;
export type ProviderSpecInput = z.input<typeof providerSpecSchema>;
export type ProviderStatus = z.output<typeof providerStatusSchema>;

export interface ChainProvider extends KubeObject {
  readonly apiVersion?: typeof API_VERSION;
  readonly kind?: 'ChainProvider';
  spec: ProviderSpec;
  status?: ProviderStatus;
}
