import type { Objective } from './objective.ts';

/**
 * The promises of the platform, each stated once. From this list come the recording and alert rules, the thresholds
 * of the load tests and the table in the documentation; whoever changes a number changes all of them.
 */

/** Days over which an error budget is counted. */
export const SLO_WINDOW_DAYS = 30;

/** Latency that the customer asked for, in seconds; a bucket bound of every duration histogram. */
export const PROMISED_LATENCY_SECONDS = 0.5;

/** The processes that always run; the controller is not part of a stack without Kubernetes. */
export const MEASURED_SERVICES = ['gateway', 'gateway-worker', 'gateway-indexer', 'api', 'user'] as const;

const HTTP = 'http_request_duration_seconds';
/** Health, metrics and unknown paths are not what users wait for; streams are never observed. */
const userFacing = (service: string): string =>
  `service="${service}",route!~"/livez|/readyz|/metrics|/openapi.json|unmatched"`;

const restObjectives = (service: 'api' | 'user' | 'gateway', name: string): Objective[] => [
  {
    id: `${service}-latency`,
    promise: 3,
    service,
    title: `${name}: answers within 500 ms`,
    description: `99 % of the requests to the ${name} are answered within half a second, also at the peak of 1,000 requests a minute.`,
    target: 0.99,
    indicator: {
      kind: 'latency',
      histogram: HTTP,
      selector: userFacing(service),
      thresholdSeconds: PROMISED_LATENCY_SECONDS,
    },
    runbook: 'slow-answers',
    dashboard: service === 'gateway' ? 'chain-gateway' : service,
  },
  {
    id: `${service}-errors`,
    promise: 5,
    service,
    title: `${name}: answers without error`,
    description: `Fewer than 0.1 % of the requests to the ${name} end in an error of ours (5xx).`,
    target: 0.999,
    indicator: {
      kind: 'ratio',
      total: { metric: `${HTTP}_count`, selector: userFacing(service) },
      bad: { metric: `${HTTP}_count`, selector: `${userFacing(service)},status=~"5.."` },
    },
    runbook: 'server-errors',
    dashboard: service === 'gateway' ? 'chain-gateway' : service,
  },
];

const chainObjectives: readonly Objective[] = [
  {
    id: 'rpc-latency',
    promise: 1,
    service: 'gateway',
    title: 'JSON-RPC: answers within 500 ms',
    description:
      '99 % of the JSON-RPC calls are answered within half a second, however many are under way at once.',
    target: 0.99,
    indicator: {
      kind: 'latency',
      histogram: 'rpc_call_duration_seconds',
      selector: 'service="gateway"',
      thresholdSeconds: PROMISED_LATENCY_SECONDS,
    },
    runbook: 'chain-reads',
    dashboard: 'chain-gateway',
  },
  {
    id: 'rpc-errors',
    promise: 5,
    service: 'gateway',
    title: 'JSON-RPC: answers without error of ours',
    description:
      "Fewer than 0.1 % of the JSON-RPC calls end in an error of the gateway; reverts and wrong parameters are the chain's answers.",
    target: 0.999,
    indicator: {
      kind: 'ratio',
      total: { metric: 'rpc_calls_total', selector: 'service="gateway"' },
      bad: { metric: 'rpc_calls_total', selector: 'service="gateway",outcome="gateway-error"' },
    },
    runbook: 'chain-reads',
    dashboard: 'chain-gateway',
  },
  {
    id: 'transaction-success',
    promise: 2,
    service: 'gateway',
    title: 'Transactions succeed',
    description: 'More than 99.5 % of the transactions that reach a block do there what was asked.',
    target: 0.995,
    indicator: {
      kind: 'ratio',
      total: { metric: 'gateway_transactions_included_total', selector: 'service="gateway-worker"' },
      bad: {
        metric: 'gateway_transactions_included_total',
        selector: 'service="gateway-worker",outcome="reverted"',
      },
    },
    runbook: 'failing-transactions',
    dashboard: 'transactions',
  },
];

const notificationObjectives: readonly Objective[] = [
  {
    id: 'notifications-complete',
    promise: 4,
    service: 'user',
    title: 'Every token transaction is notified',
    description:
      'No transfer of a linked wallet is without its notification, by comparison with the chain index and not with our own tables.',
    indicator: {
      kind: 'invariant',
      gauge: { metric: 'notifications_missing', selector: 'service="user"' },
      graceSeconds: 300,
    },
    runbook: 'missing-notifications',
    dashboard: 'notifications',
  },
  {
    id: 'notifications-timely',
    promise: 4,
    service: 'user',
    title: 'Notifications are timely',
    description: '99 % of the transfers are in the inbox within five seconds of their block.',
    target: 0.99,
    indicator: {
      kind: 'latency',
      histogram: 'chain_event_apply_delay_seconds',
      selector: 'service="user"',
      thresholdSeconds: 5,
    },
    runbook: 'late-notifications',
    dashboard: 'notifications',
  },
  {
    id: 'ledger-agrees',
    service: 'user',
    title: 'The ledger agrees with the chain',
    description: 'The balance of every linked wallet in the ledger equals `balanceOf` at the same block.',
    indicator: {
      kind: 'invariant',
      gauge: { metric: 'ledger_drift', selector: 'service="user"' },
      graceSeconds: 300,
    },
    runbook: 'ledger-drift',
    dashboard: 'user',
  },
];

