import { MEASURED_SERVICES } from '../../lib/slo/objectives.ts';
import { dashboardLink } from '../panel-id.ts';
import type { AlertRule, RuleGroup } from './slo-rules.ts';

/** Values of series over two hours, a sample a minute, in promtool's notation: `0x10 1x110`. */
export type SeriesOverTime = Readonly<Record<string, string>>;

/**
 * An alert that no error budget gives. Each brings the series that make it fire and those that keep it quiet: the
 * tests are made from them, so no alert comes without.
 */
export interface PlatformAlert {
  readonly name: string;
  readonly severity: 'page' | 'ticket' | 'none';
  readonly service: string;
  readonly expr: string;
  readonly for: string;
  readonly summary: string;
  readonly description: string;
  readonly runbook: string;
  readonly panel: { readonly dashboard: string; readonly key: string };
  readonly example: {
    /** Bad from the start until minute 60, then good: fires at 55, is over at 115. */
    readonly bad: SeriesOverTime;
    /** What it looks like in good times, from the start. */
    readonly good: SeriesOverTime;
    /** Labels of the alert beyond severity and service, when it fires. */
    readonly labels?: Readonly<Record<string, string>>;
    /** The value in the summary, when it has one. */
    readonly value?: string;
  };
  /** True when it fires because nobody reports the metric. */
  readonly firesWhenAbsent?: true;
}

const constant = (value: number): string => `${value}x120`;
const thenGood = (bad: number, good: number): string => `${bad}x60 ${good}x60`;
/** A counter that grows by ten a minute for an hour, then stands still. */
const GROWS_THEN_STANDS = '0+10x60 600x60';
const STANDS = '7x120';
/** Reported for an hour, then gone; and the other way round. */
const COMES_AFTER_AN_HOUR = '_x60 1x60';

const DAY = 86_400;

const invariants: readonly PlatformAlert[] = [
  {
    name: 'TransactionLost',
    severity: 'page',
    service: 'gateway-worker',
    expr: 'sum(gateway_reconcile_findings{kind=~"final_lost|orphan",repaired="false"}) > 0',
    for: '2m',
    summary:
      'A transaction that was reported as final is not on the chain, or has lost its nonce: {{ $value }}',
    description: 'The reconciler compares database, mempool and chain every minute. This must never happen.',
    runbook: 'lost-transaction',
    panel: { dashboard: 'transactions', key: 'reconcile-findings' },
    example: {
      bad: { 'gateway_reconcile_findings{kind="final_lost",repaired="false"}': thenGood(1, 0) },
      good: { 'gateway_reconcile_findings{kind="evicted",repaired="true"}': constant(3) },
      value: '1',
    },
  },
  {
    name: 'IndexDiffersFromChain',
    severity: 'page',
    service: 'gateway-indexer',
    expr: 'max(gateway_index_differences) > 0',
    for: '10m',
    summary: '{{ $value }} balances or owners of the index are not what the contracts say',
    description: 'Balances that people see are wrong until this is repaired.',
    runbook: 'index-differs',
    panel: { dashboard: 'transactions', key: 'index-differences' },
    example: {
      bad: { gateway_index_differences: thenGood(2, 0) },
      good: { gateway_index_differences: constant(0) },
      value: '2',
    },
  },
];

/** Books of money: two that must say the same. */
const books: readonly PlatformAlert[] = (
  [
    [
      'CallTokenDrift',
      'call_token_drift_units',
      '10m',
      'Redis and Postgres disagree about call tokens',
      'call-token-drift',
    ],
    [
      'CallTokenBooksUnbalanced',
      'call_token_book_imbalance_units',
      '1m',
      'Budgets of call tokens differ from the sum of their postings',
      'call-token-books',
    ],
    [
      'SnetBooksDiffer',
      'snet_drift_cogs',
      '5m',
      'What a SingularityNET daemon was paid differs from our books',
      'snet-drift',
    ],
  ] as const
).map(([name, metric, wait, title, key]) => ({
  name,
  severity: 'page',
  service: 'gateway',
  expr: `max(abs(${metric})) > 0`,
  for: wait,
  summary: `${title}: {{ $value }}`,
  description:
    'What callers are charged may be wrong. Drift after a loss of Redis is taken back within two rounds; this stayed.',
  runbook: 'call-token-drift',
  panel: { dashboard: 'chain-gateway', key },
  example: {
    bad: { [metric]: thenGood(4, 0) },
    good: { [metric]: constant(0) },
    value: '4',
  },
}));

