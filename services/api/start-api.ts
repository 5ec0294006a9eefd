import type { ConfigOf } from '../../lib/config.ts';
import { loadContractsManifest } from '../../lib/contracts-manifest.ts';
import { createCursorCodec } from '../../lib/cursor.ts';
import { createHttpApp } from '../../lib/http/app.ts';
import { type RunningServer, startServer } from '../../lib/http/server.ts';
import type { ProcessScope } from '../../lib/lifecycle.ts';
import type { Logger } from '../../lib/log.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { migrate } from '../../lib/migrate.ts';
import { asDependencyError, createPostgres } from '../../lib/postgres.ts';
import { openFlags } from '../../lib/process-flags.ts';
import { systemRandom } from '../../lib/random.ts';
import { closeRedis, createRedis, pingRedis } from '../../lib/redis.ts';
import { createServiceAuth } from '../../lib/service-auth.ts';
import { createServiceClient } from '../../lib/service-client.ts';
import { systemClock } from '../../lib/time.ts';
import { API_VERSION, apiInfo, apiRoutes } from './api-routes.ts';
import { createChainReader } from './chain/chain-reader.ts';
import { createContracts } from './chain/contracts.ts';
import { createGateway } from './chain/gateway.ts';
import { createClientService } from './clients/service.ts';
import { createClientStore } from './clients/store.ts';
import type { apiConfig } from './config.ts';
import { createCacheAside } from './data/cache-aside.ts';
import { followChainEvents } from './data/chain-events.ts';
import type { ApiDatabase } from './database.ts';
import { mountPortal } from './docs/portal.ts';
import { apiFlags } from './flags.ts';
import { createAuthenticators } from './governance/authenticate.ts';
import { createGuard } from './governance/guard.ts';
import { createIdempotent, createIdempotentOutside } from './governance/idempotent.ts';
import { createRateLimiter } from './governance/rate-limit.ts';
import { createUserTokenVerifier } from './governance/user-tokens.ts';
import { createWritesSwitch } from './governance/writes-switch.ts';
import { apiMigrations } from './migrations.ts';
import { createRevocationAnchors } from './nfts/anchor-revocations.ts';
import { createConsentStore } from './nfts/consent-store.ts';
import { createMetadataReader } from './nfts/metadata.ts';
import { createPermissionService } from './nfts/permission-service.ts';
import { createRelayService } from './nfts/relay-service.ts';
import { createVerificationService } from './nfts/verification-service.ts';
import { createOfferService } from './offers/service.ts';
import { createOfferStore } from './offers/store.ts';
import { createRewardService } from './rewards/service.ts';
import { createRewardStore } from './rewards/store.ts';
import { postgresSink, webhookSink } from './telemetry/analytics-sink.ts';
import { createQuotas } from './telemetry/quota.ts';
import { createUsageRecorder } from './telemetry/usage-recorder.ts';
import { createUsageStore } from './telemetry/usage-store.ts';
import { createHttpQuoteSource } from './tokens/quotes.ts';
import { createTokenService } from './tokens/service.ts';
import { createPrepareService } from './transactions/prepare-service.ts';
import { createTransactionService } from './transactions/service.ts';
import { createSubmissionService } from './transactions/submission-service.ts';
import { createSubmissionStore } from './transactions/submission-store.ts';
import { createPeople } from './wallets/people.ts';
import { createWalletService } from './wallets/service.ts';

