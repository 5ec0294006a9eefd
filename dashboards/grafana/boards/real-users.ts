import type { BoardSpec } from '../board.ts';
import { objectivesRow, saturationRow } from '../shared-panels.ts';

const NO_VISITS = 'nobody has visited the console since the start.';
const vital = (key: string, title: string, good: string, act: string) => ({
  key: `vital-${key}`,
  title,
  kind: 'timeseries' as const,
  unit: 's',
  width: 8 as const,
  queries: [
    {
      expr: `histogram_quantile(0.75, sum by (view, le) (rate(web_vital_seconds_bucket{vital="${key}"}[15m])))`,
      legend: '{{view}}',
    },
  ],
  shows: 'The 75th percentile of real visits, by view, as their browsers measured it.',
  good,
  act,
  mayBeEmpty: NO_VISITS,
  runbook: 'web-vitals',
});

export const realUsers: BoardSpec = {
  uid: 'real-users',
  title: 'Rejuve / real users',
  description: 'What people in front of the console see: web vitals and errors of their browsers (Faro).',
  rows: [
    {
      ...objectivesRow('real-users'),
      panels: objectivesRow('real-users').panels.map((panel) => ({ ...panel, mayBeEmpty: NO_VISITS })),
    },
    {
      title: 'Web vitals',
      panels: [
        vital(
          'lcp',
          'Largest contentful paint',
          'below 2.5 s.',
          'what is loaded before the content? Compare with the first byte.',
        ),
        vital(
          'inp',
          'Interaction to next paint',
          'below 0.2 s.',
          'long tasks in the page: a list that renders too much.',
        ),
        vital('ttfb', 'Time to first byte', 'below 0.8 s.', 'the server or the way to it, not the page.'),
        vital('fcp', 'First contentful paint', 'below 1.8 s.', 'style sheets and fonts that block.'),
        {
          key: 'vital-cls',
          title: 'Layout shift',
          kind: 'timeseries',
          width: 8,
          queries: [
            {
              expr: 'histogram_quantile(0.75, sum by (view, le) (rate(web_layout_shift_score_bucket[15m])))',
              legend: '{{view}}',
            },
          ],
          shows: 'How much the page jumps while it loads; has no unit.',
          good: 'below 0.1.',
          act: 'give plots and tables their height before their data is there.',
          mayBeEmpty: NO_VISITS,
          runbook: 'web-vitals',
        },
        {
          key: 'visits',
          title: 'Measured visits',
          kind: 'timeseries',
          width: 8,
          unit: 'ops',
          queries: [
            {
              expr: 'sum by (view) (rate(web_vital_seconds_count{vital="ttfb"}[$__rate_interval]))',
              legend: '{{view}}',
            },
          ],
          shows: 'Page loads whose browser told its vitals.',
          good: 'as many as there are people at work.',
          act: 'none while people work: is /collect reachable from outside?',
          mayBeEmpty: NO_VISITS,
        },
        {
          key: 'web-errors',
          title: 'Errors in browsers',
          kind: 'timeseries',
          unit: 'ops',
          queries: [
            {
              expr: 'sum by (kind, view) (rate(web_errors_total[$__rate_interval]))',
              legend: '{{kind}} {{view}}',
            },
          ],
          shows: 'Exceptions that nobody caught, by kind and view.',
          good: 'empty.',
          act: 'the trace id in the forwarded event leads to the request behind it.',
          mayBeEmpty: 'no browser reported an error.',
          runbook: 'web-vitals',
        },
      ],
    },
    saturationRow('console', 'console', { postgres: false }),
  ],
};
