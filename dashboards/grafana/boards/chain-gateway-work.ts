import type { PanelSpec, RowSpec } from '../board.ts';
import { ZERO_IS_GOOD } from '../shared-panels.ts';

/** What is used only when somebody switched it on has no series before. */
const NO_TOKENS = 'no payer of call tokens is configured, or nobody has called with one.';
const NO_JOBS = 'no job was ever given to the platform.';
const NO_SNET = 'no SingularityNET service is configured, or none was called.';

const series = (panel: Omit<PanelSpec, 'kind'> & { kind?: PanelSpec['kind'] }): PanelSpec => ({
  kind: 'timeseries',
  ...panel,
});

export const admissionRow: RowSpec = {
  title: 'Admission and queue',
  panels: [
    series({
      key: 'queue-calls',
      title: 'Calls that wait for room at a provider',
      queries: [{ expr: 'sum by (priority) (rpc_queue_calls)', legend: '{{priority}}' }],
      shows: 'Calls in the queue before providers, by class of the caller.',
      good: '0; short peaks.',
      act: 'a queue that stays: providers have less room than callers ask for.',
      runbook: 'provider-budget',
    }),
    series({
      key: 'queue-wait',
      title: 'Wait in the queue, p99',
      unit: 's',
      queries: [
        {
          expr: 'histogram_quantile(0.99, sum by (priority, le) (rate(rpc_queue_wait_seconds_bucket[$__rate_interval])))',
          legend: '{{priority}}',
        },
      ],
      shows: 'How long calls waited that had to wait.',
      good: 'empty, or below 0.1 s.',
      act: 'interactive callers wait: batch callers should be of a lower class.',
      mayBeEmpty: 'no call had to wait.',
    }),
    series({
      key: 'queue-refusals',
      title: 'Refused for want of room',
      unit: 'ops',
      queries: [
        {
          expr: 'sum by (priority, reason) (rate(rpc_queue_refusals_total[$__rate_interval]))',
          legend: '{{priority}} {{reason}}',
        },
      ],
      shows: 'Calls that could not make their deadline and were told so at once, with an honest Retry-After.',
      good: 'empty.',
      act: 'more room at providers, or less asked by the class that is refused.',
      mayBeEmpty: 'no call was ever refused.',
      runbook: 'provider-budget',
    }),
    series({
      key: 'provider-concurrency',
      title: 'Under way at providers, and what they bear',
      queries: [
        { expr: 'sum by (provider) (rpc_provider_in_flight)', legend: '{{provider}} under way' },
        {
          expr: 'max by (provider) (rpc_provider_concurrency_limit)',
          legend: '{{provider}} limit',
        },
      ],
      shows: 'Calls under way, and the limit that was learned from answer times.',
      good: 'well below the limit.',
      act: 'at the limit: calls queue. The limit grows by itself when the provider bears more.',
      runbook: 'provider-budget',
    }),
    series({
      key: 'unit-limits',
      title: 'Refused by rate limits, and limits kept without Redis',
      unit: 'ops',
      queries: [
        {
          expr: 'sum by (scope) (rate(gateway_limit_refusals_total[$__rate_interval]))',
          legend: 'refused: {{scope}}',
        },
        {
          expr: 'sum(rate(gateway_limit_local_decisions_total[$__rate_interval]))',
          legend: 'decided locally',
        },
      ],
      shows: 'Calls above their limit in compute units, and calls that each process judged alone.',
      good: 'refusals only of callers that ask too much; nothing decided locally.',
      act: 'decided locally: Redis is away; limits hold in sum, but not evenly between replicas.',
      mayBeEmpty: 'nobody was refused yet.',
      runbook: 'redis-away',
    }),
  ],
};

export const callTokenRow: RowSpec = {
  title: 'Call tokens',
  panels: [
    series({
      key: 'call-token-holds',
      title: 'Holds by outcome',
      unit: 'ops',
      queries: [
        { expr: 'sum by (outcome) (rate(call_token_holds_total[$__rate_interval]))', legend: '{{outcome}}' },
      ],
      shows: 'Each call with a token holds its price first; refusals name their reason.',
      good: 'held.',
      act: 'budgets that are used up are right; “unavailable” means Redis.',
      mayBeEmpty: NO_TOKENS,
    }),
    series({
      key: 'call-token-drift',
      title: 'Drift between Redis and Postgres',
      kind: 'stat',
      queries: [{ expr: 'max(abs(call_token_drift_units))', legend: 'units' }],
      steps: ZERO_IS_GOOD,
      shows: 'Units by which the two disagree about open leases.',
      good: '0.',
      act: 'after a loss of Redis it goes away within two rounds; what stays pages.',
      mayBeEmpty: NO_TOKENS,
      runbook: 'call-token-drift',
    }),
    series({
      key: 'call-token-books',
      title: 'Books out of balance',
      kind: 'stat',
      queries: [{ expr: 'max(abs(call_token_book_imbalance_units))', legend: 'units' }],
      steps: ZERO_IS_GOOD,
      shows: 'Units by which budgets differ from the sum of their postings.',
      good: '0, always.',
      act: 'anything else is a defect.',
      mayBeEmpty: NO_TOKENS,
      runbook: 'call-token-drift',
    }),
    series({
      key: 'call-token-unposted',
      title: 'Calls not in Postgres yet',
      queries: [
        { expr: 'sum(call_token_unposted)', legend: 'calls' },
        { expr: 'max(call_token_oldest_unposted_seconds)', legend: 'age of the oldest, s' },
        { expr: 'sum(call_token_in_flight)', legend: 'under way' },
      ],
      shows: 'What was spent in Redis and is still to be posted.',
      good: 'below a second of calls.',
      act: 'it grows: Postgres is slow or away.',
      mayBeEmpty: NO_TOKENS,
      runbook: 'call-token-drift',
    }),
    series({
      key: 'call-token-loss',
      title: "The operator's loss",
      kind: 'stat',
      queries: [{ expr: 'sum(increase(call_token_uncollected_units_total[30d]))', legend: 'units' }],
      shows: 'Spent without a budget to charge, after Redis lost data.',
      good: '0.',
      act: 'at most a chunk for each lost lease; make chunks smaller if it hurts.',
      mayBeEmpty: NO_TOKENS,
    }),
  ],
};

