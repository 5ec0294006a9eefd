import type { BoardSpec } from '../board.ts';
import { objectivesRow, saturationRow } from '../shared-panels.ts';

const POOL = '{{pool}}';

export const controller: BoardSpec = {
  uid: 'controller',
  title: 'Rejuve / controller',
  description:
    'Why there are as many workers as there are: demand, decision, scale, and the health of the controller.',
  rows: [
    objectivesRow('controller'),
    {
      title: 'Replicas against demand',
      panels: [
        {
          key: 'pool-replicas',
          title: 'Replicas: wanted, desired, ready',
          kind: 'timeseries',
          queries: [
            { expr: 'max by (pool) (rpcworkerpool_desired_replicas)', legend: `${POOL} decided` },
            { expr: 'max by (pool) (rpcworkerpool_replicas)', legend: `${POOL} asked of Kubernetes` },
            { expr: 'max by (pool) (rpcworkerpool_ready_replicas)', legend: `${POOL} ready` },
          ],
          shows: 'What the controller decided, what the Deployment asks for, and what is ready.',
          good: 'three lines that lie on each other within seconds.',
          act: 'decided and asked differ: held, or somebody else scales. Asked and ready differ: pods do not start.',
          runbook: 'controller',
        },
        {
          key: 'pool-age',
          title: 'Oldest job against the allowed age',
          kind: 'timeseries',
          unit: 's',
          queries: [
            { expr: 'max by (pool) (rpcworkerpool_oldest_job_age_seconds)', legend: `${POOL} oldest` },
            { expr: 'max by (pool) (rpcworkerpool_objective_seconds)', legend: `${POOL} allowed` },
          ],
          shows: 'The reason for scaling: no job should wait longer than the pool allows.',
          good: 'oldest below allowed.',
          act: 'above at the maximum of replicas: raise the maximum or the limits of providers.',
          runbook: 'queue-age',
        },
        {
          key: 'pool-backlog',
          title: 'Jobs that wait',
          kind: 'timeseries',
          queries: [{ expr: 'max by (pool) (rpcworkerpool_backlog_jobs)', legend: POOL }],
          shows: 'Length of the queue; the drain term of the decision comes from it.',
          good: 'near zero, peaks that melt.',
          act: 'grows at the maximum: see the terms.',
          runbook: 'queue-age',
        },
        {
          key: 'pool-terms',
          title: 'Terms of the decision: λ and S',
          kind: 'timeseries',
          queries: [
            { expr: 'max by (pool) (rpcworkerpool_arrivals_per_second)', legend: `${POOL} λ jobs/s` },
            { expr: 'max by (pool) (rpcworkerpool_service_seconds)', legend: `${POOL} S s/job` },
          ],
          shows:
            'base = ⌈λ·S/(c·ρ)⌉: arrivals a second, and seconds that a job occupies a slot. kubectl describe shows all terms.',
          good: 'S is steady.',
          act: 'S grows: providers are slow, and more workers would not help.',
        },
        {
          key: 'held',
          title: 'Held',
          kind: 'stat',
          queries: [{ expr: 'max by (pool, reason) (rpcworkerpool_held)', legend: '{{pool}} {{reason}}' }],
          steps: [{ colour: 'green' }, { from: 1, colour: 'orange' }],
          shows: '1 while the controller holds the scale for that reason.',
          good: 'all 0.',
          act: 'QueueUnreadable: Redis. ProvidersDown: never grow into a dead provider. CompetingAutoscaler: remove the HPA.',
          runbook: 'controller',
        },
        {
          key: 'scale-changes',
          title: 'Changes of scale',
          kind: 'timeseries',
          queries: [
            {
              expr: 'sum by (pool, direction) (increase(rpcworkerpool_scale_changes_total[$__rate_interval]))',
              legend: '{{pool}} {{direction}}',
            },
          ],
          shows: 'How often the scale was changed.',
          good: 'up in steps, down slowly.',
          act: 'up and down within minutes: lengthen the stabilisation of the pool.',
        },
        {
          key: 'scale-lag',
          title: 'From look to scale',
          kind: 'timeseries',
          unit: 's',
          queries: [
            {
              expr: 'histogram_quantile(0.99, sum by (le) (rate(rpcworkerpool_scale_lag_seconds_bucket[1h])))',
              legend: 'p99',
            },
          ],
          shows: 'From the look at the queue that decided to the answer of the scale call.',
          good: 'below a second.',
          act: 'the API server is slow: see its answers below.',
        },
      ],
    },
    {
      title: 'The controller itself',
      panels: [
        {
          key: 'leader',
          title: 'Leads',
          kind: 'stat',
          queries: [{ expr: 'sum by (name) (leader_election_master_status)', legend: '{{name}}' }],
          steps: [{ colour: 'red' }, { from: 1, colour: 'green' }, { from: 2, colour: 'red' }],
          shows: 'Exactly one replica leads.',
          good: '1.',
          act: '0 pages after two minutes; 2 must never be.',
          runbook: 'controller',
        },
        {
          key: 'reconciles',
          title: 'Reconciles',
          kind: 'timeseries',
          unit: 'ops',
          queries: [
            {
              expr: 'sum by (controller, result) (rate(controller_runtime_reconcile_total[$__rate_interval]))',
              legend: '{{controller}} {{result}}',
            },
          ],
          shows: 'Passes by result.',
          good: 'no errors.',
          act: 'errors are retried with backoff; the Events of the object say why.',
          runbook: 'controller',
        },
        {
          key: 'reconcile-time',
          title: 'Duration of a pass, p99',
          kind: 'timeseries',
          unit: 's',
          queries: [
            {
              expr: 'histogram_quantile(0.99, sum by (controller, le) (rate(controller_runtime_reconcile_time_seconds_bucket[$__rate_interval])))',
              legend: '{{controller}}',
            },
          ],
          shows: 'How long one pass takes.',
          good: 'below 0.1 s.',
          act: 'slow: API server or Redis.',
        },
        {
          key: 'workqueue',
          title: 'Work queue',
          kind: 'timeseries',
          queries: [
            { expr: 'sum by (name) (workqueue_depth)', legend: '{{name}} waiting' },
            {
              expr: 'sum by (name) (rate(workqueue_retries_total[$__rate_interval]))',
              legend: '{{name}} retries/s',
              mayBeEmpty: 'no pass has failed',
            },
          ],
          shows: 'Keys that wait to be reconciled, and keys that failed.',
          good: '0.',
          act: 'a depth that stays: a pass hangs.',
        },
        {
          key: 'api-server',
          title: 'Answers of the API server',
          kind: 'timeseries',
          unit: 'ops',
          queries: [
            {
              expr: 'sum by (code, verb) (rate(rest_client_requests_total[$__rate_interval]))',
              legend: '{{verb}} {{code}}',
            },
          ],
          shows: 'Requests to Kubernetes by code; 0 is no answer.',
          good: '2xx; a 409 now and then.',
          act: '403: the role lacks a rule. 429: too many requests. 0: the API server is away.',
        },
        {
          key: 'relists',
          title: 'Full lists by informers',
          kind: 'stat',
          queries: [{ expr: 'sum by (kind) (increase(informer_relists_total[1h]))', legend: '{{kind}}' }],
          shows: 'Watches that had to start again.',
          good: 'one per start, and rarely one.',
          act: 'many: something cuts long connections.',
        },
      ],
    },
    saturationRow('controller', 'controller', { postgres: false }),
  ],
};
