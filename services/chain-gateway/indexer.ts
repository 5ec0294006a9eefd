import { loadConfig } from '../../lib/config.ts';
import { runProcess } from '../../lib/lifecycle.ts';
import { createEventHintSender } from './events/event-hints.ts';
import { openContractBook, openGatewayDatabase } from './gateway-routes.ts';
import { createIndexer } from './indexer/run-indexer.ts';
import { createProcessShell } from './process-shell.ts';
import { createAdvisoryLease } from './store/advisory-lease.ts';
import { DEFAULT_CONFIRMATIONS, indexerConfig } from './worker-config.ts';

/** Follows the chain and keeps the index and the event log. Run two: one works, one stands by. */
runProcess('gateway-indexer', async (scope) => {
  const config = loadConfig(indexerConfig, { env: process.env });
  const shell = await createProcessShell('gateway-indexer', config, scope);
  const { log, metrics, clock, path, chainId } = shell;
  const postgres = await openGatewayDatabase({
    url: config.DATABASE_URL,
    log,
    metrics,
    applicationName: 'rejuve-gateway-indexer',
    poolMax: config.DATABASE_POOL_MAX,
    scope,
  });
  const { book, confirmations } = openContractBook(config.CONTRACTS_FILE, chainId);
  const lease = createAdvisoryLease({ pool: postgres.pool, log, clock });
  scope.defer('lease', () => lease.close());
  const hints =
    config.REDIS_URL === undefined
      ? undefined
      : createEventHintSender({ url: config.REDIS_URL, prefix: `${config.REDIS_PREFIX}:`, log });
  if (hints) scope.defer('event hints', () => hints.close());

  const indexer = createIndexer({
    postgres,
    lease,
    rpc: path.rpc,
    book,
    chainId,
    confirmations: config.CONFIRMATIONS ?? confirmations ?? DEFAULT_CONFIRMATIONS,
    pollMs: config.INDEXER_POLL_MS,
    rangeBlocks: config.INDEXER_RANGE_BLOCKS,
    startBlock: config.INDEXER_START_BLOCK,
    eventRetentionDays: config.EVENT_RETENTION_DAYS,
    clock,
    log,
    metrics,
    onEvents: (seq) => hints?.hint(seq),
  });
  const stop = new AbortController();
  const running = indexer.run(stop.signal);
  scope.defer('indexer', () => {
    stop.abort();
    return running;
  });
  await shell.listen([
    { name: 'postgres', check: (signal) => postgres.ping(signal) },
    {
      name: 'index',
      async check() {
        const problem = indexer.problem();
        if (problem) throw new Error(problem);
      },
    },
  ]);
  return { log, drainTimeoutMs: config.DRAIN_TIMEOUT_MS, drainDelayMs: config.DRAIN_DELAY_MS };
});