/** Builds the API from its settings and starts it; everything built is taken down by the scope. */
export async function startApi(
  config: ConfigOf<typeof apiConfig>,
  scope: ProcessScope,
  log: Logger,
): Promise<RunningServer> {
  const clock = systemClock;
  const random = systemRandom(clock);
  const metrics = createMetrics({ service: 'api' });

  const postgres = createPostgres<ApiDatabase>({
    url: config.DATABASE_URL,
    schema: 'api',
    log,
    metrics,
    poolMax: config.DATABASE_POOL_MAX,
  });
  scope.defer('postgres', () => postgres.close());
  await migrate({ pool: postgres.pool, schema: 'api', migrations: apiMigrations, log });
  const redis = createRedis({ url: config.REDIS_URL, log, role: 'api' });
  scope.defer('redis', () => closeRedis(redis));

  const auth = createServiceAuth({ self: 'api', keys: config.SERVICE_AUTH_KEYS, clock });
  const gatewayClient = createServiceClient({ baseUrl: config.GATEWAY_URL, audience: 'gateway', auth });
  scope.defer('gateway client', () => gatewayClient.close());
  const userClient = createServiceClient({ baseUrl: config.USER_URL, audience: 'user', auth });
  scope.defer('user client', () => userClient.close());

  const manifest = loadContractsManifest(config.CONTRACTS_FILE);
  if (manifest.chainId !== config.CHAIN_ID) {
    throw new Error(
      `CONTRACTS_FILE describes chain ${manifest.chainId}, and CHAIN_ID is ${config.CHAIN_ID}; set them to the same chain`,
    );
  }
  const contracts = createContracts(manifest);
  const gateway = createGateway({ client: gatewayClient, chainId: config.CHAIN_ID });
  const multicallAddress = contracts.has('Multicall3') ? contracts.addressOf('Multicall3') : undefined;
  const chain = createChainReader({ rpc: gateway.rpc, multicallAddress, clock });
  const people = createPeople({ client: userClient });
  const cursors = createCursorCodec(config.CURSOR_SECRET);

  const clients = createClientService({
    store: createClientStore(postgres.db),
    transaction: postgres.transaction,
    db: postgres.db,
    clock,
    random,
    log,
  });
  if (config.API_BOOTSTRAP_KEY) await clients.upsertBootstrapKey(config.API_BOOTSTRAP_KEY);
  const cache = createCacheAside({ redis, prefix: config.REDIS_PREFIX, random, metrics, log });
  const wallets = createWalletService({ people, cache });
  const transactions = createTransactionService({ gateway, signers: config.SIGNER_POOLS });
  const quotes = config.QUOTE_URL
    ? createHttpQuoteSource({ template: config.QUOTE_URL, cache, clock, log })
    : undefined;
  const tokens = createTokenService({ gateway, chain, contracts, cache, quotes });
  const prepare = createPrepareService({
    chain,
    contracts,
    chainId: config.CHAIN_ID,
    rejuveToken: tokens.rejuveToken,
  });
  const submissions = createSubmissionService({
    store: createSubmissionStore(postgres.db),
    chain,
    chainId: config.CHAIN_ID,
    confirmations: manifest.confirmations,
    wallets,
    clock,
    random,
  });
  const verification = createVerificationService({
    gateway,
    chain,
    contracts,
    attesters: config.ATTESTERS,
    clock,
  });
  const relay = createRelayService({
    gateway,
    chain,
    contracts,
    wallets,
    random,
    sponsorPool: config.SPONSOR_POOL,
  });
  const permissions = createPermissionService({
    gateway,
    chain,
    contracts,
    consents: createConsentStore(postgres.db),
    db: postgres.db,
    wallets,
    random,
    clock,
    log,
    requesterPools: config.REQUESTER_POOLS,
  });
  const anchors = createRevocationAnchors({
    postgres,
    gateway,
    contracts,
    random,
    signer: config.SPONSOR_POOL,
    log,
  });
  const payments = {
    transaction: postgres.transaction,
    gateway,
    chain,
    contracts,
    wallets,
    rejuveToken: tokens.rejuveToken,
    treasuryPool: config.TREASURY_POOL,
    clock,
    random,
    log,
  };
  const rewards = createRewardService({ ...payments, store: createRewardStore(postgres.db) });
  const offers = createOfferService({
    ...payments,
    store: createOfferStore(postgres.db),
    db: postgres.db,
    confirmations: manifest.confirmations,
  });
  const metadata = createMetadataReader({
    ipfsGateway: config.IPFS_GATEWAY,
    cache,
    metadataDir: config.METADATA_DIR,
  });
  scope.defer('metadata reader', () => metadata.close());

  const usage = createUsageStore(postgres.db);
  const sink =
    config.ANALYTICS_URL && config.ANALYTICS_SECRET
      ? webhookSink({ url: config.ANALYTICS_URL, secret: config.ANALYTICS_SECRET, clock, random })
      : postgresSink(postgres.db);
  const recorder = createUsageRecorder({
    store: usage,
    sink,
    secret: config.CURSOR_SECRET,
    clock,
    log,
    metrics,
  });
  scope.defer('usage recorder', () => recorder.close());
  const quotas = createQuotas({ redis, prefix: config.REDIS_PREFIX, store: usage, clock, log });
  const idempotent = createIdempotent(postgres);
  const idempotentOutside = createIdempotentOutside(postgres);
  const limiter = createRateLimiter({ redis, prefix: config.REDIS_PREFIX, clock, log, metrics });
  const flags = openFlags({ config, service: 'api', definitions: apiFlags, scope, metrics, clock, log });
  const requireWrites = createWritesSwitch(flags);
  const countAndLimit = createGuard({
    ...{ limiter, quotas, recorder, clock },
    requestsPerMinute: config.REQUESTS_PER_MINUTE,
    requestsPerMinutePerAddress: config.REQUESTS_PER_MINUTE_PER_ADDRESS,
    trustedProxies: config.TRUSTED_PROXIES,
    secret: config.CURSOR_SECRET,
  });
  const http = createHttpApp({
    service: 'api',
    version: API_VERSION,
    log,
    metrics,
    clock,
    random,
    routes: apiRoutes({
      tokens,
      wallets,
      transactions,
      submissions,
      prepare,
      nfts: { contracts, chain, gateway, metadata },
      relay,
      permissions,
      verification,
      rewards,
      offers,
      clients,
      usage: { store: usage, quotas, recorder },
      cursors,
      idempotent,
      idempotentOutside,
      clock,
      streamMaxMs: config.STREAM_MAX_MS,
    }),
    authenticate: createAuthenticators({
      verifyUserToken: createUserTokenVerifier({
        jwksUrl: `${config.USER_URL}/.well-known/jwks.json`,
        issuer: config.USER_ISSUER,
        clock,
      }),
      verifyCredential: (text) =>
        clients.authenticate(text).catch((error) => {
          throw asDependencyError(error);
        }),
    }),
    async guard(context) {
      await countAndLimit(context);
      requireWrites(context);
    },
    readiness: [
      { name: 'postgres', check: (signal) => postgres.ping(signal) },
      { name: 'redis', check: () => pingRedis(redis) },
      { name: 'gateway', check: (signal) => gatewayClient.ping(signal) },
      { name: 'user', check: (signal) => userClient.ping(signal) },
    ],
    openapi: apiInfo,
    extend: mountPortal,
  });
  const settling = clock.setInterval(() => {
    for (const part of [rewards, offers, anchors]) {
      part
        .settle()
        .catch((err: unknown) => log.warn({ err }, 'what is owed could not be settled; tried again soon'));
    }
  }, config.SETTLE_MS);
  scope.defer('settling', () => settling.cancel());
  const following = followChainEvents({ gateway, cache, db: postgres.db, clock, log, signal: scope.signal });
  scope.defer('chain events', () => following);
  const server = await startServer({ listener: http.app, host: config.HOST, port: config.PORT, log, clock });
  scope.defer('http server', () => {
    http.setDraining();
    return server.close(config.DRAIN_TIMEOUT_MS);
  });
  return server;
}
