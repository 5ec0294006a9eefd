import type { Objective } from '../../lib/slo/objective.ts';
import { OBJECTIVES } from '../../lib/slo/objectives.ts';
import type { PanelSpec, RowSpec, ThresholdStep } from './board.ts';

/** Remaining budget: enough, look at it, spent (the stages of the budget policy). */
export const BUDGET_STEPS: readonly ThresholdStep[] = [
  { colour: 'red' },
  { from: 0, colour: 'orange' },
  { from: 0.5, colour: 'green' },
];
export const ZERO_IS_GOOD: readonly ThresholdStep[] = [{ colour: 'green' }, { from: 1, colour: 'red' }];

/** An objective on the dashboard that explains it; the alert of the objective links here. */
function objectivePanel(objective: Objective): PanelSpec {
  const { id, title, description, indicator, target, runbook } = objective;
  const base = { key: `slo-${id}`, title, runbook, shows: description };
  if (indicator.kind === 'invariant') {
    return {
      ...base,
      kind: 'stat',
      queries: [{ expr: `max(${indicator.gauge.metric}{${indicator.gauge.selector}})`, legend: 'found' }],
      steps: ZERO_IS_GOOD,
      good: 'always 0.',
      act: 'the page fires after five minutes; follow the runbook.',
    };
  }
  const kubernetes = objective.service === 'controller';
  return {
    ...base,
    kind: 'timeseries',
    width: 8,
    unit: 'percentunit',
    max: 1,
    queries: [
      { expr: `slo:period_error_budget_remaining:ratio{sloth_slo="${id}"}`, legend: 'budget left' },
      { expr: `1 - slo:sli_error:ratio_rate5m{sloth_slo="${id}"}`, legend: 'good, last 5 min' },
      { expr: `slo:objective:ratio{sloth_slo="${id}"}`, legend: `target ${(target ?? 0) * 100} %` },
    ],
    good: 'what is good stays above the target, and the budget ends the month above 0.',
    act: `below the target the alert says how fast; the panels below say where. ${kubernetes ? 'Needs the controller.' : ''}`.trim(),
  };
}

/** The first row of a dashboard: the objectives that it explains. */
export function objectivesRow(uid: string): RowSpec {
  return {
    title: 'Promises',
    panels: OBJECTIVES.filter(({ dashboard }) => dashboard === uid).map(objectivePanel),
  };
}

const NOT_USERS = 'route!~"/livez|/readyz|/metrics|/openapi.json|unmatched"';
const HTTP = 'http_request_duration_seconds';

/** Rate, errors, duration of the HTTP side of a service. */
export function redRow(service: string): RowSpec {
  const of = `service="${service}",${NOT_USERS}`;
  return {
    title: 'Requests',
    panels: [
      {
        key: `${service}-rate`,
        title: 'Requests a second, by route',
        kind: 'timeseries',
        unit: 'reqps',
        stacked: true,
        queries: [
          { expr: `sum by (route) (rate(${HTTP}_count{${of}}[$__rate_interval]))`, legend: '{{route}}' },
        ],
        shows: 'Requests that were answered, without health and metrics. Streams are not in it.',
        good: 'the shape of a usual day.',
        act: 'a route that stands out: who calls it? The peak that is promised is 17 a second (1,000 a minute).',
      },
      {
        key: `${service}-errors`,
        title: 'Answers by status',
        kind: 'timeseries',
        unit: 'reqps',
        queries: [
          { expr: `sum by (status) (rate(${HTTP}_count{${of}}[$__rate_interval]))`, legend: '{{status}}' },
        ],
        shows: 'What callers get: 2xx done, 4xx their mistake or limit, 5xx ours, 499 they left.',
        good: 'no 5xx; 429 only for callers that are above their limit.',
        act: 'any 5xx: the log of that minute names the request id and the reason.',
        runbook: 'server-errors',
      },
      {
        key: `${service}-duration`,
        title: 'Duration: median, p95, p99',
        kind: 'timeseries',
        unit: 's',
        queries: [0.5, 0.95, 0.99].map((q) => ({
          expr: `histogram_quantile(${q}, sum by (le) (rate(${HTTP}_bucket{${of}}[$__rate_interval])))`,
          legend: `p${q * 100}`,
        })),
        shows: 'Time from the first byte of the request to the end of the answer.',
        good: 'p99 below 0.5 s (promise 3); the median some milliseconds.',
        act: 'the next panel says which route; its dependencies are further below.',
        runbook: 'slow-answers',
      },
      {
        key: `${service}-slow-routes`,
        title: 'Slowest routes, p99',
        kind: 'bargauge',
        unit: 's',
        queries: [
          {
            expr: `topk(10, histogram_quantile(0.99, sum by (route, le) (rate(${HTTP}_bucket{${of}}[15m]))))`,
            legend: '{{route}}',
          },
        ],
        shows: 'The ten routes with the longest 99th percentile of the last quarter of an hour.',
        good: 'nothing above 0.5 s.',
        act: 'take a request id of that route from the log and ask the gateway: /internal/explain/{requestId}.',
        steps: [{ colour: 'green' }, { from: 0.25, colour: 'orange' }, { from: 0.5, colour: 'red' }],
        runbook: 'slow-answers',
      },
    ],
  };
}

