import { hostname } from 'node:os';
import { z } from 'zod';
import { commonKeys, csv, databaseUrl, defineConfig, flag, integer, port, secret } from '../../lib/config.ts';
import { serviceAuthKeys } from '../../lib/service-auth.ts';
import { callTokenKeys } from './admission/tokens/token-config.ts';
import { jobKeys, readPathKeys } from './config.ts';
import { DEFAULT_LEASE_MS } from './jobs/slice-store.ts';

const shared = {
  ...commonKeys,
  ...readPathKeys,
  ...callTokenKeys,
  DATABASE_URL: databaseUrl().describe('Postgres: the truth about transactions and the index'),
  DATABASE_POOL_MAX: integer({ min: 3, max: 200, default: 15 }).describe(
    'Most connections of this process to Postgres',
  ),
  CONTRACTS_FILE: z.string().optional().describe('Manifest of deployed contracts'),
  CONFIRMATIONS: integer({ min: 1, max: 1_000 })
    .optional()
    .describe('Depth at which a block counts as confirmed; default: what the manifest says, else 12'),
  // Understood so that one environment serves every process of the gateway; used by main.ts only.
  SERVICE_AUTH_KEYS: secret(serviceAuthKeys).optional().describe('Keys of service tokens'),
  RPC_ANONYMOUS: z.stringbool().optional().describe('Only for the HTTP process'),
  SIGNERS_FILE: z.string().optional().describe('Signer pools: which keys sign, and what each may do'),
};

/** Depth without a manifest: a reorg of 12 blocks has not been seen on Ethereum since the merge. */
export const DEFAULT_CONFIRMATIONS = 12;

export const workerConfig = defineConfig({
  service: 'gateway-worker',
  keys: {
    ...shared,
    ...jobKeys,
    PORT: port(4001).describe('Port of health and metrics'),
    WORKER_ROLES: csv(z.enum(['transactions', 'jobs']))
      .optional()
      .describe(
        'What this process does: carry transactions (must always run), work on jobs (any number). Default: both; without Redis only transactions',
      ),
    JOBS_CONCURRENCY: integer({ min: 1, max: 1_000, default: 4 }).describe(
      'Slices of jobs in hand at the same time; worker.concurrency of the RpcWorkerPool',
    ),
    JOBS_PARALLEL_CALLS: integer({ min: 1, max: 50, default: 10 }).describe(
      'Calls of one slice at the same time',
    ),
    JOBS_MAX_ATTEMPTS: integer({ min: 1, max: 100, default: 10 }).describe(
      'Attempts at a slice before its calls are dead letters',
    ),
    JOBS_LEASE_MS: integer({ min: 500, max: 600_000, default: DEFAULT_LEASE_MS }).describe(
      'A worker that gives no sign of life for this long loses its slices to the others',
    ),
    POD_NAME: z
      .string()
      .min(1)
      .default(hostname())
      .describe('Name under which this process reports how busy it is; default: the host name'),
    TX_MAX_IN_FLIGHT: integer({ min: 1, max: 1_000, default: 64 }).describe(
      'Unfinished nonces per signer at most',
    ),
    TX_REBROADCAST_MS: integer({ min: 500, max: 600_000, default: 8_000 }).describe(
      'The same bytes are sent again after this long without a block',
    ),
    TX_BUMP_AFTER_MS: integer({ min: 1_000, max: 3_600_000, default: 45_000 }).describe(
      'A standard transaction gets a better offer after this long',
    ),
    TX_ACCESS_LISTS: flag(true).describe('Look for access lists that make calls cheaper'),
  },
});

export const indexerConfig = defineConfig({
  service: 'gateway-indexer',
  keys: {
    ...shared,
    PORT: port(4002).describe('Port of health and metrics'),
    INDEXER_POLL_MS: integer({ min: 50, max: 60_000, default: 250 }).describe(
      'Time between two looks for a new block',
    ),
    INDEXER_RANGE_BLOCKS: integer({ min: 1, max: 100_000, default: 500 }).describe(
      'Blocks per request in backfill',
    ),
    EVENT_RETENTION_DAYS: integer({ min: 0, max: 36_500, default: 0 }).describe(
      'Days that chain events are kept; 0 keeps them for ever',
    ),
    INDEXER_START_BLOCK: integer({ min: 0 })
      .optional()
      .describe('First block; default: the earliest contract of the manifest'),
  },
});
