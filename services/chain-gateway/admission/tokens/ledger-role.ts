import type { ProcessScope } from '../../../../lib/lifecycle.ts';
import type { Logger } from '../../../../lib/log.ts';
import type { Metrics } from '../../../../lib/metrics.ts';
import type { Random } from '../../../../lib/random.ts';
import type { Clock } from '../../../../lib/time.ts';
import { createAdvisoryLease } from '../../store/advisory-lease.ts';
import type { GatewayPostgres } from '../../store/gateway-database.ts';
import { createCallLedger } from './call-ledger.ts';
import { createLedgerWorker, LEDGER_TIMING } from './ledger-worker.ts';
import { createPurse } from './purse.ts';
import { createLedgerMetrics } from './token-metrics.ts';

/** Keeps the books of call tokens: posts, sweeps and reconciles. Runs beside the transactions, which always run too. */
export function startLedgerRole(deps: {
  config: { CALL_TOKEN_CHUNK: number; CALL_TOKEN_STATEMENT_DAYS: number };
  redis: { url: string; prefix: string };
  postgres: GatewayPostgres;
  clock: Clock;
  random: Random;
  log: Logger;
  metrics: Metrics;
  scope: Pick<ProcessScope, 'defer'>;
}): void {
  const { config, postgres, clock, random, log, scope } = deps;
  const purse = createPurse({ ...deps.redis, log });
  scope.defer('call token budgets', () => purse.close());
  const metrics = createLedgerMetrics(deps.metrics);
  const lease = createAdvisoryLease({ pool: postgres.pool, log, clock });
  scope.defer('call token role', () => lease.close());
  const ledger = createCallLedger({
    postgres,
    purse,
    chunk: config.CALL_TOKEN_CHUNK,
    random,
    log,
    onLoss: (leases) => metrics.lost(leases),
  });
  const worker = createLedgerWorker({
    postgres,
    purse,
    ledger,
    lease,
    clock,
    log,
    metrics,
    timing: { ...LEDGER_TIMING, statementDays: config.CALL_TOKEN_STATEMENT_DAYS },
  });
  const stop = new AbortController();
  const running = worker.run(stop.signal);
  scope.defer('call token ledger', () => {
    stop.abort();
    return running;
  });
}
