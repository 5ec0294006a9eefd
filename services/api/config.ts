import { z } from 'zod';
import {
  commonKeys,
  csv,
  databaseUrl,
  defineConfig,
  integer,
  port,
  redisUrl,
  secret,
  url,
} from '../../lib/config.ts';
import { serviceAuthKeys } from '../../lib/service-auth.ts';

/** Settings of the API. */
export const apiConfig = defineConfig({
  service: 'api',
  keys: {
    ...commonKeys,
    PORT: port(4100).describe('Port to listen on'),
    DATABASE_URL: databaseUrl().describe('Postgres'),
    REDIS_URL: redisUrl().describe('Redis, which counts requests for rate limits'),
    REDIS_PREFIX: z.string().default('rejuve:').describe('Start of all keys in Redis'),
    SERVICE_AUTH_KEYS: secret(serviceAuthKeys),
    GATEWAY_URL: url().default('http://127.0.0.1:4000').describe('The chain-gateway'),
    USER_URL: url().default('http://127.0.0.1:4200').describe('The user service'),
    USER_ISSUER: url()
      .default('http://127.0.0.1:4200')
      .describe('`iss` of the access tokens that are accepted'),
    CONTRACTS_FILE: z.string().min(1).describe('Manifest of deployed contracts'),
    CHAIN_ID: integer({ min: 1, default: 31_337 }).describe('The chain that this API speaks of'),
    CURSOR_SECRET: secret(z.string().min(32)).describe('Signs list cursors; at least 32 characters'),
    API_BOOTSTRAP_KEY: secret(
      z.string().regex(/^rjv_[a-z0-9]{4,32}_[A-Za-z0-9]{16,128}$/, 'expected rjv_<id>_<secret>'),
    )
      .optional()
      .describe('A key with every scope, put in place at each start; for development and first set-up'),
    SPONSOR_POOL: z
      .string()
      .default('sponsor')
      .describe('Signer pool that relays identities and data submissions'),
    REQUESTER_POOLS: csv(z.string().min(1))
      .default(['lab'])
      .describe('Signer pools that take up permissions, each with an identity of its own'),
    SETTLE_MS: integer({ min: 100, max: 600_000, default: 15_000 }).describe(
      'How often payments and anchors that wait are handed to the gateway, ms',
    ),
    STREAM_MAX_MS: integer({ min: 100, max: 86_400_000, default: 3_600_000 }).describe(
      'An event stream ends after this time, ms; clients come back with Last-Event-ID, perhaps to another replica',
    ),
    TREASURY_POOL: z
      .string()
      .default('treasury')
      .describe('Signer pool that pays rewards and settles offers'),
    SIGNER_POOLS: csv(z.string().min(1))
      .default(['treasury', 'sponsor', 'lab'])
      .describe('Signer pools that clients may be allowed to use; named in errors'),
    QUOTE_URL: z
      .string()
      .optional()
      .describe('Where prices come from, with {symbol} and {currency}; answers {"price": "0.01"}'),
    REQUESTS_PER_MINUTE: integer({ min: 1, max: 10_000_000, default: 600 }).describe(
      'Requests that one caller may make in a minute, where its key does not say otherwise',
    ),
    REQUESTS_PER_MINUTE_PER_ADDRESS: integer({ min: 1, max: 100_000_000, default: 60_000 }).describe(
      'Requests that all callers behind one network address may make in a minute together',
    ),
    TRUSTED_PROXIES: integer({ min: 0, max: 10, default: 0 }).describe(
      'Proxies of ours in front of the API; the network address of a caller is read that many places from the end of X-Forwarded-For',
    ),
    IPFS_GATEWAY: url().default('https://ipfs.io').describe('Where ipfs: metadata is read from'),
    METADATA_DIR: z
      .string()
      .optional()
      .describe('Folder whose files answer metadata: URIs; development only'),
    ATTESTERS: csv(z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'expected an address'))
      .default([])
      .describe('Attesters whose attestations count as verification'),
    ANALYTICS_URL: url()
      .optional()
      .describe('Where usage events are posted instead of being kept in Postgres'),
    ANALYTICS_SECRET: secret(z.string().min(16))
      .optional()
      .describe('Signs what is posted to ANALYTICS_URL; required with it'),
    DATABASE_POOL_MAX: integer({ min: 1, max: 200, default: 10 }).describe('Connections to Postgres at most'),
  },
});
