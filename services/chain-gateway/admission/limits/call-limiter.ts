import type { Metrics } from '../../../../lib/metrics.ts';
import type { RpcCall } from '../../rpc/call-path.ts';
import type { RpcFailure } from '../../rpc/outcome.ts';
import type { Principal } from '../principal.ts';
import { admissionUnits, LEAST_UNITS } from './method-class.ts';
import type { LimitStanding, UnitLimiter, UnitLimiterDeps } from './unit-limiter.ts';
import { createUnitLimiter } from './unit-limiter.ts';

/** The rate limit as the front door uses it. */
export interface CallLimiter {
  admit(call: RpcCall): RpcFailure | undefined | Promise<RpcFailure | undefined>;
  /** The call is over: what it did not need goes back. */
  settle(call: RpcCall): void;
  standing(principal: Principal): LimitStanding | undefined;
  stop(): Promise<void>;
}

/**
 * Takes a method's whole price when a call arrives, and gives back all but one unit of it when no provider was needed:
 * answered from memory, along with another call, or refused. So a client is slowed down by what it makes providers do,
 * and still cannot ask for cached answers without end.
 */
export function createCallLimiter(
  deps: Omit<UnitLimiterDeps, 'onRefused' | 'onLocal'> & { metrics: Metrics },
): CallLimiter {
  const refused = deps.metrics.counter({
    name: 'gateway_limit_refusals_total',
    help: 'Calls refused by the rate limit in compute units: of the principal, of its class of methods, or of the whole gateway.',
    labels: ['scope'],
  });
  const local = deps.metrics.counter({
    name: 'gateway_limit_local_decisions_total',
    help: 'Calls decided by the limit of this process alone because the shared one in Redis was away.',
  });
  const limiter: UnitLimiter = createUnitLimiter({
    ...deps,
    onRefused: (scope) => refused.inc({ scope }),
    onLocal: () => local.inc(),
  });
  deps.metrics.gauge({
    name: 'gateway_limit_shared_away',
    help: '1 while Redis is away and each process keeps the rate limits by itself.',
    collect: (gauge) => gauge.set(deps.source !== undefined && limiter.local() ? 1 : 0),
  });
  return {
    admit(call) {
      const verdict = limiter.take(call.who, call.method);
      const units = admissionUnits(call.method);
      if (verdict === undefined) {
        call.admitted = units;
        return undefined;
      }
      if (!(verdict instanceof Promise)) return verdict;
      return verdict.then((refusal) => {
        if (refusal === undefined) call.admitted = units;
        return refusal;
      });
    },
    settle(call) {
      const unused = call.attempts > 0 ? 0 : call.admitted - LEAST_UNITS;
      if (unused > 0) limiter.giveBack(call.who, call.method, unused);
    },
    standing: (principal) => limiter.standing(principal),
    stop: () => limiter.stop(),
  };
}