const absences: readonly PlatformAlert[] = [
  ...MEASURED_SERVICES.map(
    (service): PlatformAlert => ({
      name: 'ServiceNotMeasured',
      severity: 'page',
      service,
      expr: `absent(process_start_time_seconds{service="${service}"})`,
      for: '5m',
      summary: `Nothing reports metrics as ${service}`,
      description:
        'Either no replica runs, or Prometheus cannot reach any. Objectives of this service are blind until it does.',
      runbook: 'service-not-measured',
      panel: { dashboard: 'slo-overview', key: 'processes' },
      example: {
        bad: { [`process_start_time_seconds{service="${service}"}`]: COMES_AFTER_AN_HOUR },
        good: { [`process_start_time_seconds{service="${service}"}`]: constant(1) },
      },
      firesWhenAbsent: true,
    }),
  ),
  {
    name: 'ControllerNotMeasured',
    severity: 'page',
    service: 'controller',
    // A stack without Kubernetes has no controller: only one that was there within a day can be missed.
    expr: 'count(last_over_time(leader_election_master_status[1d])) > 0 unless on() count(process_start_time_seconds{service="controller"})',
    for: '5m',
    summary: 'The controller reported metrics today and does not any more',
    description: 'Worker pools keep their size meanwhile; nobody scales them.',
    runbook: 'service-not-measured',
    panel: { dashboard: 'controller', key: 'leader' },
    example: {
      bad: {
        'leader_election_master_status{service="controller"}': '1x2 _x57 1x61',
        'process_start_time_seconds{service="controller"}': '1x2 _x57 1x61',
      },
      good: {
        'leader_election_master_status{service="controller"}': constant(1),
        'process_start_time_seconds{service="controller"}': constant(1),
      },
    },
  },
  ...MEASURED_SERVICES.map(
    (service): PlatformAlert => ({
      name: 'ServiceRestartsOften',
      severity: 'ticket',
      service,
      expr: `sum(changes(process_start_time_seconds{service="${service}"}[30m])) > 3`,
      for: '5m',
      summary: `${service} restarted {{ $value }} times within half an hour`,
      description: 'Read the last lines before each start: the log says why the process ended.',
      runbook: 'service-restarts',
      panel: { dashboard: 'slo-overview', key: 'restarts' },
      example: {
        bad: { [`process_start_time_seconds{service="${service}"}`]: '0+100x60 6000x60' },
        good: { [`process_start_time_seconds{service="${service}"}`]: constant(1) },
        value: '29',
      },
    }),
  ),
];

