import type { ContractsManifest } from '../../../lib/contracts-manifest.ts';
import { createLogger } from '../../../lib/log.ts';
import { createMetrics } from '../../../lib/metrics.ts';
import { migrate } from '../../../lib/migrate.ts';
import { createPostgres } from '../../../lib/postgres.ts';
import { systemRandom } from '../../../lib/random.ts';
import { systemClock } from '../../../lib/time.ts';
import { startTestChain, type TestChain } from '../../../tools/testing/test-chain.ts';
import { deployTestContracts, testAccounts } from '../../../tools/testing/test-contracts.ts';
import { createTestPostgres } from '../../../tools/testing/test-postgres.ts';
import { gatewayMigrations } from '../migrations/gateway-migrations.ts';
import type { EthereumRpc } from '../rpc/ethereum-rpc.ts';
import { createKeySigner } from '../signers/local-signers.ts';
import { createSignerPools, type SignerPool, type SignerPools } from '../signers/signer-pools.ts';
import { signerPolicySchema } from '../signers/signers-file.ts';
import { createAdvisoryLease } from '../store/advisory-lease.ts';
import type { GatewayPostgres, GatewayTables } from '../store/gateway-database.ts';
import type { ContractBook } from '../transactions/contract-book.ts';
import { DEFAULT_LANE_TIMING, type LaneTiming } from '../transactions/decide-lane.ts';
import { loadContractBook } from '../transactions/load-contract-book.ts';
import { createRpcLaneChain } from '../transactions/rpc-lane-chain.ts';
import { createTransactionService, type TransactionService } from '../transactions/service.ts';
import { createTransactionMetrics } from '../transactions/transaction-metrics.ts';
import type { TransactionView } from '../transactions/transaction-schema.ts';
import { createTransactionWorker } from '../transactions/transaction-worker.ts';
import { createWebhookSender } from '../transactions/webhook-sender.ts';
import { createDirectRpc } from './direct-rpc.ts';

/** Waits long enough for a busy machine, retries soon enough for a quick test. */
export const FAST_TIMING: LaneTiming = {
  ...DEFAULT_LANE_TIMING,
  rebroadcastMs: 1_000,
  retryUnknownMs: 300,
  bumpAfterMs: { slow: 4_000, standard: 2_500, fast: 1_500 },
};

export interface RunningWorker {
  wake(): void;
  /** Ends it in order. */
  stop(): Promise<void>;
}

/** A real chain with our contracts, a real database with our schema, and the gateway's parts on top. */
export interface GatewayFixture {
  readonly chain: TestChain;
  readonly manifest: ContractsManifest;
  readonly book: ContractBook;
  readonly postgres: GatewayPostgres;
  readonly databaseUrl: string;
  readonly pools: SignerPools;
  readonly service: TransactionService;
  cutConnections(): Promise<void>;
  startWorker(options?: {
    rpc?: EthereumRpc;
    timing?: LaneTiming;
    confirmations?: number;
    webhookSecrets?: readonly string[];
  }): RunningWorker;
  /** Polls until the transaction satisfies `wanted`; says what it was instead when it does not in time. */
  waitFor(
    id: string,
    wanted: (view: TransactionView) => boolean,
    timeoutMs?: number,
  ): Promise<TransactionView>;
  close(): Promise<void>;
}

export async function createGatewayFixture(
  options: { blockTime?: number; pools?: SignerPool[]; logLevel?: string } = {},
): Promise<GatewayFixture> {
  const log = createLogger({
    service: 'gateway-test',
    level: options.logLevel ?? process.env.TEST_LOG_LEVEL ?? 'error',
  });
  const [chain, database] = await Promise.all([
    startTestChain(options.blockTime === undefined ? {} : { blockTime: options.blockTime }),
    createTestPostgres(),
  ]);
  const manifest = await deployTestContracts(chain);
  const postgres = createPostgres<GatewayTables>({ url: database.url, schema: 'gateway', log, poolMax: 20 });
  await migrate({ pool: postgres.pool, schema: 'gateway', migrations: gatewayMigrations, log });
  const book = loadContractBook(manifest);
  const pools = createSignerPools(
    options.pools ?? [
      {
        alias: 'treasury',
        policy: signerPolicySchema.parse({ allowNative: true }),
        signers: [createKeySigner(testAccounts.treasury.privateKey)],
      },
      {
        alias: 'sponsor',
        policy: signerPolicySchema.parse({}),
        signers: [createKeySigner(testAccounts.sponsor.privateKey)],
      },
    ],
  );
  const workers = new Set<RunningWorker>();
  const service = createTransactionService({
    postgres,
    books: new Map([[manifest.chainId, book]]),
    policies: new Map(pools.all().map((pool) => [pool.alias, pool.policy])),
    clock: systemClock,
    random: systemRandom(systemClock),
    wake: () => {
      for (const worker of workers) worker.wake();
    },
  });

  return {
    chain,
    manifest,
    book,
    postgres,
    databaseUrl: database.url,
    pools,
    service,
    cutConnections: () => database.cutConnections(),
    startWorker({
      rpc = createDirectRpc(chain.url),
      timing = FAST_TIMING,
      confirmations = 2,
      webhookSecrets,
    } = {}) {
      const abort = new AbortController();
      const lease = createAdvisoryLease({ pool: postgres.pool, log, clock: systemClock });
      const worker = createTransactionWorker({
        postgres,
        lease,
        rpc,
        chain: createRpcLaneChain({ rpc, chainId: manifest.chainId, monotonic: systemClock.monotonic }),
        book,
        pools,
        confirmations,
        clock: systemClock,
        log,
        metrics: createTransactionMetrics(
          createMetrics({ service: 'test', processMetrics: false }),
          postgres,
        ),
        timing,
        webhooks:
          webhookSecrets &&
          createWebhookSender({
            postgres,
            secrets: webhookSecrets,
            allowPrivate: true,
            clock: systemClock,
            random: systemRandom(systemClock),
            log,
          }),
      });
      const running = worker.run(abort.signal);
      const handle: RunningWorker = {
        wake: () => worker.wake(),
        async stop() {
          workers.delete(handle);
          abort.abort();
          await running;
          await lease.close();
        },
      };
      workers.add(handle);
      return handle;
    },
    async waitFor(id, wanted, timeoutMs = 60_000) {
      const deadline = Date.now() + timeoutMs;
      for (;;) {
        const view = await service.get(id);
        if (wanted(view)) return view;
        if (Date.now() > deadline)
          throw new Error(`transaction ${id} did not get there in ${timeoutMs} ms: ${JSON.stringify(view)}`);
        await systemClock.sleep(50);
      }
    },
    async close() {
      for (const worker of workers) await worker.stop();
      await postgres.close();
      await database.drop();
      await chain.stop();
    },
  };
}
