import type { z } from 'zod';
import type { ProcessScope } from '../../lib/lifecycle.ts';
import { openContractBook, openSignersFile } from './gateway-routes.ts';
import type { ProcessShell } from './process-shell.ts';
import { createSignerOpener } from './signers/open-signer.ts';
import { openSignerPools } from './signers/signer-pools.ts';
import { createAdvisoryLease } from './store/advisory-lease.ts';
import type { GatewayPostgres } from './store/gateway-database.ts';
import { DEFAULT_LANE_TIMING } from './transactions/decide-lane.ts';
import { createRpcLaneChain } from './transactions/rpc-lane-chain.ts';
import { createTransactionMetrics } from './transactions/transaction-metrics.ts';
import { createTransactionWorker } from './transactions/transaction-worker.ts';
import { createWakeReceiver } from './transactions/wake-queue.ts';
import { createWebhookSender } from './transactions/webhook-sender.ts';
import { DEFAULT_CONFIRMATIONS, type workerConfig } from './worker-config.ts';

export type WorkerConfig = Readonly<{
  [K in keyof (typeof workerConfig)['keys']]: z.output<(typeof workerConfig)['keys'][K]>;
}>;

/** Carries transactions from accepted to final. Any number of replicas; each nonce lane has one owner at a time. */
export async function startTransactionsRole(deps: {
  config: WorkerConfig;
  shell: ProcessShell;
  postgres: GatewayPostgres;
  scope: Pick<ProcessScope, 'defer'>;
}): Promise<void> {
  const { config, postgres, scope } = deps;
  const { log, metrics, clock, path, chainId, random } = deps.shell;
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
          random: random,
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
}