const chain: readonly PlatformAlert[] = [
  {
    name: 'AllProvidersAway',
    severity: 'page',
    service: 'gateway',
    expr: 'sum(max by (provider) (rpc_provider_usable)) < 1',
    for: '1m',
    summary: 'No provider of the chain is in good standing',
    description:
      'Reads are answered from the cache where that is right, and refused otherwise; transactions wait.',
    runbook: 'providers',
    panel: { dashboard: 'chain-gateway', key: 'providers-usable' },
    example: {
      bad: {
        'rpc_provider_usable{provider="alpha"}': thenGood(0, 1),
        'rpc_provider_usable{provider="beta"}': constant(0),
      },
      good: {
        'rpc_provider_usable{provider="alpha"}': constant(1),
        'rpc_provider_usable{provider="beta"}': constant(0),
      },
    },
  },
  {
    name: 'ProviderAway',
    severity: 'ticket',
    service: 'gateway',
    expr: 'max by (provider) (rpc_provider_usable) < 1',
    for: '15m',
    summary: 'The provider {{ $labels.provider }} gets no regular traffic',
    description: 'The others carry its share. One provider less is one outage nearer to none.',
    runbook: 'providers',
    panel: { dashboard: 'chain-gateway', key: 'providers-usable' },
    example: {
      bad: { 'rpc_provider_usable{provider="alpha"}': thenGood(0, 1) },
      good: { 'rpc_provider_usable{provider="alpha"}': constant(1) },
      labels: { provider: 'alpha' },
    },
  },
  {
    name: 'ProviderBudgetNearlySpent',
    severity: 'ticket',
    service: 'gateway',
    expr: 'sum by (provider) (rate(rpc_upstream_attempts_total[5m])) > 0.8 * (max by (provider) (rpc_provider_rate_limit) > 0)',
    for: '15m',
    summary:
      'The provider {{ $labels.provider }} gets more than four fifths of the calls a second that it allows',
    description: 'Above its limit it answers 429, and the others have to carry the rest.',
    runbook: 'provider-budget',
    panel: { dashboard: 'chain-gateway', key: 'provider-load' },
    example: {
      bad: {
        'rpc_upstream_attempts_total{provider="alpha"}': '0+600x60 36000x60',
        'rpc_provider_rate_limit{provider="alpha"}': constant(10),
      },
      good: {
        'rpc_upstream_attempts_total{provider="alpha"}': '0+600x120',
        'rpc_provider_rate_limit{provider="alpha"}': constant(100),
      },
      labels: { provider: 'alpha' },
    },
  },
  {
    name: 'LanePaused',
    severity: 'ticket',
    service: 'gateway-worker',
    expr: 'max by (pool, reason) (gateway_lane_paused) > 0',
    for: '10m',
    summary: 'A lane of {{ $labels.pool }} is paused: {{ $labels.reason }}',
    description: 'Transactions of that signer wait; other signers go on.',
    runbook: 'stuck-transactions',
    panel: { dashboard: 'transactions', key: 'lanes-paused' },
    example: {
      bad: { 'gateway_lane_paused{pool="treasury",reason="out_of_funds"}': '1x60 _x60' },
      good: { 'gateway_lane_paused{pool="treasury",reason="out_of_funds"}': constant(0) },
      labels: { pool: 'treasury', reason: 'out_of_funds' },
    },
  },
  {
    name: 'NobodyIndexes',
    severity: 'page',
    service: 'gateway-indexer',
    expr: 'max(gateway_indexer_active) < 1',
    for: '2m',
    summary: 'No indexer is active',
    description:
      'Balances, transfers and notifications stand still; nothing is lost, all is caught up later.',
    runbook: 'indexer-lag',
    panel: { dashboard: 'transactions', key: 'indexer-active' },
    example: {
      bad: { gateway_indexer_active: thenGood(0, 1) },
      good: { gateway_indexer_active: constant(1) },
    },
  },
];

const people: readonly PlatformAlert[] = [
  {
    name: 'EventsCannotBeApplied',
    severity: 'page',
    service: 'user',
    expr: 'sum(rate(chain_events_failures_total[5m])) > 0 unless on() sum(rate(chain_events_consumed_total[5m])) > 0',
    for: '5m',
    summary: 'The user service reads the event log and cannot apply it',
    description: 'The cursor stands still; notifications and ledger entries come when the cause is gone.',
    runbook: 'late-notifications',
    panel: { dashboard: 'notifications', key: 'event-failures' },
    example: {
      bad: {
        chain_events_failures_total: GROWS_THEN_STANDS,
        'chain_events_consumed_total{type="a",stage="b"}': STANDS,
      },
      good: {
        chain_events_failures_total: STANDS,
        'chain_events_consumed_total{type="a",stage="b"}': '0+5x120',
      },
    },
  },
  {
    name: 'DeliveriesDie',
    severity: 'ticket',
    service: 'user',
    expr: 'sum by (channel) (increase(deliveries_total{outcome="dead"}[30m])) > 5',
    for: '5m',
    summary: 'Deliveries by {{ $labels.channel }} are given up',
    description: 'They stand in the list of dead letters, each with its reason, and can be sent again.',
    runbook: 'dead-letters',
    panel: { dashboard: 'notifications', key: 'dead-letters' },
    example: {
      bad: { 'deliveries_total{channel="email",outcome="dead"}': GROWS_THEN_STANDS },
      good: { 'deliveries_total{channel="email",outcome="delivered"}': '0+10x120' },
      labels: { channel: 'email' },
    },
  },
];

