import { loadConfig } from '../../lib/config.ts';
import { runProcess } from '../../lib/lifecycle.ts';
import { openContractBook, openGatewayDatabase, openSignersFile } from './gateway-routes.ts';
import { createProcessShell } from './process-shell.ts';
import { createSignerOpener } from './signers/open-signer.ts';
import { openSignerPools } from './signers/signer-pools.ts';
import { createAdvisoryLease } from './store/advisory-lease.ts';
import { DEFAULT_LANE_TIMING } from './transactions/decide-lane.ts';
import { createRpcLaneChain } from './transactions/rpc-lane-chain.ts';
import { createTransactionMetrics } from './transactions/transaction-metrics.ts';
import { createTransactionWorker } from './transactions/transaction-worker.ts';
import { createWakeReceiver } from './transactions/wake-queue.ts';
import { createWebhookSender } from './transactions/webhook-sender.ts';
import { DEFAULT_CONFIRMATIONS, workerConfig } from './worker-config.ts';

/** Carries transactions from accepted to final. Any number of replicas; each nonce lane has one owner at a time. */
runProcess('gateway-worker', async (scope) => {
  const config = loadConfig(workerConfig, { env: process.env });
  const shell = await createProcessShell('gateway-worker', config, scope);
  const { log, metrics, clock, path, chainId } = shell;
  const postgres = await openGatewayDatabase({
    url: config.DATABASE_URL,
    log,
    metrics,
    applicationName: 'rejuve-gateway-worker',
    poolMax: config.DATABASE_POOL_MAX,
    scope,
  });
  const { book, confirmations } = openContractBook(config.CONTRACTS_FILE, chainId);
  const pools = await openSignerPools(
    openSignersFile(config.SIGNERS_FILE),
    createSignerOpener({ env: process.env, clock }),
  );
  const lease = createAdvisoryLease({ pool: postgres.pool, log, clock });
  scope.defer('lease', () => lease.close());

  const webhooks =
    config.WEBHOOK_SECRETS === undefined
      ? undefined
      : createWebhookSender({
          postgres,
          secrets: config.WEBHOOK_SECRETS,
          allowPrivate: config.WEBHOOK_ALLOW_PRIVATE,
          clock,
          random: shell.random,
          log,
        });
  if (webhooks) scope.defer('webhooks', () => webhooks.close());

  const worker = createTransactionWorker({
    postgres,
    lease,
    rpc: path.rpc,
    chain: createRpcLaneChain({ rpc: path.rpc, chainId, monotonic: clock.monotonic }),
    book,
    pools,
    confirmations: config.CONFIRMATIONS ?? confirmations ?? DEFAULT_CONFIRMATIONS,
    clock,
    log,
    metrics: createTransactionMetrics(metrics, postgres),
    accessLists: config.TX_ACCESS_LISTS,
    webhooks,
    timing: {
      ...DEFAULT_LANE_TIMING,
      maxInFlight: config.TX_MAX_IN_FLIGHT,
      rebroadcastMs: config.TX_REBROADCAST_MS,
      bumpAfterMs: {
        slow: config.TX_BUMP_AFTER_MS * 3,
        standard: config.TX_BUMP_AFTER_MS,
        fast: Math.ceil(config.TX_BUMP_AFTER_MS / 2),
      },
    },
  });
  const stop = new AbortController();
  const running = worker.run(stop.signal);
  scope.defer('transactions', () => {
    stop.abort();
    return running;
  });
  if (config.REDIS_URL !== undefined) {
    const wake = createWakeReceiver(
      { url: config.REDIS_URL, prefix: `${config.REDIS_PREFIX}:`, log },
      (_chain, inLane) => worker.wake(inLane),
    );
    scope.defer('wake queue', () => wake.close());
  }
  await shell.listen([
    { name: 'postgres', check: (signal) => postgres.ping(signal) },
    {
      name: 'providers',
      async check() {
        if (!path.ready()) throw new Error('no provider is in good standing');
      },
    },
  ]);
  return { log, drainTimeoutMs: config.DRAIN_TIMEOUT_MS };
});
