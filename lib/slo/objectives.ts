/**
 * The promises of the platform, each stated once. From this list come the recording and alert rules, the thresholds
 * of the load tests and the table in the documentation; whoever changes a number changes all of them.
 */

/** A counter (or the `_count` of a histogram) and the label matchers that narrow it, in PromQL. */
export interface Series {
  readonly metric: string;
  readonly selector: string;
}

/** How good events are told from bad ones. */
export type Indicator =
  | {
      /** Good = observed at or below the threshold, which must be a bucket bound of the histogram (seconds). */
      readonly kind: 'latency';
      readonly histogram: string;
      readonly selector: string;
      readonly thresholdSeconds: number;
    }
  | {
      /** Good = total − bad. */
      readonly kind: 'ratio';
      readonly total: Series;
      readonly bad: Series;
    }
  | {
      /** A gauge that counts what must never happen: above zero for longer than the grace is a page. */
      readonly kind: 'invariant';
      readonly gauge: Series;
      readonly graceSeconds: number;
    };

export type PromiseNumber = 1 | 2 | 3 | 4 | 5 | 6 | 7;

export interface Objective {
  /** kebab-case and stable: names rules, alerts, dashboards and thresholds. */
  readonly id: string;
  /** The acceptance criterion that it stands for; absent for objectives of our own. */
  readonly promise?: PromiseNumber;
  readonly service: 'gateway' | 'api' | 'user' | 'controller' | 'console';
  readonly title: string;
  /** What a person would say is kept or broken. */
  readonly description: string;
  /** Share of good events, 0 to 1, exclusive. Invariants have none: their budget is zero. */
  readonly target?: number;
  readonly indicator: Indicator;
  /** File name in docs/runbooks, without its ending. */
  readonly runbook: string;
}

/** Days over which an error budget is counted. */
export const SLO_WINDOW_DAYS = 30;

/** Latency that the customer asked for, in seconds; a bucket bound of every duration histogram. */
export const PROMISED_LATENCY_SECONDS = 0.5;

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
  },
];

export const OBJECTIVES: readonly Objective[] = [
  ...restObjectives('api', 'API'),
  ...restObjectives('user', 'user service'),
  ...restObjectives('gateway', 'chain-gateway'),
  ...chainObjectives,
  ...notificationObjectives,
];
