import type { Express } from 'express';
import { ConfigError } from '../../lib/config.ts';
import { loadContractsManifest } from '../../lib/contracts-manifest.ts';
import { type CursorCodec, createCursorCodec } from '../../lib/cursor.ts';
import type { Authenticator } from '../../lib/http/app.ts';
import type { ReadinessCheck } from '../../lib/http/readiness.ts';
import type { Route } from '../../lib/http/route.ts';
import type { ProcessScope } from '../../lib/lifecycle.ts';
import type { Logger } from '../../lib/log.ts';
import type { Metrics } from '../../lib/metrics.ts';
import { migrate } from '../../lib/migrate.ts';
import { createPostgres } from '../../lib/postgres.ts';
import type { Random } from '../../lib/random.ts';
import type { ServiceAuthKeys } from '../../lib/service-auth.ts';
import type { Clock } from '../../lib/time.ts';
import type { CredentialReader } from './admission/identify.ts';
import { openApiKeys } from './admission/keys/open-api-keys.ts';
import type { KeyUsage } from './admission/keys/routes.ts';
import {
  type CallTokenConfig,
  type CallTokensParts,
  createCallTokenParts,
} from './admission/tokens/create-call-tokens.ts';
import { createEventHintReceiver } from './events/event-hints.ts';
import { createEventTail } from './events/event-tail.ts';
import { createIndexRoutes } from './events/index-routes.ts';
import { createEventRoutes } from './events/routes.ts';
import type { ChainView } from './heads/chain-view.ts';
import { createJobArrivals } from './jobs/job-metrics.ts';
import { createTicketOffice } from './jobs/job-queue.ts';
import { createJobRoutes } from './jobs/routes.ts';
import { createJobService } from './jobs/service.ts';
import { gatewayMigrations } from './migrations/gateway-migrations.ts';
import type { EthereumRpc } from './rpc/ethereum-rpc.ts';
import { loadSignersFile, type SignerPoolEntry } from './signers/signers-file.ts';
import type { GatewayPostgres, GatewayTables } from './store/gateway-database.ts';
import { type ContractBook, createContractBook } from './transactions/contract-book.ts';
import { loadContractBook } from './transactions/load-contract-book.ts';
import { createTransactionOperationsRoutes } from './transactions/operations-routes.ts';
import { createTransactionRoutes } from './transactions/routes.ts';
import { createTransactionService } from './transactions/service.ts';
import { createTransactionWatcher } from './transactions/transaction-watcher.ts';
import { createWakeSender } from './transactions/wake-queue.ts';

export interface GatewayDatabaseConfig {
  readonly DATABASE_URL: string;
  readonly DATABASE_POOL_MAX?: number | undefined;
}

/** Opens the gateway's database and brings its schema up to date; safe in every process at once. */
export async function openGatewayDatabase(options: {
  url: string;
  log: Logger;
  metrics: Metrics;
  applicationName: string;
  poolMax?: number;
  scope: Pick<ProcessScope, 'defer'>;
}): Promise<GatewayPostgres> {
  const { url, log, metrics, applicationName, scope } = options;
  const postgres = createPostgres<GatewayTables>({
    url,
    schema: 'gateway',
    log,
    metrics,
    applicationName,
    ...(options.poolMax ? { poolMax: options.poolMax } : {}),
  });
  scope.defer('postgres', () => postgres.close());
  await migrate({ pool: postgres.pool, schema: 'gateway', migrations: gatewayMigrations, log });
  return postgres;
}

/** Contracts by name for one chain; without a manifest nothing can be called by name, and nothing is indexed. */
export function openContractBook(
  file: string | undefined,
  chainId: number,
): { book: ContractBook; confirmations: number | undefined } {
  if (file === undefined) return { book: createContractBook(chainId, []), confirmations: undefined };
  const manifest = loadContractsManifest(file);
  if (manifest.chainId !== chainId) {
    throw new ConfigError('gateway', [
      { key: 'CONTRACTS_FILE', message: `describes chain ${manifest.chainId}, but CHAIN_ID is ${chainId}` },
    ]);
  }
  return { book: loadContractBook(manifest), confirmations: manifest.confirmations };
}

