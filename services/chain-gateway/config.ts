import { z } from 'zod';
import {
  commonKeys,
  csv,
  databaseUrl,
  defineConfig,
  flag,
  integer,
  port,
  redisUrl,
  secret,
  url,
} from '../../lib/config.ts';
import { serviceAuthKeys } from '../../lib/service-auth.ts';
import { callTokenKeys } from './admission/tokens/token-config.ts';
import { MULTICALL3_ADDRESS } from './rpc/multicall.ts';

/** Settings of the read path; every process that reads the chain takes them. */
export const readPathKeys = {
  CHAIN_ID: integer({ min: 1 })
    .optional()
    .describe('Chain that is served; a providers file may say it instead'),
  RPC_URLS: secret(csv(url())).optional().describe('Providers as a comma-separated list of URLs'),
  UPSTREAM_URLS: secret(csv(url())).optional().describe('The same as RPC_URLS'),
  PROVIDERS_FILE: z
    .string()
    .min(1)
    .optional()
    .describe('Providers with tiers, limits and prices (YAML); reloaded when it changes'),
  REDIS_URL: redisUrl().optional().describe('Redis; switches on the shared cache and the shared head floor'),
  REDIS_PREFIX: z.string().default('rejuve').describe('Prefix of every Redis key'),
  CALL_TIMEOUT_MS: integer({ min: 10, max: 120_000, default: 10_000 }).describe(
    'Longest time a call may take',
  ),
  HEAD_POLL_MS: integer({ min: 20, max: 60_000, default: 500 }).describe(
    'Time between two polls of a provider for its head',
  ),
  MAX_LAG_BLOCKS: integer({ min: 1, max: 10_000, default: 5 }).describe(
    'Blocks behind the best head at which a provider is not used',
  ),
  HEAD_FLOOR_MAX_AGE_MS: integer({ min: 1_000, max: 3_600_000, default: 30_000 }).describe(
    'How long `latest` is held although no provider confirms it',
  ),
  CACHE_MB: integer({ min: 1, max: 65_536, default: 128 }).describe(
    'Size of the in-process cache, megabytes',
  ),
  MAX_BATCH: integer({ min: 1, max: 10_000, default: 1_000 }).describe('Most calls in one JSON-RPC batch'),
  HEDGING: flag(true).describe('Send a late read a second time, within the hedging budget'),
  QUEUE_MAX_WAIT_MS: integer({ min: 0, max: 60_000, default: 200 }).describe(
    "Longest wait for room in the providers' rate limits",
  ),
  EXPLAIN_REQUESTS: integer({ min: 0, max: 1_000_000, default: 10_000 }).describe(
    'Requests whose path /internal/explain remembers',
  ),
  MULTICALL: z
    .enum(['off', 'known', 'all'])
    .default('known')
    .describe('Aggregate eth_calls of one block by Multicall3: off, known view functions, or all'),
  MULTICALL_ADDRESS: z
    .string()
    .regex(/^0x[0-9a-fA-F]{40}$/, 'expected an address')
    .transform((address) => address.toLowerCase())
    .default(MULTICALL3_ADDRESS)
    .describe('Where Multicall3 is on this chain'),
  ALLOW_METHODS: csv(z.string().min(1))
    .optional()
    .describe('Methods that are refused by default and forwarded here'),
};

/** Settings of jobs that those who accept them and those who work on them must agree on. */
export const jobKeys = {
  WEBHOOK_SECRETS: secret(csv(z.string().min(16)))
    .optional()
    .describe(
      'Secrets that sign webhooks and callbacks, the newest first; all sign while one is rotated. Switches them on',
    ),
  WEBHOOK_ALLOW_PRIVATE: flag(false).describe(
    'Also call http and addresses of this network; for development only',
  ),
  JOBS_RETENTION_HOURS: integer({ min: 1, max: 8_760, default: 72 }).describe(
    'Hours that a finished job and its results are kept',
  ),
};

/** Settings of the gateway's HTTP process. Only a chain id and providers are required; everything else switches something on. */
export const gatewayConfig = defineConfig({
  service: 'gateway',
  keys: {
    ...commonKeys,
    ...readPathKeys,
    ...jobKeys,
    ...callTokenKeys,
    PORT: port(4000).describe('Port of JSON-RPC and REST'),
    METRICS_PORT: integer({ min: 0, max: 65_535 })
      .optional()
      .describe(
        'A port of its own for /metrics and health; without it they are on PORT. With WORKERS, PORT + 1',
      ),
    WORKERS: integer({ min: 1, max: 64, default: 1 }).describe(
      'Processes that share PORT, one per core at most',
    ),
    DATABASE_URL: databaseUrl()
      .optional()
      .describe('Postgres; switches on transactions, indexer queries and events'),
    SERVICE_AUTH_KEYS: secret(serviceAuthKeys)
      .optional()
      .describe('Keys of service tokens; required with DATABASE_URL'),
    RPC_ANONYMOUS: z
      .stringbool()
      .optional()
      .describe('Serve JSON-RPC without a token; default true without DATABASE_URL'),
    CONTRACTS_FILE: z.string().optional().describe('Manifest of deployed contracts'),
    SIGNERS_FILE: z.string().optional().describe('Signer pools for transactions'),
    SNET_FILE: z
      .string()
      .optional()
      .describe(
        'SingularityNET services that can be called (YAML); needs DATABASE_URL, CONTRACTS_FILE and SIGNERS_FILE',
      ),
    OPERATOR_TOKEN: secret(z.string().min(32, 'expected at least 32 characters'))
      .optional()
      .describe(
        'Credential for /v1/keys, apart from service tokens; without it service tokens are good for that too',
      ),
    LIMIT_GLOBAL_UNITS: integer({ min: 1, max: 1_000_000_000 })
      .optional()
      .describe(
        'Compute units a second that all clients of all replicas may spend together; unlimited without it',
      ),
    LIMIT_ANONYMOUS_UNITS: integer({ min: 1, max: 1_000_000_000 })
      .optional()
      .describe('Compute units a second for all calls without a credential together'),
    MAX_BODY_BYTES: integer({ min: 1_024, max: 104_857_600, default: 5_242_880 }).describe(
      'Largest request body',
    ),
  },
});