/** Is a process at its limit? Selected by the label `service`, which may be a pattern. */
export function saturationRow(key: string, services: string, options: { postgres: boolean }): RowSpec {
  const of = `service=~"${services}"`;
  return {
    title: 'Saturation',
    panels: [
      {
        key: `${key}-cpu`,
        title: 'CPU',
        kind: 'timeseries',
        unit: 'none',
        width: 8,
        queries: [
          {
            expr: `sum by (service, instance) (rate(process_cpu_seconds_total{${of}}[$__rate_interval]))`,
            legend: '{{service}} {{instance}}',
          },
        ],
        shows: 'Cores that each process uses. One process can use little more than one.',
        good: 'below 0.7 of a core.',
        act: 'more replicas; docs/scaling.md says how many for which load.',
      },
      {
        key: `${key}-event-loop`,
        title: 'Event loop delay, p99',
        kind: 'timeseries',
        unit: 's',
        width: 8,
        queries: [
          {
            expr: `max by (service, instance) (nodejs_eventloop_lag_p99_seconds{${of}})`,
            legend: '{{service}} {{instance}}',
          },
        ],
        shows: 'How long work waits because the process computes something else.',
        good: 'below 0.05 s.',
        act: 'above 0.25 s a ticket fires: a large body, a large result, or too little CPU.',
        runbook: 'slow-answers',
      },
      {
        key: `${key}-memory`,
        title: 'Memory',
        kind: 'timeseries',
        unit: 'bytes',
        width: 8,
        queries: [
          {
            expr: `max by (service, instance) (process_resident_memory_bytes{${of}})`,
            legend: '{{service}} {{instance}}',
          },
        ],
        shows: 'Resident memory of each process.',
        good: 'flat after the first hour.',
        act: 'a line that only grows is a leak: take a heap snapshot before the limit ends the process.',
        runbook: 'service-restarts',
      },
      ...(options.postgres
        ? [
            {
              key: `${key}-postgres`,
              title: 'Connections to Postgres',
              kind: 'timeseries',
              queries: [
                {
                  expr: `sum by (service, state) (postgres_pool_connections{${of}})`,
                  legend: '{{service}} {{state}}',
                },
              ],
              shows: 'Connections of the pools: busy, idle, and queries that wait for one.',
              good: 'nothing waits.',
              act: 'something waits: find the slow statement in pg_stat_activity before making the pool larger.',
              runbook: 'slow-answers',
            } satisfies PanelSpec,
          ]
        : []),
      {
        key: `${key}-in-flight`,
        title: 'Requests under way',
        kind: 'timeseries',
        queries: [{ expr: `sum by (service) (http_requests_in_flight{${of}})`, legend: '{{service}}' }],
        shows: 'HTTP requests that are being answered now.',
        good: 'rate × duration: a handful.',
        act: 'a rising line without a rising rate: something behind it has become slow.',
      },
    ],
  };
}
