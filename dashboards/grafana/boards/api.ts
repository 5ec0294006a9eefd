import type { BoardSpec } from '../board.ts';
import { objectivesRow, redRow, saturationRow } from '../shared-panels.ts';

export const api: BoardSpec = {
  uid: 'api',
  title: 'Rejuve / API',
  description: 'The REST API of the app and of partners.',
  rows: [
    objectivesRow('api'),
    redRow('api'),
    {
      title: 'Dependencies and limits',
      panels: [
        {
          key: 'api-cache',
          title: 'Cache by outcome',
          kind: 'timeseries',
          unit: 'ops',
          queries: [
            {
              expr: 'sum by (kind, outcome) (rate(api_cache_total[$__rate_interval]))',
              legend: '{{kind}} {{outcome}}',
            },
          ],
          shows: 'Look-ups of the cache before the gateway is asked; bypass means that Redis was away.',
          good: 'mostly hits, no bypass.',
          act: 'bypass: cure Redis; answers are right but slower meanwhile.',
          runbook: 'redis-away',
        },
        {
          key: 'rate-limit-store',
          title: 'Rate limits: decisions, and where they were counted',
          kind: 'timeseries',
          unit: 'ops',
          queries: [
            {
              expr: 'sum by (decision, store) (rate(api_rate_limit_decisions_total[$__rate_interval]))',
              legend: '{{decision}} ({{store}})',
            },
          ],
          shows: 'Requests let through and refused; “local” means that each replica counts for itself.',
          good: 'store redis; refusals only for callers above their limit.',
          act: 'local: Redis is away, and limits are as many times higher as there are replicas.',
          runbook: 'redis-away',
        },
        {
          key: 'api-usage-lost',
          title: 'Usage records lost',
          kind: 'stat',
          queries: [{ expr: 'sum(increase(api_usage_lost_total[1h])) or vector(0)', legend: 'lost' }],
          steps: [{ colour: 'green' }, { from: 1, colour: 'red' }],
          shows: 'Records of who used the API how much, that could not be kept.',
          good: '0.',
          act: 'Postgres of the API was away for long; bills of that hour are too low.',
        },
      ],
    },
    saturationRow('api', 'api', { postgres: true }),
  ],
};