const dependencies: readonly PlatformAlert[] = [
  {
    name: 'RedisAwayLimitsLocal',
    severity: 'ticket',
    service: 'platform',
    expr: '(sum(rate(rate_limit_fallbacks_total[5m])) or vector(0)) + (sum(rate(api_rate_limit_decisions_total{store="local"}[5m])) or vector(0)) > 0',
    for: '5m',
    summary: 'Redis is away: every replica counts its rate limits for itself',
    description:
      'With N replicas a caller may ask N times as much as was agreed. Requests are answered all the same.',
    runbook: 'redis-away',
    panel: { dashboard: 'api', key: 'rate-limit-store' },
    example: {
      bad: { 'api_rate_limit_decisions_total{decision="allowed",store="local"}': GROWS_THEN_STANDS },
      good: { 'api_rate_limit_decisions_total{decision="allowed",store="redis"}': '0+10x120' },
    },
  },
  {
    name: 'GatewayLimitsLocal',
    severity: 'ticket',
    service: 'gateway',
    expr: 'max(gateway_limit_shared_away) > 0',
    for: '5m',
    summary: 'Redis is away from the gateway: each process keeps the limits in compute units by itself',
    description:
      'Each process allows its share of a limit. The sum holds; a client whose calls are spread unevenly gets less. Revocations of API keys take up to two seconds.',
    runbook: 'redis-away',
    panel: { dashboard: 'chain-gateway', key: 'unit-limits' },
    example: {
      bad: { gateway_limit_shared_away: thenGood(1, 0) },
      good: { gateway_limit_shared_away: constant(0) },
    },
  },
  {
    name: 'PostgresPoolExhausted',
    severity: 'ticket',
    service: 'platform',
    expr: 'max by (service) (postgres_pool_connections{state="waiting"}) > 0',
    for: '5m',
    summary: 'Requests of {{ $labels.service }} wait for a connection to Postgres',
    description: 'A statement is slow or holds a lock, or the pool is too small for the load.',
    runbook: 'slow-answers',
    panel: { dashboard: 'slo-overview', key: 'pools' },
    example: {
      bad: { 'postgres_pool_connections{service="api",state="waiting"}': thenGood(4, 0) },
      good: { 'postgres_pool_connections{service="api",state="waiting"}': constant(0) },
    },
  },
  {
    name: 'EventLoopBlocked',
    severity: 'ticket',
    service: 'platform',
    expr: 'max by (service) (nodejs_eventloop_lag_p99_seconds) > 0.25',
    for: '10m',
    summary: '{{ $labels.service }} computes for longer than a quarter of a second at a stretch',
    description: 'Everybody else who asks that process waits meanwhile.',
    runbook: 'slow-answers',
    panel: { dashboard: 'slo-overview', key: 'event-loop' },
    example: {
      bad: { 'nodejs_eventloop_lag_p99_seconds{service="api"}': thenGood(0.8, 0.01) },
      good: { 'nodejs_eventloop_lag_p99_seconds{service="api"}': constant(0.02) },
    },
  },
  ...(
    [
      ['page', 2, 'CertificateExpiresNow'],
      ['ticket', 14, 'CertificateExpiresSoon'],
    ] as const
  ).map(
    ([severity, days, name]): PlatformAlert => ({
      name,
      severity,
      service: 'platform',
      expr: `min by (name) (certificate_expiry_timestamp_seconds) - time() < ${days * DAY}`,
      for: '5m',
      summary: `The certificate of {{ $labels.name }} ends within ${days} days`,
      description: 'From its end on, every connection to it fails.',
      runbook: 'certificates-and-keys',
      panel: { dashboard: 'chain-gateway', key: 'certificates' },
      example: {
        // promtool's clock starts at 0.
        bad: { 'certificate_expiry_timestamp_seconds{name="alpha"}': thenGood(DAY, 400 * DAY) },
        good: { 'certificate_expiry_timestamp_seconds{name="alpha"}': constant(400 * DAY) },
        labels: { name: 'alpha' },
      },
    }),
  ),
  {
    name: 'SigningKeyNotRotated',
    severity: 'page',
    service: 'user',
    // A successor is published an hour before the old key stops signing: less than that left means that none was made.
    expr: 'max by (use) (signing_key_expiry_timestamp_seconds) - time() < 2700',
    for: '5m',
    summary:
      'The last key that signs {{ $labels.use }} ends within three quarters of an hour and has no successor',
    description: 'After that nobody can sign in or stay signed in.',
    runbook: 'certificates-and-keys',
    panel: { dashboard: 'user', key: 'signing-keys' },
    example: {
      bad: { 'signing_key_expiry_timestamp_seconds{use="access tokens"}': thenGood(3600, 30 * DAY) },
      good: { 'signing_key_expiry_timestamp_seconds{use="access tokens"}': constant(30 * DAY) },
      labels: { use: 'access tokens' },
    },
  },
];

