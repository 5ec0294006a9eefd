import { loadConfig } from '../../lib/config.ts';
import { runProcess } from '../../lib/lifecycle.ts';
import { startLedgerRole } from './admission/tokens/ledger-role.ts';
import { openGatewayDatabase } from './gateway-routes.ts';
import { startJobsRole } from './jobs-role.ts';
import { createProcessShell } from './process-shell.ts';
import { startTransactionsRole } from './transactions-role.ts';
import { workerConfig } from './worker-config.ts';

/**
 * The gateway's work behind the scenes, by role (WORKER_ROLES): `jobs` makes the calls of background jobs and is
 * scaled from nothing to many; `transactions` must always run. Alone on a machine one process does both.
 */
runProcess('gateway-worker', async (scope) => {
  const config = loadConfig(workerConfig, { env: process.env });
  const shell = await createProcessShell('gateway-worker', config, scope);
  const { log, metrics, path } = shell;
  const postgres = await openGatewayDatabase({
    url: config.DATABASE_URL,
    log,
    metrics,
    applicationName: 'rejuve-gateway-worker',
    poolMax: config.DATABASE_POOL_MAX,
    scope,
  });
  const roles = new Set(
    config.WORKER_ROLES ?? (config.REDIS_URL === undefined ? ['transactions'] : ['transactions', 'jobs']),
  );
  if (roles.has('transactions')) await startTransactionsRole({ config, shell, postgres, scope });
  if (roles.has('transactions') && config.CALL_TOKEN_PAYERS !== undefined && config.REDIS_URL !== undefined) {
    const redis = { url: config.REDIS_URL, prefix: config.REDIS_PREFIX };
    startLedgerRole({ config, redis, postgres, scope, ...shell });
  }
  const jobs = roles.has('jobs') ? await startJobsRole({ config, shell, postgres, scope }) : undefined;
  await shell.listen([
    { name: 'postgres', check: (signal) => postgres.ping(signal) },
    {
      name: 'providers',
      async check() {
        if (!path.ready()) throw new Error('no provider is in good standing');
      },
    },
    // With both roles transactions go on without Redis, so the process stays ready.
    ...(jobs && !roles.has('transactions') ? [jobs.readiness] : []),
  ]);
  return { log, drainTimeoutMs: config.DRAIN_TIMEOUT_MS, drainDelayMs: config.DRAIN_DELAY_MS };
});
