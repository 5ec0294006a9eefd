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
import { systemRandom } from '../../lib/random.ts';
import { closeRedis, createRedis, pingRedis } from '../../lib/redis.ts';
import { createServiceAuth } from '../../lib/service-auth.ts';
import { createServiceClient } from '../../lib/service-client.ts';
import { systemClock } from '../../lib/time.ts';
import { createChainReader } from './chain/chain-reader.ts';
import { createContracts } from './chain/contracts.ts';
import { createGateway } from './chain/gateway.ts';
import { createClientService } from './clients/service.ts';
import { createClientStore } from './clients/store.ts';
import type { apiConfig } from './config.ts';
import { createCacheAside } from './data/cache-aside.ts';
import { followChainEvents } from './data/chain-events.ts';
import type { ApiDatabase } from './database.ts';
import { createAuthenticators } from './governance/authenticate.ts';
import { createGuard } from './governance/guard.ts';
import { createRateLimiter } from './governance/rate-limit.ts';
import { createUserTokenVerifier } from './governance/user-tokens.ts';
import { apiMigrations } from './migrations.ts';
import { createConsentStore } from './nfts/consent-store.ts';
import { createMetadataReader } from './nfts/metadata.ts';
import { nftRoutes } from './nfts/nft-routes.ts';
import { permissionRoutes } from './nfts/permission-routes.ts';
import { createPermissionService } from './nfts/permission-service.ts';
import { relayRoutes } from './nfts/relay-routes.ts';
import { createRelayService } from './nfts/relay-service.ts';
import { createHttpQuoteSource } from './tokens/quotes.ts';
import { tokenRoutes } from './tokens/routes.ts';
import { createTokenService } from './tokens/service.ts';
import { transactionRoutes } from './transactions/routes.ts';
import { createTransactionService } from './transactions/service.ts';
import { createPeople } from './wallets/people.ts';
import { walletRoutes } from './wallets/routes.ts';
import { createWalletService } from './wallets/service.ts';

export const API_VERSION = '1.0.0';

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
  const metadata = createMetadataReader({
    ipfsGateway: config.IPFS_GATEWAY,
    metadataDir: config.METADATA_DIR,
  });
  scope.defer('metadata reader', () => metadata.close());

  const limiter = createRateLimiter({ redis, prefix: config.REDIS_PREFIX, clock, log, metrics });
  const http = createHttpApp({
    service: 'api',
    version: API_VERSION,
    log,
    metrics,
    clock,
    random,
    routes: [
      ...tokenRoutes({ tokens }),
      ...walletRoutes({ wallets }),
      ...transactionRoutes({ transactions, clock }),
      ...nftRoutes({ contracts, chain, gateway, metadata }),
      ...relayRoutes({ relay }),
      ...permissionRoutes({ permissions, cursors }),
    ],
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
    guard: createGuard({ limiter, requestsPerMinute: config.REQUESTS_PER_MINUTE }),
    readiness: [
      { name: 'postgres', check: (signal) => postgres.ping(signal) },
      { name: 'redis', check: () => pingRedis(redis) },
      { name: 'gateway', check: (signal) => gatewayClient.ping(signal) },
      { name: 'user', check: (signal) => userClient.ping(signal) },
    ],
    openapi: {
      title: 'Rejuve API',
      version: API_VERSION,
      description:
        'Tokens, NFTs, wallets and transactions of the Rejuve Longevity App. Chain-derived answers say as of which block they hold; amounts are exact decimal strings; errors are RFC 9457 problem documents.',
    },
  });
  const following = followChainEvents({ gateway, cache, db: postgres.db, clock, log, signal: scope.signal });
  scope.defer('chain events', () => following);
  const server = await startServer({ listener: http.app, host: config.HOST, port: config.PORT, log, clock });
  scope.defer('http server', () => {
    http.setDraining();
    return server.close(config.DRAIN_TIMEOUT_MS);
  });
  return server;
}
