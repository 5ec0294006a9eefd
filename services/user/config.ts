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

/** Parts of the service that a replica can run; all of them by default, fewer to scale them apart. */
export const ROLES = ['http', 'events', 'delivery', 'jobs'] as const;

const keyList = z.string().transform((text, ctx) => {
  const keys = text.split(',').map((part) => {
    const at = part.indexOf(':');
    return { kid: part.slice(0, at).trim(), secret: part.slice(at + 1).trim() };
  });
  if (keys.some((key) => !/^[A-Za-z0-9_-]+$/.test(key.kid) || key.secret.length < 32)) {
    ctx.addIssue({
      code: 'custom',
      message: 'expected kid:secret pairs, each secret at least 32 characters long',
    });
    return z.NEVER;
  }
  return keys;
});

/** Settings of the user service. */
export const userConfig = defineConfig({
  service: 'user',
  keys: {
    ...commonKeys,
    PORT: port(4200).describe('Port to listen on'),
    DATABASE_URL: databaseUrl().describe('Postgres'),
    REDIS_URL: redisUrl().describe('Redis, which wakes delivery workers and counts attempts'),
    REDIS_PREFIX: z.string().default('rejuve:').describe('Start of all keys in Redis'),
    SERVICE_AUTH_KEYS: secret(serviceAuthKeys),
    GATEWAY_URL: url().default('http://127.0.0.1:4000').describe('The chain-gateway'),
    CONTRACTS_FILE: z
      .string()
      .optional()
      .describe('Manifest of deployed contracts; tells where Multicall3 is'),
    CHAIN_ID: integer({ min: 1, default: 31_337 }).describe('The chain whose wallets sign in'),
    USER_ISSUER: url()
      .default('http://127.0.0.1:4200')
      .describe('`iss` of access tokens; where this service is reached'),
    SIWE_DOMAIN: csv(z.string().min(1))
      .optional()
      .describe('Hosts that may ask for sign-in signatures; default: of USER_ISSUER'),
    JWT_KEYS_FILE: z
      .string()
      .optional()
      .describe('Private keys of access tokens as a JWK set; default: made and rotated in Postgres'),
    JWT_KEY_ROTATION_MS: integer({ min: 4 * 3_600_000, default: 30 * 86_400_000 }).describe(
      'How long one key of our own signs',
    ),
    DATA_KEYS: secret(keyList)
      .optional()
      .describe('Keys that seal secrets in the database, kid:secret[,…]; the first one seals'),
    CURSOR_SECRET: secret(z.string().min(16).optional()).describe('Signs list cursors'),
    ROLES: csv(z.enum(ROLES))
      .default([...ROLES])
      .describe('Parts that this replica runs'),
    POSTGRES_POOL_MAX: integer({ min: 2, max: 200, default: 15 }).describe('Connections to Postgres at most'),
    APP_URL: url().optional().describe('The app; links in messages start with it. Default: USER_ISSUER'),
    SMTP_URL: secret(url(['smtp', 'smtps']))
      .optional()
      .describe('Mail server, smtp[s]://user:password@host:port'),
    EMAIL_FROM: z.string().min(3).default('Rejuve <no-reply@localhost>').describe('Sender of e-mail'),
    EMAIL_TIMEOUT_MS: integer({ min: 500, max: 45_000, default: 15_000 }).describe(
      'One attempt to hand over a message',
    ),
    VAPID_SUBJECT: z
      .string()
      .regex(/^(mailto:|https:\/\/)/)
      .default('mailto:ops@localhost.localdomain')
      .describe('Whom push services tell about problems'),
    FCM_CREDENTIALS_FILE: z.string().optional().describe('Service account file of Firebase'),
    FCM_URL: url().default('https://fcm.googleapis.com').describe('Firebase Cloud Messaging'),
    ALLOW_PRIVATE_TARGETS: flag(false).describe(
      'Lets webhooks and push endpoints point to private addresses; for development only',
    ),
    DELIVERY_CONCURRENCY: integer({ min: 1, max: 200, default: 10 }).describe(
      'Messages sent at once per channel and replica',
    ),
    DELIVERY_BACKOFF_MS: integer({ min: 10, default: 5_000 }).describe(
      'Pause before the first retry of a message',
    ),
    DELIVERY_LEASE_MS: integer({ min: 1_000, default: 60_000 }).describe(
      'After this a message that a dead worker held is sent again',
    ),
    RECONCILE_INTERVAL_MS: integer({ min: 1_000, default: 60_000 }).describe(
      'How often balances are compared with the chain',
    ),
    REWARD_SIGNER: z.string().min(1).default('treasury').describe('Signer pool that pays rewards'),
    PAYOUT_INTERVAL_MS: integer({ min: 100, default: 10_000 }).describe('How often owed rewards are paid'),
    PARTNERS_FILE: z
      .string()
      .optional()
      .describe('Partners and their connectors, YAML or JSON; secrets by reference'),
    PARTNER_REFRESH_MS: integer({ min: 500, default: 300_000 }).describe('How often offers are fetched'),
    ANALYTICS_URL: url()
      .optional()
      .describe('Collector of domain events (NDJSON); without it nothing is noted'),
    AUTH_PER_MINUTE: integer({ min: 1, default: 300 }).describe(
      'Calls of sign-in routes per network and minute',
    ),
    SSE_HEARTBEAT_MS: integer({ min: 1_000, max: 60_000, default: 15_000 }).describe(
      'Sign of life on idle streams',
    ),
    AUDIT_INTERVAL_MS: integer({ min: 1_000, default: 30_000 }).describe(
      'How often wallets are checked for missing notifications',
    ),
    AUDIT_GRACE_MS: integer({ min: 0, default: 15_000 }).describe(
      'Transfers younger than this are not missed yet',
    ),
  },
});
