import type { BoardSpec } from '../board.ts';
import { objectivesRow, redRow, saturationRow } from '../shared-panels.ts';
import { admissionRow, callTokenRow, jobsRow, snetRow } from './chain-gateway-work.ts';

export const chainGateway: BoardSpec = {
  uid: 'chain-gateway',
  title: 'Rejuve / chain-gateway',
  description:
    'JSON-RPC through several providers: who answers, why that one, what the cache saves, what it costs.',
  rows: [
    objectivesRow('chain-gateway'),
    {
      title: 'Calls',
      panels: [
        {
          key: 'rpc-rate',
          title: 'Calls a second, by method',
          kind: 'timeseries',
          unit: 'reqps',
          stacked: true,
          queries: [
            {
              expr: 'topk(12, sum by (method) (rate(rpc_calls_total[$__rate_interval])))',
              legend: '{{method}}',
            },
          ],
          shows: 'JSON-RPC calls answered; methods that we do not know share “other”.',
          good: 'the shape of a usual day.',
          act: 'one method that stands out: who calls it (/internal/cost by principal)?',
        },
        {
          key: 'rpc-outcomes',
          title: 'Outcomes',
          kind: 'timeseries',
          unit: 'reqps',
          queries: [
            { expr: 'sum by (outcome) (rate(rpc_calls_total[$__rate_interval]))', legend: '{{outcome}}' },
          ],
          shows: 'ok; chain-error is the answer of the chain (a revert); gateway-error is ours.',
          good: 'no gateway-error.',
          act: 'gateway-errors: are providers usable, are limits reached?',
          runbook: 'chain-reads',
        },
        {
          key: 'rpc-duration',
          title: 'Duration of a call',
          kind: 'timeseries',
          unit: 's',
          queries: [0.5, 0.95, 0.99].map((q) => ({
            expr: `histogram_quantile(${q}, sum by (le) (rate(rpc_call_duration_seconds_bucket[$__rate_interval])))`,
            legend: `p${q * 100}`,
          })),
          shows: 'Time to answer one call, cache hits included.',
          good: 'p99 below 0.5 s (promise 1), at any number of calls at once.',
          act: 'compare with the duration of providers below: theirs or ours?',
          runbook: 'chain-reads',
        },
        {
          key: 'rpc-invalid',
          title: 'Bodies that are no call',
          kind: 'timeseries',
          unit: 'ops',
          queries: [
            {
              expr: 'sum by (code) (rate(rpc_invalid_requests_total[$__rate_interval]))',
              legend: '{{code}}',
            },
          ],
          shows: 'Malformed requests by JSON-RPC code.',
          good: 'near zero.',
          act: 'a broken client; the log has its principal.',
          mayBeEmpty: 'nobody ever sent one.',
        },
      ],
    },
    {
      title: 'Providers',
      panels: [
        {
          key: 'providers-usable',
          title: 'Providers in good standing',
          kind: 'stat',
          width: 12,
          queries: [{ expr: 'max by (provider) (rpc_provider_usable)', legend: '{{provider}}' }],
          steps: [{ colour: 'red' }, { from: 1, colour: 'green' }],
          shows: '1 when the provider gets regular traffic; 0 when it is excluded and only probed.',
          good: 'all 1.',
          act: 'GET /internal/providers gives the reason: errors, lag, limit, breaker, cordon.',
          runbook: 'providers',
        },
        {
          key: 'provider-lag',
          title: 'Blocks behind the served head',
          kind: 'timeseries',
          queries: [
            {
              expr: 'max by (provider) (scalar(max(rpc_served_head_block)) - rpc_provider_head_block)',
              legend: '{{provider}}',
            },
          ],
          shows: 'How far each provider is behind what most of them have; below 0 it is ahead.',
          good: '0, now and then 1.',
          act: 'a constant lag: the provider is excluded by itself; tell them.',
          runbook: 'providers',
        },
        {
          key: 'provider-attempts',
          title: 'Attempts by provider and reason',
          kind: 'timeseries',
          unit: 'reqps',
          queries: [
            {
              expr: 'sum by (provider, reason) (rate(rpc_upstream_attempts_total[$__rate_interval]))',
              legend: '{{provider}} {{reason}}',
            },
          ],
          shows:
            'Why a call went there: first, retry after a failure, hedge of a slow one, verification of an empty answer, shadow probe of an excluded one.',
          good: 'nearly all “first”.',
          act: 'many retries to B: A fails. Many hedges: A has a slow tail.',
          runbook: 'providers',
        },
        {
          key: 'provider-outcomes',
          title: 'Attempts that failed, by provider and outcome',
          kind: 'timeseries',
          unit: 'reqps',
          queries: [
            {
              expr: 'sum by (provider, outcome) (rate(rpc_upstream_attempts_total{outcome!="ok"}[$__rate_interval]))',
              legend: '{{provider}} {{outcome}}',
            },
          ],
          shows: 'What went wrong at which provider. Reverts are not failures of a provider.',
          good: 'near zero.',
          act: 'rate-limit: buy more or add a provider; timeout and reset: their outage.',
          mayBeEmpty: 'no attempt has failed.',
          runbook: 'providers',
        },
        {
          key: 'provider-duration',
          title: 'Duration of an attempt, p95',
          kind: 'timeseries',
          unit: 's',
          queries: [
            {
              expr: 'histogram_quantile(0.95, sum by (provider, le) (rate(rpc_upstream_duration_seconds_bucket[$__rate_interval])))',
              legend: '{{provider}}',
            },
          ],
          shows: 'How long each provider takes.',
          good: 'below 0.2 s.',
          act: 'selection prefers the faster one by itself; a slow pair is a reason for a third.',
          runbook: 'providers',
        },
        {
          key: 'breakers',
          title: 'Breaker changes',
          kind: 'timeseries',
          queries: [
            {
              expr: 'sum by (provider, state) (increase(rpc_breaker_transitions_total[$__rate_interval]))',
              legend: '{{provider}} {{state}}',
            },
          ],
          shows: 'Circuit breakers that opened, tried again, closed.',
          good: 'empty.',
          act: 'open and never closed: the provider is down.',
          mayBeEmpty: 'no breaker has ever moved.',
          runbook: 'providers',
        },
        {
          key: 'provider-load',
          title: 'Load against what was bought',
          kind: 'timeseries',
          unit: 'reqps',
          queries: [
            {
              expr: 'sum by (provider) (rate(rpc_upstream_attempts_total[$__rate_interval]))',
              legend: '{{provider}} used',
            },
            {
              expr: 'max by (provider) (rpc_provider_rate_limit) > 0',
              legend: '{{provider}} limit',
              mayBeEmpty: 'no provider has a declared or learned limit',
            },
          ],
          shows: 'Calls a second, and the declared or learned limit (none drawn: unlimited).',
          good: 'below four fifths of the limit.',
          act: 'above that for a quarter of an hour is a ticket.',
          runbook: 'provider-budget',
        },
        {
          key: 'certificates',
          title: 'Days until certificates end',
          kind: 'bargauge',
          unit: 'd',
          queries: [
            {
              expr: '(min by (name) (certificate_expiry_timestamp_seconds) - time()) / 86400',
              legend: '{{name}}',
            },
          ],
          steps: [{ colour: 'red' }, { from: 2, colour: 'orange' }, { from: 14, colour: 'green' }],
          shows: 'Certificates that providers present.',
          good: 'weeks.',
          act: 'two weeks: a ticket; two days: a page.',
          mayBeEmpty: 'no provider is reached by TLS (a development chain).',
          runbook: 'certificates-and-keys',
        },
      ],
    },
    {
      title: 'Cache',
      panels: [
        {
          key: 'cache-share',
          title: 'Answered without a provider',
          kind: 'timeseries',
          unit: 'percentunit',
          max: 1,
          queries: [
            {
              expr: 'sum(rate(rpc_calls_total{cache=~"hit|coalesced|local"}[$__rate_interval])) / (sum(rate(rpc_calls_total[$__rate_interval])) > 0)',
              legend: 'saved',
            },
          ],
          shows:
            'The share of calls that cost nothing: from the cache, joined with an equal call under way, or known locally.',
          good: 'above a half.',
          act: 'a fall: a new client asks for what cannot be cached, or the cache is too small (evictions).',
        },
        {
          key: 'cache-verdicts',
          title: 'Verdicts',
          kind: 'timeseries',
          unit: 'reqps',
          stacked: true,
          queries: [
            { expr: 'sum by (cache) (rate(rpc_calls_total[$__rate_interval]))', legend: '{{cache}}' },
          ],
          shows: 'What the cache said to each call.',
          good: 'many hits.',
          act: 'bypass is for methods that must not be cached.',
        },
        {
          key: 'cache-size',
          title: 'Cache in the process',
          kind: 'timeseries',
          unit: 'bytes',
          queries: [{ expr: 'max by (instance) (rpc_cache_bytes)', legend: '{{instance}}' }],
          shows: 'Bytes that the cache holds.',
          good: 'below its limit.',
          act: 'at its limit with many evictions: give it more (CACHE_MAX_BYTES).',
        },
        {
          key: 'cache-evictions',
          title: 'Evictions',
          kind: 'timeseries',
          queries: [
            { expr: 'sum by (cause) (delta(rpc_cache_evictions[$__rate_interval]))', legend: '{{cause}}' },
            { expr: 'sum(rpc_cache_entries)', legend: 'entries' },
          ],
          shows: 'Entries dropped: the cache was full, or a reorganisation made them wrong.',
          good: 'few.',
          act: 'reorg evictions are right; full ones cost money.',
        },
      ],
    },
    {
      title: 'Cost and savings',
      panels: [
        {
          key: 'cost-rate',
          title: 'Compute units a second, by provider and reason',
          kind: 'timeseries',
          queries: [
            {
              expr: 'sum by (provider, reason) (rate(rpc_compute_units_total[$__rate_interval]))',
              legend: '{{provider}} {{reason}}',
            },
          ],
          shows: 'What providers charge for; retries and hedges cost as much as first attempts.',
          good: 'nearly all “first”.',
          act: 'the price of each provider and each caller: GET /internal/cost.',
          runbook: 'provider-budget',
        },
        {
          key: 'cost-month',
          title: 'Compute units in 30 days, at the pace of the last hour',
          kind: 'stat',
          queries: [
            {
              expr: 'sum by (provider) (rate(rpc_compute_units_total[1h])) * 2592000',
              legend: '{{provider}}',
            },
          ],
          shows: 'A forecast to hold against the plan that was bought.',
          good: 'below the plan.',
          act: 'above: raise the plan, or look who spends it.',
          runbook: 'provider-budget',
        },
        {
          key: 'cost-saved',
          title: 'Calls that cost nothing, last hour',
          kind: 'stat',
          queries: [
            { expr: 'sum(increase(rpc_calls_total{cache=~"hit|coalesced|local"}[1h]))', legend: 'calls' },
          ],
          shows: 'What cache and coalescing saved.',
          good: 'more than what was paid for.',
          act: 'see the verdicts of the cache.',
        },
        {
          key: 'cost-overhead',
          title: 'Attempts for each call that went out',
          kind: 'stat',
          queries: [
            {
              expr: 'sum(rate(rpc_upstream_attempts_total[15m])) / (sum(rate(rpc_upstream_attempts_total{reason="first"}[15m])) > 0)',
              legend: 'attempts',
            },
          ],
          steps: [{ colour: 'green' }, { from: 1.2, colour: 'orange' }, { from: 1.5, colour: 'red' }],
          shows: 'What retries, hedges and probes add.',
          good: 'below 1.2.',
          act: 'a provider fails or has a slow tail.',
          runbook: 'providers',
        },
      ],
    },
    {
      title: 'Subscriptions',
      panels: [
        {
          key: 'subscriptions',
          title: 'Subscriptions and sockets',
          kind: 'timeseries',
          queries: [
            { expr: 'sum by (kind) (gateway_subscriptions)', legend: '{{kind}}' },
            { expr: 'sum(gateway_websocket_connections)', legend: 'sockets' },
          ],
          shows: 'Who listens by WebSocket, to what.',
          good: 'steady.',
          act: 'a fall to zero: an ingress that ends long connections?',
        },
        {
          key: 'subscription-notifications',
          title: 'Notifications to subscribers',
          kind: 'timeseries',
          unit: 'ops',
          queries: [
            {
              expr: 'sum by (kind) (rate(gateway_subscription_notifications_total[$__rate_interval]))',
              legend: '{{kind}}',
            },
          ],
          shows: 'Heads, logs and pending transactions that were pushed.',
          good: 'blocks × listeners.',
          act: 'none while there are subscriptions: is the head moving?',
        },
        {
          key: 'subscription-trouble',
          title: 'Cut off, refused, failed',
          kind: 'timeseries',
          unit: 'ops',
          queries: [
            {
              expr: 'sum by (reason) (rate(gateway_subscription_cutoffs_total[$__rate_interval]))',
              legend: 'cut off: {{reason}}',
            },
            {
              expr: 'sum by (reason) (rate(gateway_websocket_refused_total[$__rate_interval]))',
              legend: 'refused: {{reason}}',
            },
            {
              expr: 'sum by (source) (rate(gateway_subscription_source_failures_total[$__rate_interval]))',
              legend: 'source: {{source}}',
            },
          ],
          shows: 'Clients too slow to read, sockets above the limit, sources that had to be read again.',
          good: 'empty.',
          act: 'cut off: the client must read faster or ask for less.',
          mayBeEmpty: 'nothing of this has ever happened.',
        },
      ],
    },
    admissionRow,
    callTokenRow,
    jobsRow,
    snetRow,
    redRow('gateway'),
    saturationRow('gateway', 'gateway', { postgres: true }),
  ],
};