/** Objectives about time that passes: what lags, what waits, who is away. */
const levelObjectives: readonly Objective[] = [
  {
    id: 'monitoring-visible',
    promise: 6,
    service: 'platform',
    title: 'Every process is measured',
    description:
      'In 99.9 % of the time every process of the platform reports its figures, so that dashboards and alerts show what is and not what was.',
    target: 0.999,
    indicator: {
      kind: 'level',
      expression: `${MEASURED_SERVICES.length} - count(count by (service) (process_start_time_seconds{service=~"${MEASURED_SERVICES.join('|')}"}))`,
      atMost: 0,
      unit: 'processes away',
      examples: {
        good: Object.fromEntries(
          MEASURED_SERVICES.map((s) => [`process_start_time_seconds{service="${s}"}`, 1]),
        ),
        bad: { 'process_start_time_seconds{service="api"}': 1 },
      },
    },
    runbook: 'service-not-measured',
    dashboard: 'slo-overview',
  },
  {
    id: 'indexer-lag',
    service: 'gateway',
    title: 'The index keeps up with the chain',
    description:
      'In 99.5 % of the time the index is at most five blocks behind the head that the gateway serves.',
    target: 0.995,
    indicator: {
      kind: 'level',
      expression:
        'max(rpc_served_head_block{service="gateway"}) - max(gateway_indexer_block{service="gateway-indexer"})',
      atMost: 5,
      unit: 'blocks',
      examples: {
        good: {
          'rpc_served_head_block{service="gateway"}': 102,
          'gateway_indexer_block{service="gateway-indexer"}': 100,
        },
        bad: {
          'rpc_served_head_block{service="gateway"}': 190,
          'gateway_indexer_block{service="gateway-indexer"}': 100,
        },
      },
    },
    runbook: 'indexer-lag',
    dashboard: 'transactions',
  },
  {
    id: 'transaction-age',
    service: 'gateway',
    title: 'Transactions do not wait',
    description:
      'In 99.5 % of the time no transaction has been waiting for its block for longer than two minutes.',
    target: 0.995,
    indicator: {
      kind: 'level',
      expression: 'max(gateway_transaction_oldest_waiting_seconds{service="gateway-worker"})',
      atMost: 120,
      unit: 'seconds',
      examples: {
        good: { 'gateway_transaction_oldest_waiting_seconds{service="gateway-worker"}': 4 },
        bad: { 'gateway_transaction_oldest_waiting_seconds{service="gateway-worker"}': 600 },
      },
    },
    runbook: 'stuck-transactions',
    dashboard: 'transactions',
  },
  {
    id: 'queue-age',
    service: 'controller',
    title: 'Jobs do not wait longer than their pool allows',
    description:
      'In 99.5 % of the time the oldest waiting job of every worker pool is younger than the age that the pool states.',
    target: 0.995,
    indicator: {
      kind: 'level',
      expression: 'max(rpcworkerpool_oldest_job_age_seconds / rpcworkerpool_objective_seconds)',
      atMost: 1,
      unit: 'of the allowed age',
      examples: {
        good: {
          'rpcworkerpool_oldest_job_age_seconds{namespace="rejuve",pool="rpc"}': 1,
          'rpcworkerpool_objective_seconds{namespace="rejuve",pool="rpc"}': 5,
        },
        bad: {
          'rpcworkerpool_oldest_job_age_seconds{namespace="rejuve",pool="rpc"}': 60,
          'rpcworkerpool_objective_seconds{namespace="rejuve",pool="rpc"}': 5,
        },
      },
    },
    runbook: 'queue-age',
    dashboard: 'controller',
  },
];

const controllerObjectives: readonly Objective[] = [
  {
    id: 'controller-errors',
    service: 'controller',
    title: 'The controller reconciles without error',
    description: 'Fewer than 1 % of the passes of the controller end in an error.',
    target: 0.99,
    indicator: {
      kind: 'ratio',
      total: { metric: 'controller_runtime_reconcile_total', selector: 'service="controller"' },
      bad: { metric: 'controller_runtime_reconcile_total', selector: 'service="controller",result="error"' },
    },
    runbook: 'controller',
    dashboard: 'controller',
  },
  {
    id: 'controller-reaction',
    service: 'controller',
    title: 'The controller reacts at once',
    description:
      '99 % of the changes of scale are made within a second of the look at the queue that asked for them.',
    target: 0.99,
    indicator: {
      kind: 'latency',
      histogram: 'rpcworkerpool_scale_lag_seconds',
      selector: 'service="controller"',
      thresholdSeconds: 1,
    },
    runbook: 'controller',
    dashboard: 'controller',
  },
];

/** What Google calls good, for three visits of four (web.dev/vitals). */
const webObjectives: readonly Objective[] = (
  [
    ['web-lcp', 'lcp', 2.5, 'The page is there', 'see the main content within two and a half seconds'],
    ['web-inp', 'inp', 0.2, 'The page answers', 'see their click answered within a fifth of a second'],
  ] as const
).map(([id, vital, thresholdSeconds, title, description]) => ({
  id,
  service: 'console',
  title: `Console: ${title.toLowerCase()}`,
  description: `Three visits of four ${description}, as the browsers of real users tell.`,
  target: 0.75,
  indicator: {
    kind: 'latency',
    histogram: 'web_vital_seconds',
    selector: `service="console",vital="${vital}"`,
    thresholdSeconds,
  },
  runbook: 'web-vitals',
  dashboard: 'real-users',
}));

export const OBJECTIVES: readonly Objective[] = [
  ...restObjectives('api', 'API'),
  ...restObjectives('user', 'user service'),
  ...restObjectives('gateway', 'chain-gateway'),
  ...chainObjectives,
  ...notificationObjectives,
  ...levelObjectives,
  ...controllerObjectives,
  ...webObjectives,
];
