import type { Metrics } from '../../../../lib/metrics.ts';
import type { LedgerWorkerMetrics } from './ledger-worker.ts';
import type { SpendingAccountsDeps } from './spending-account.ts';

/** Metrics of the process that takes holds. */
export function createHoldMetrics(metrics: Metrics): SpendingAccountsDeps['metrics'] {
  const holds = metrics.counter({
    name: 'call_token_holds_total',
    help: 'Holds asked for, by outcome: held, or the reason of the refusal.',
    labels: ['outcome'],
  });
  const seconds = metrics.histogram({
    name: 'call_token_hold_seconds',
    help: 'Time until a hold was taken or refused; one round trip to Redis, unless a chunk had to be leased.',
    buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2],
  });
  const ended = metrics.counter({
    name: 'call_token_endings_total',
    help: 'Calls that ended, by state and by whether Redis was told: told, gone (expired or lost before), given-up.',
    labels: ['state', 'outcome'],
  });
  const pending = metrics.gauge({
    name: 'call_token_endings_pending',
    help: 'Endings that Redis was not told yet because it is away.',
  });
  return {
    held(outcome, duration) {
      holds.inc({ outcome });
      seconds.observe(duration);
    },
    ended: (state, outcome) => ended.inc({ state, outcome }),
    pending: (endings) => pending.set(endings),
  };
}

/** Metrics of the process that keeps the books. Only the one that holds the role reports other than 0. */
export function createLedgerMetrics(metrics: Metrics): LedgerWorkerMetrics {
  const posted = metrics.counter({
    name: 'call_token_posted_total',
    help: 'Calls posted to Postgres, each once.',
  });
  const uncollected = metrics.counter({
    name: 'call_token_uncollected_units_total',
    help: 'Spent without a budget to charge, after Redis lost data: the loss of the operator, at most one chunk each.',
  });
  const drift = metrics.gauge({
    name: 'call_token_drift_units',
    help: 'Units by which Redis and Postgres disagree about open leases; what stays is taken back within two rounds.',
  });
  const imbalance = metrics.gauge({
    name: 'call_token_book_imbalance_units',
    help: 'Units by which budgets and the sums of their postings differ; anything but 0 is a bug.',
  });
  const leases = metrics.gauge({
    name: 'call_token_leases',
    help: 'Budgets leased to Redis, by state.',
    labels: ['state'],
  });
  const inFlight = metrics.gauge({
    name: 'call_token_in_flight',
    help: 'Holds that are not over, of all open leases.',
  });
  const unposted = metrics.gauge({
    name: 'call_token_unposted',
    help: 'Calls that ended and are not in Postgres yet.',
  });
  const oldest = metrics.gauge({
    name: 'call_token_oldest_unposted_seconds',
    help: 'Age of the oldest call that is not in Postgres yet.',
  });
  const lost = metrics.counter({
    name: 'call_token_lost_leases_total',
    help: 'Leases taken back because Redis lost its data.',
  });
  drift.set(0);
  imbalance.set(0);
  return {
    posted(fresh, units) {
      posted.inc(fresh);
      uncollected.inc(units);
    },
    drift: (units) => drift.set(units),
    imbalance: (units) => imbalance.set(units),
    leases(open, fenced) {
      leases.set({ state: 'open' }, open);
      leases.set({ state: 'fenced' }, fenced);
    },
    inFlight: (calls) => inFlight.set(calls),
    unposted(entries, age) {
      unposted.set(entries);
      oldest.set(age);
    },
    lost: (n) => lost.inc(n),
  };
}