export const jobsRow: RowSpec = {
  title: 'Jobs',
  panels: [
    series({
      key: 'job-slices',
      title: 'Slices by state',
      queries: [{ expr: 'max by (state) (gateway_job_slices)', legend: '{{state}}' }],
      shows: 'Parts of long jobs, by where they stand.',
      good: 'few waiting, none failed.',
      act: 'failed ones can be redriven; see GET /v1/jobs.',
      mayBeEmpty: NO_JOBS,
      runbook: 'queue-age',
    }),
    series({
      key: 'job-age',
      title: 'Oldest slice that is due',
      unit: 's',
      queries: [{ expr: 'max(gateway_job_oldest_waiting_seconds)', legend: 'age' }],
      shows: 'How long work has been waiting for a worker.',
      good: 'below what the worker pool allows.',
      act: 'the controller adds workers; at its maximum see the runbook.',
      mayBeEmpty: NO_JOBS,
      runbook: 'queue-age',
    }),
    series({
      key: 'job-slots',
      title: 'Slots of workers',
      queries: [{ expr: 'sum by (state) (gateway_job_slots)', legend: '{{state}}' }],
      shows: 'What the workers can have in hand, and what they have.',
      good: 'room left.',
      act: 'all busy for long: more workers.',
      mayBeEmpty: NO_JOBS,
    }),
    series({
      key: 'job-rates',
      title: 'Arrivals, calls, losses',
      unit: 'ops',
      queries: [
        { expr: 'sum(rate(gateway_job_slices_arrived_total[$__rate_interval]))', legend: 'slices arrived' },
        { expr: 'sum(rate(gateway_job_calls_total[$__rate_interval]))', legend: 'calls answered' },
        { expr: 'sum(rate(gateway_job_slices_reclaimed_total[$__rate_interval]))', legend: 'taken back' },
      ],
      shows: 'What comes, what is done, and what was taken back from workers that went away.',
      good: 'done keeps up with come; nothing taken back.',
      act: 'taken back: workers die in the middle; see restarts.',
      mayBeEmpty: NO_JOBS,
    }),
  ],
};

export const snetRow: RowSpec = {
  title: 'SingularityNET services',
  panels: [
    series({
      key: 'snet-calls',
      title: 'Calls by service and outcome',
      unit: 'ops',
      queries: [
        {
          expr: 'sum by (snet_service, outcome) (rate(snet_call_duration_seconds_count[$__rate_interval]))',
          legend: '{{snet_service}} {{outcome}}',
        },
      ],
      shows: 'Calls to AI services through the adapter.',
      good: 'ok.',
      act: 'errors of one service: its daemon; the breaker cuts it off by itself.',
      mayBeEmpty: NO_SNET,
    }),
    series({
      key: 'snet-spend',
      title: 'Paid, and what is left to pay with',
      queries: [
        {
          expr: 'sum by (snet_service) (increase(snet_charged_cogs_total[1h]))',
          legend: '{{snet_service}} cogs an hour',
        },
        { expr: 'min by (group) (snet_channel_spendable_cogs)', legend: '{{group}} spendable' },
      ],
      shows: 'Cogs charged, and what may still be signed on each channel.',
      good: 'spendable covers days.',
      act: 'the adapter fills the channel by itself; see its fundings.',
      mayBeEmpty: NO_SNET,
    }),
    series({
      key: 'snet-drift',
      title: 'Books of the daemon against ours',
      kind: 'stat',
      queries: [{ expr: 'max by (group) (abs(snet_drift_cogs))', legend: '{{group}}' }],
      steps: ZERO_IS_GOOD,
      shows: 'What daemon and chain say that was paid, against our books.',
      good: '0.',
      act: 'anything else is a defect, ours or theirs.',
      mayBeEmpty: NO_SNET,
      runbook: 'call-token-drift',
    }),
  ],
};