export const openSignersFile = (file: string | undefined): ReadonlyMap<string, SignerPoolEntry> =>
  file === undefined ? new Map() : loadSignersFile(file);

/** The part of the REST interface that stands on the database: transactions, the event log, the index. */
export async function createGatewayRoutes(deps: {
  config: Omit<CallTokenConfig, 'CALL_TOKEN_PAYERS'> & {
    CALL_TOKEN_PAYERS?: readonly string[] | undefined;
    DATA_KEYS?: ServiceAuthKeys | undefined;
    SERVICE_AUTH_KEYS?: ServiceAuthKeys | undefined;
    DATABASE_URL: string;
    REDIS_URL?: string | undefined;
    REDIS_PREFIX: string;
    CONTRACTS_FILE?: string | undefined;
    SIGNERS_FILE?: string | undefined;
    SNET_FILE?: string | undefined;
    ALLOW_METHODS?: readonly string[] | undefined;
    WEBHOOK_SECRETS?: readonly string[] | undefined;
    WEBHOOK_ALLOW_PRIVATE: boolean;
    JOBS_RETENTION_HOURS: number;
  };
  chainId: number;
  /** The head that calls of jobs are judged by. */
  view: ChainView;
  /** Asked about signatures of contract wallets. */
  rpc: EthereumRpc;
  /** What a principal spent at providers. */
  usage: (principal: string) => Promise<KeyUsage>;
  /** Signs list cursors; any secret that all replicas share. */
  cursorSecret: string;
  clock: Clock;
  random: Random;
  log: Logger;
  metrics: Metrics;
  scope: Pick<ProcessScope, 'defer'>;
  /** Verifies our own services. */
  service: Authenticator;
}): Promise<{
  routes: Route[];
  readiness: ReadinessCheck[];
  tokens: CallTokensParts | undefined;
  keys: CredentialReader;
  /** Mounts what is no Route: gRPC-web. */
  extend: ((app: Express) => void) | undefined;
}> {
  const { config, chainId, clock, random, log, metrics, scope } = deps;
  const postgres = await openGatewayDatabase({
    url: config.DATABASE_URL,
    log,
    metrics,
    applicationName: 'rejuve-gateway',
    poolMax: 20,
    scope,
  });
  const { book, confirmations } = openContractBook(config.CONTRACTS_FILE, chainId);
  const pools = openSignersFile(config.SIGNERS_FILE);
  const cursors = createCursorCodec(deps.cursorSecret);
  const redis =
    config.REDIS_URL === undefined
      ? undefined
      : { url: config.REDIS_URL, prefix: `${config.REDIS_PREFIX}:`, log };

  const wake = redis && createWakeSender(redis);
  if (wake) scope.defer('wake queue', () => wake.close());
  const watcher = createTransactionWatcher({ postgres, clock, log });
  scope.defer('transaction watcher', () => watcher.close());
  const tail = createEventTail({ postgres, clock, log });
  scope.defer('event tail', () => tail.close());
  const hints = redis && createEventHintReceiver(redis, () => tail.hint());
  if (hints) scope.defer('event hints', () => hints.close());

  const service = createTransactionService({
    postgres,
    books: new Map([[chainId, book]]),
    policies: new Map([...pools].map(([alias, pool]) => [alias, pool.policy])),
    clock,
    random,
    wake: (chain, inLane) => wake?.wake(chain, inLane),
  });
  const office = redis && createTicketOffice({ ...redis, chainId });
  if (office) scope.defer('job tickets', () => office.close());
  const arrived = createJobArrivals(metrics);
  const jobs = createJobService({
    postgres,
    chainId,
    view: deps.view,
    extraMethods: new Set(config.ALLOW_METHODS),
    random,
    callbacks: {
      enabled: config.WEBHOOK_SECRETS !== undefined,
      allowPrivate: config.WEBHOOK_ALLOW_PRIVATE,
    },
    retentionMs: config.JOBS_RETENTION_HOURS * 3_600_000,
    queued(slices) {
      arrived(slices);
      // Not waited for: the job is saved, and workers make up for tickets that were not sold.
      void office?.add(slices);
    },
  });
  const keys = openApiKeys({
    ...deps,
    postgres,
    cursors,
    redis:
      config.REDIS_URL === undefined ? undefined : { url: config.REDIS_URL, prefix: config.REDIS_PREFIX },
    usage: deps.usage,
  });
  const tokens =
    config.CALL_TOKEN_PAYERS === undefined
      ? undefined
      : await openCallTokens({ ...deps, payers: config.CALL_TOKEN_PAYERS, postgres, cursors });
  // Loaded only here: gRPC and protobuf are not needed by a gateway without such services.
  const snet =
    config.SNET_FILE === undefined
      ? undefined
      : await (await import('./snet/open-snet.ts')).openSnet({
          ...deps,
          ...{ postgres, book, pools, transactions: service, callTokens: tokens?.authenticate },
          snetFile: config.SNET_FILE,
          env: process.env,
          sealKeys: config.DATA_KEYS ?? config.SERVICE_AUTH_KEYS,
          confirmations: confirmations ?? 1,
        });
  return {
    tokens,
    keys: keys.reader,
    extend: snet?.extend,
    routes: [
      ...keys.routes,
      ...(snet?.routes ?? []),
      ...(tokens?.routes ?? []),
      ...createJobRoutes({ service: jobs, postgres, cursors }),
      ...createTransactionRoutes({ service, postgres, watcher, cursors, clock }),
      ...createTransactionOperationsRoutes({ postgres, service, chainId }),
      ...createEventRoutes({ postgres, tail }),
      ...createIndexRoutes({ postgres, cursors }),
    ],
    readiness: [{ name: 'postgres', check: (signal) => postgres.ping(signal) }],
  };
}

