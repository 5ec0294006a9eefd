import { z } from 'zod';
import { PROVIDER_DEFAULTS } from './provider-config.ts';

const methodPattern = z
  .string()
  .regex(
    /^[a-z][a-zA-Z0-9]*_?[a-zA-Z0-9_]*\*?$/,
    'expected a method name, or a prefix that ends in * such as debug_*',
  );

const httpUrl = z
  .string()
  .refine(
    (value) => URL.canParse(value) && /^https?:$/.test(new URL(value).protocol),
    'expected an http:// or https:// URL',
  );
const webSocketUrl = z
  .string()
  .refine(
    (value) => URL.canParse(value) && /^wss?:$/.test(new URL(value).protocol),
    'expected a ws:// or wss:// URL',
  );

const limits = z
  .strictObject({
    callsPerSecond: z
      .number()
      .positive()
      .optional()
      .describe('What the provider allows. Left out, the limit is learned from its refusals'),
    maxInFlight: z
      .int()
      .positive()
      .default(PROVIDER_DEFAULTS.maxInFlight)
      .describe('Calls under way at the same time'),
    maxLogRange: z
      .int()
      .positive()
      .optional()
      .describe('Most blocks in one eth_getLogs; wider ranges are split'),
  })
  .prefault({});

export const providerSchema = z.strictObject({
  id: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,40}$/, 'expected a name in lower-case letters, digits and dashes')
    .describe('Name in logs, metrics and the x-provider header; never the URL'),
  url: httpUrl.describe(`JSON-RPC endpoint. Put keys in as \${NAME} or \${file:/path}`),
  wsUrl: webSocketUrl.optional().describe('WebSocket endpoint, for heads that are pushed instead of polled'),
  headers: z
    .record(z.string().regex(/^[A-Za-z0-9-]+$/), z.string())
    .default({})
    .describe('Sent with every request, e.g. authorization'),
  tier: z
    .int()
    .min(1)
    .max(9)
    .default(PROVIDER_DEFAULTS.tier)
    .describe('1 is used first; a higher tier only when no lower one can serve'),
  weight: z
    .number()
    .positive()
    .max(1_000)
    .default(PROVIDER_DEFAULTS.weight)
    .describe('Preference among providers of one tier'),
  pricePerMillionUnits: z
    .number()
    .min(0)
    .default(PROVIDER_DEFAULTS.pricePerMillionUnits)
    .describe('Price of a million compute units; breaks ties and makes /internal/cost speak of money'),
  units: z
    .record(methodPattern, z.number().min(0))
    .default({})
    .describe("Compute units by method where the provider's list differs from ours"),
  limits,
  methods: z
    .strictObject({
      allow: z.array(methodPattern).default([]).describe('Only these, when there are any'),
      deny: z.array(methodPattern).default([]).describe('Never these'),
    })
    .prefault({}),
  connections: z.int().min(1).max(1_024).default(PROVIDER_DEFAULTS.connections).describe('Sockets kept open'),
  http2: z.boolean().default(false).describe('Offer HTTP/2 (only over TLS)'),
  maxJoin: z
    .int()
    .min(1)
    .max(1_000)
    .default(PROVIDER_DEFAULTS.maxJoin)
    .describe('Most calls joined into one HTTP request; 1 for providers without JSON-RPC batches'),
  attemptTimeoutMs: z
    .int()
    .min(10)
    .max(120_000)
    .default(PROVIDER_DEFAULTS.attemptTimeoutMs)
    .describe('After this an attempt is given up and another provider asked'),
  connectTimeoutMs: z.int().min(10).max(60_000).default(PROVIDER_DEFAULTS.connectTimeoutMs),
  cordoned: z.boolean().default(false).describe('Out of traffic; probes go on'),
});

export const providersFileSchema = z
  .strictObject({
    chainId: z
      .int()
      .positive()
      .describe('Chain that all of these providers serve; one that answers another id is not used'),
    currency: z
      .string()
      .regex(/^[A-Z]{3,5}$/, 'expected a currency code such as USD')
      .default('USD')
      .describe('What prices are in'),
    multicall: z
      .enum(['off', 'known', 'all'])
      .default('known')
      .describe(
        'Aggregate eth_calls of one block by Multicall3: off, known (well-known view functions that do not look at msg.sender) or all',
      ),
    providers: z.array(providerSchema).min(1),
  })
  .superRefine((file, ctx) => {
    const ids = new Map<string, number>();
    const urls = new Map<string, number>();
    file.providers.forEach((provider, index) => {
      const sameId = ids.get(provider.id);
      if (sameId !== undefined) {
        ctx.addIssue({
          code: 'custom',
          path: ['providers', index, 'id'],
          message: `provider ${sameId + 1} has the same id`,
        });
      }
      ids.set(provider.id, index);
      const sameUrl = urls.get(provider.url);
      if (sameUrl !== undefined) {
        ctx.addIssue({
          code: 'custom',
          path: ['providers', index, 'url'],
          message: `provider ${sameUrl + 1} has the same URL; one node must not count as two witnesses`,
        });
      }
      urls.set(provider.url, index);
    });
  });

export type ProvidersFile = z.output<typeof providersFileSchema>;

/** JSON Schema for editors (`# yaml-language-server: $schema=…`). */
export function providersJsonSchema(): Record<string, unknown> {
  return {
    ...z.toJSONSchema(providersFileSchema, { io: 'input', unrepresentable: 'any' }),
    title: 'Providers of the chain gateway',
  };
}
