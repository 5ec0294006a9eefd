import { MEASURED_SERVICES } from '../../../lib/slo/objectives.ts';
import type { BoardSpec } from '../board.ts';
import { BUDGET_STEPS, objectivesRow } from '../shared-panels.ts';

export const sloOverview: BoardSpec = {
  uid: 'slo-overview',
  title: 'Rejuve / SLO overview',
  description: 'Do we keep our promises? Budget left, how fast it burns, and who burns it.',
  rows: [
    {
      title: 'Budgets',
      panels: [
        {
          key: 'budget-left',
          title: 'Error budget left, of 30 days',
          kind: 'bargauge',
          unit: 'percentunit',
          max: 1,
          queries: [{ expr: 'sort(slo:period_error_budget_remaining:ratio)', legend: '{{sloth_slo}}' }],
          shows: 'What may still fail before the promise is broken for the month.',
          good: 'green; above 50 % in the middle of the month.',
          act: 'orange: name the largest spender in the weekly review. Red: only fixes are released (docs/slo.md).',
          steps: BUDGET_STEPS,
        },
        {
          key: 'burn-rate',
          title: 'Burn rate now',
          kind: 'timeseries',
          queries: [{ expr: 'slo:current_burn_rate:ratio', legend: '{{sloth_slo}}' }],
          shows: 'How many times faster than allowed the budget is spent, over the last five minutes.',
          good: 'below 1; short peaks do no harm.',
          act: 'above 14.4 the page fires within minutes; click the objective to see its dashboard.',
          min: 0,
        },
        {
          key: 'who-burns',
          title: 'Who burns it: errors by service and route',
          kind: 'table',
          queries: [
            {
              expr: 'topk(10, sum by (service, route) (increase(http_request_duration_seconds_count{status=~"5.."}[1d])))',
              legend: '',
            },
          ],
          shows: 'The ten routes with most errors of ours (5xx) of the last day.',
          good: 'empty.',
          act: 'start with the first line; its service has a dashboard of its own.',
          mayBeEmpty: 'no request failed within a day.',
          runbook: 'server-errors',
        },
        {
          key: 'who-is-slow',
          title: 'Who is slow: answers over 500 ms by service and route',
          kind: 'table',
          queries: [
            {
              expr: 'topk(10, sum by (service, route) (increase(http_request_duration_seconds_count{route!~"/livez|/readyz|/metrics"}[1d])) - sum by (service, route) (increase(http_request_duration_seconds_bucket{route!~"/livez|/readyz|/metrics",le="0.5"}[1d])))',
              legend: '',
            },
          ],
          shows: 'The ten routes with most answers that took longer than promised, of the last day.',
          good: 'zeros.',
          act: 'start with the first line.',
          runbook: 'slow-answers',
        },
        {
          key: 'alerts',
          title: 'Alerts that fire',
          kind: 'table',
          queries: [{ expr: 'sort_desc(ALERTS{alertstate="firing"})', legend: '' }],
          shows: 'Every alert that fires now. “Watchdog” always does: it proves that alerts are evaluated.',
          good: 'Watchdog alone.',
          act: 'open its runbook (annotation of the alert).',
          runbook: 'README',
        },
        {
          key: 'ratios',
          title: 'Good events by objective, last 5 minutes',
          kind: 'timeseries',
          unit: 'percentunit',
          max: 1,
          queries: [{ expr: '1 - slo:sli_error:ratio_rate5m', legend: '{{sloth_slo}}' }],
          shows: 'The share of good events (or good time) of each objective.',
          good: 'lines at the top.',
          act: 'the line that leaves the top names the promise.',
        },
      ],
    },
    objectivesRow('slo-overview'),
    {
      title: 'Processes',
      panels: [
        {
          key: 'processes',
          title: 'Processes that report',
          kind: 'stat',
          queries: [
            {
              expr: `count by (service) (process_start_time_seconds{service=~"${MEASURED_SERVICES.join('|')}|controller"})`,
              legend: '{{service}}',
            },
          ],
          width: 12,
          shows: 'Replicas of each service whose metrics Prometheus has.',
          good: 'at least one of each; as many as the Deployment says.',
          act: 'a missing one pages after five minutes.',
          runbook: 'service-not-measured',
        },
        {
          key: 'restarts',
          title: 'Restarts within the hour',
          kind: 'stat',
          width: 12,
          queries: [
            { expr: 'sum by (service) (changes(process_start_time_seconds[1h]))', legend: '{{service}}' },
          ],
          shows: 'How often the start time of a process changed.',
          good: '0, or once per release.',
          act: 'more than three within half an hour is a ticket.',
          runbook: 'service-restarts',
        },
        {
          key: 'event-loop',
          title: 'Event loop delay by service, p99',
          kind: 'timeseries',
          unit: 's',
          queries: [{ expr: 'max by (service) (nodejs_eventloop_lag_p99_seconds)', legend: '{{service}}' }],
          shows: 'How long work waits inside the busiest replica of each service.',
          good: 'below 0.05 s.',
          act: 'above 0.25 s for ten minutes is a ticket.',
          runbook: 'slow-answers',
        },
        {
          key: 'pools',
          title: 'Waiting for Postgres',
          kind: 'timeseries',
          queries: [
            { expr: 'sum by (service) (postgres_pool_connections{state="waiting"})', legend: '{{service}}' },
          ],
          shows: 'Queries without a connection.',
          good: '0.',
          act: 'see the runbook: slow statement, lock, or pool too small.',
          runbook: 'slow-answers',
        },
      ],
    },
  ],
};