const controller: readonly PlatformAlert[] = [
  {
    name: 'NobodyLeads',
    severity: 'page',
    service: 'controller',
    expr: 'max(leader_election_master_status) < 1',
    for: '2m',
    summary: 'No controller leads',
    description: 'Worker pools keep their size; nobody scales them, and providers are not compiled.',
    runbook: 'controller',
    panel: { dashboard: 'controller', key: 'leader' },
    example: {
      bad: { 'leader_election_master_status{service="controller"}': thenGood(0, 1) },
      good: { 'leader_election_master_status{service="controller"}': constant(1) },
    },
  },
  {
    name: 'ScaleHeld',
    severity: 'ticket',
    service: 'controller',
    expr: 'max by (pool, reason) (rpcworkerpool_held) > 0',
    for: '15m',
    summary: 'The scale of {{ $labels.pool }} is held: {{ $labels.reason }}',
    description: 'The controller does not change the scale because it cannot see, or must not act.',
    runbook: 'controller',
    panel: { dashboard: 'controller', key: 'held' },
    example: {
      bad: { 'rpcworkerpool_held{pool="rpc",reason="QueueUnreadable"}': thenGood(1, 0) },
      good: { 'rpcworkerpool_held{pool="rpc",reason="QueueUnreadable"}': constant(0) },
      labels: { pool: 'rpc', reason: 'QueueUnreadable' },
    },
  },
];

export const PLATFORM_ALERTS: readonly PlatformAlert[] = [
  ...invariants,
  ...books,
  ...absences,
  ...chain,
  ...people,
  ...dependencies,
  ...controller,
  {
    name: 'Watchdog',
    severity: 'none',
    service: 'platform',
    expr: 'vector(1)',
    for: '0s',
    summary: 'Always fires',
    description:
      'Whoever receives alerts shall miss this one when the way to them is broken (a dead man’s switch).',
    runbook: 'watchdog',
    panel: { dashboard: 'slo-overview', key: 'alerts' },
    example: { bad: {}, good: {} },
    firesWhenAbsent: true,
  },
];

export const platformRule = (alert: PlatformAlert): AlertRule => ({
  alert: alert.name,
  expr: alert.expr,
  ...(alert.for === '0s' ? {} : { for: alert.for }),
  // A `service` that the expression groups by names the process; ours would hide it.
  labels: {
    severity: alert.severity,
    ...(/by \(service\)/.test(alert.expr) ? {} : { service: alert.service }),
  },
  annotations: {
    summary: alert.summary,
    description: alert.description,
    runbook: `docs/runbooks/${alert.runbook}.md`,
    dashboard: dashboardLink(alert.panel.dashboard, alert.panel.key),
  },
});

export function platformRules(): RuleGroup {
  return { name: 'rejuve-platform', rules: PLATFORM_ALERTS.map(platformRule) };
}
