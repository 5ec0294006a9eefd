import type { BoardSpec } from '../board.ts';

export const k6Run: BoardSpec = {
  uid: 'k6-run',
  title: 'Rejuve / k6 run',
  description:
    'A load test as it goes: what k6 sends and sees, written to Prometheus by remote write (make load ARGS=--prometheus).',
  rows: [
    {
      title: 'Load',
      panels: [
        {
          key: 'k6-rate',
          title: 'Requests a second',
          kind: 'timeseries',
          unit: 'reqps',
          queries: [
            {
              expr: 'sum by (scenario) (rate(k6_http_reqs_total[$__rate_interval]))',
              legend: '{{scenario}}',
            },
          ],
          shows: 'What k6 sends, by scenario.',
          good: 'the peak is 17 a second (1,000 a minute).',
          act: 'less than asked for: dropped iterations say that k6 had no virtual users left.',
        },
        {
          key: 'k6-vus',
          title: 'Virtual users and dropped iterations',
          kind: 'timeseries',
          queries: [
            { expr: 'max(k6_vus)', legend: 'users' },
            {
              expr: 'sum(rate(k6_dropped_iterations_total[$__rate_interval])) or vector(0)',
              legend: 'dropped/s',
            },
          ],
          shows: 'How many work at once; what could not be started.',
          good: 'nothing dropped.',
          act: 'dropped: answers are slow, or maxVUs is too small.',
        },
        {
          key: 'k6-duration',
          title: 'Duration as k6 sees it, p99',
          kind: 'timeseries',
          unit: 's',
          queries: [
            { expr: 'max by (scenario, name) (k6_http_req_duration_p99)', legend: '{{scenario}} {{name}}' },
          ],
          shows: 'From the client: network and queues included.',
          good: 'below 0.5 s.',
          act: 'compare with the dashboard of the service: ours, or on the way?',
        },
        {
          key: 'k6-failed',
          title: 'Failed requests and checks',
          kind: 'timeseries',
          unit: 'percentunit',
          queries: [
            { expr: 'max by (scenario) (k6_http_req_failed_rate)', legend: '{{scenario}} failed' },
            { expr: '1 - min by (scenario) (k6_checks_rate)', legend: '{{scenario}} wrong answers' },
          ],
          shows: 'Share of requests with an error, and of answers that were not right.',
          good: 'below 0.1 %.',
          act: 'the log of the service in that minute.',
        },
        {
          key: 'k6-notified',
          title: 'From transfer to notification (SSE)',
          kind: 'timeseries',
          unit: 's',
          queries: [
            {
              expr: 'max(k6_notification_delay_p99)',
              legend: 'p99',
            },
          ],
          shows: 'End to end: block of the transfer until the open app has it.',
          good: 'below five seconds.',
          act: 'the dashboard of notifications tells which part of the way is slow.',
        },
      ],
    },
  ],
};