/** Call tokens need a Redis to spend from and keys to be sealed with; a gateway without them says so at the start. */
function openCallTokens(
  deps: Parameters<typeof createGatewayRoutes>[0] & {
    payers: readonly string[];
    postgres: GatewayPostgres;
    cursors: CursorCodec;
  },
): Promise<CallTokensParts> {
  const { config } = deps;
  const manifest =
    config.CONTRACTS_FILE === undefined ? undefined : loadContractsManifest(config.CONTRACTS_FILE);
  const dataKeys = config.DATA_KEYS ?? config.SERVICE_AUTH_KEYS;
  const tokenContract = manifest?.contracts.RejuveToken?.address;
  const missing = (key: string, message: string) => new ConfigError('gateway', [{ key, message }]);
  if (config.REDIS_URL === undefined)
    throw missing('REDIS_URL', 'is required with CALL_TOKEN_PAYERS: budgets are spent there');
  if (dataKeys === undefined)
    throw missing('DATA_KEYS', 'is required with CALL_TOKEN_PAYERS: it seals the signing keys');
  if (config.CALL_TOKEN_CONTRACT === undefined && tokenContract === undefined)
    throw missing(
      'CALL_TOKEN_CONTRACT',
      'is required with CALL_TOKEN_PAYERS unless CONTRACTS_FILE names RejuveToken',
    );
  return createCallTokenParts({
    ...deps,
    config: { ...config, CALL_TOKEN_PAYERS: deps.payers },
    redis: { url: config.REDIS_URL, prefix: config.REDIS_PREFIX },
    dataKeys,
    tokenContract,
    multicallAddress: manifest?.contracts.Multicall3?.address,
  });
}
