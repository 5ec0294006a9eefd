import type { BoardSpec } from '../board.ts';
import { objectivesRow } from '../shared-panels.ts';

export const notifications: BoardSpec = {
  uid: 'notifications',
  title: 'Rejuve / notifications',
  description:
    'From a block to the inbox and to every channel: what is late, what is missing, what was given up.',
  rows: [
    objectivesRow('notifications'),
    {
      title: 'Funnel',
      panels: [
        {
          key: 'notification-funnel',
          title: 'Funnel of the last hour',
          kind: 'bargauge',
          queries: [
            { expr: 'sum(increase(gateway_events_appended_total[1h]))', legend: '1 events of the chain' },
            {
              expr: 'sum(increase(chain_events_consumed_total{stage="pending"}[1h]))',
              legend: '2 read by the user service',
            },
            { expr: 'sum(increase(notifications_created_total[1h]))', legend: '3 inbox rows' },
            {
              expr: 'sum(increase(deliveries_planned_total[1h])) or vector(0)',
              legend: '4 deliveries planned',
            },
            {
              expr: 'sum(increase(deliveries_total{outcome="delivered"}[1h])) or vector(0)',
              legend: '5 delivered',
            },
          ],
          shows:
            'How many reach each step. Fewer inbox rows than events is right: most transfers are of people we do not know.',
          good: 'steps 1 and 2 are equal; delivered is close to planned.',
          act: '2 below 1: the consumer is behind. 5 below 4: see the outcomes by channel.',
          runbook: 'late-notifications',
        },
        {
          key: 'notification-delay',
          title: 'From block to inbox',
          kind: 'timeseries',
          unit: 's',
          queries: [0.5, 0.99].map((q) => ({
            expr: `histogram_quantile(${q}, sum by (le) (rate(chain_event_apply_delay_seconds_bucket[$__rate_interval])))`,
            legend: `p${q * 100}`,
          })),
          shows: 'Age of the block when ledger entry and inbox row are committed.',
          good: 'p99 below 5 s.',
          act: 'indexer lag first, then the cursor, then the database of the user service.',
          runbook: 'late-notifications',
        },
        {
          key: 'stream-delay',
          title: 'From inbox to open app (SSE)',
          kind: 'timeseries',
          unit: 's',
          queries: [
            {
              expr: 'histogram_quantile(0.99, sum by (le) (rate(notification_stream_delay_seconds_bucket[$__rate_interval])))',
              legend: 'p99',
            },
          ],
          shows: 'From the commit of a row to its writing to an open stream.',
          good: 'below a second.',
          act: 'the process that holds the streams is busy: see CPU and event loop of the user service.',
        },
        {
          key: 'streams',
          title: 'Open streams',
          kind: 'timeseries',
          queries: [{ expr: 'sum(notification_streams)', legend: 'streams' }],
          shows: 'People whose app listens now.',
          good: 'as many as apps are open.',
          act: 'a fall to zero: an ingress that cuts long requests?',
        },
        {
          key: 'cursor-distance',
          title: 'Events not read yet',
          kind: 'timeseries',
          queries: [
            {
              expr: 'clamp_min(max(gateway_event_log_seq) - max(chain_events_cursor), 0)',
              legend: 'events behind',
            },
          ],
          shows: 'Distance between the newest event of the log and the cursor of the user service.',
          good: 'near 0; after an outage it shrinks by itself.',
          act: 'it grows: the consumer stands still; its failures are beside this.',
          runbook: 'late-notifications',
        },
        {
          key: 'event-failures',
          title: 'Failed attempts to read or apply events',
          kind: 'timeseries',
          unit: 'ops',
          queries: [{ expr: 'sum(rate(chain_events_failures_total[$__rate_interval]))', legend: 'failures' }],
          shows: 'Every failure is tried again; nothing is skipped.',
          good: '0.',
          act: 'the log of the user service names the event that cannot be applied.',
          runbook: 'missing-notifications',
        },
      ],
    },
    {
      title: 'Channels',
      panels: [
        {
          key: 'deliveries',
          title: 'Deliveries by channel and outcome',
          kind: 'timeseries',
          unit: 'ops',
          queries: [
            {
              expr: 'sum by (channel, outcome) (rate(deliveries_total[$__rate_interval]))',
              legend: '{{channel}} {{outcome}}',
            },
          ],
          shows: 'Attempts by what became of them.',
          good: 'delivered; a retry now and then.',
          act: 'one channel fails: the others are not touched by it. Look at the reason in the delivery itself.',
          mayBeEmpty: 'nobody has asked for a channel beyond the inbox.',
        },
        {
          key: 'dead-letters',
          title: 'Given up within a day',
          kind: 'stat',
          queries: [
            {
              expr: 'sum by (channel) (increase(deliveries_total{outcome="dead"}[1d]))',
              legend: '{{channel}}',
            },
          ],
          steps: [{ colour: 'green' }, { from: 1, colour: 'orange' }],
          shows: 'Deliveries that will not be tried again by themselves.',
          good: 'empty.',
          act: 'read the reasons, cure the cause, send them again.',
          mayBeEmpty: 'nothing was given up.',
          runbook: 'dead-letters',
        },
        {
          key: 'delivery-duration',
          title: 'Duration of an attempt, p95',
          kind: 'timeseries',
          unit: 's',
          queries: [
            {
              expr: 'histogram_quantile(0.95, sum by (channel, le) (rate(delivery_duration_seconds_bucket[$__rate_interval])))',
              legend: '{{channel}}',
            },
          ],
          shows: 'How long the other side takes.',
          good: 'below two seconds.',
          act: 'slow and failing is the other side; its status page knows more.',
          mayBeEmpty: 'nothing was delivered by a channel beyond the inbox.',
        },
        {
          key: 'queue-fallbacks',
          title: 'Batches sent without Redis',
          kind: 'stat',
          queries: [{ expr: 'sum(increase(delivery_queue_fallbacks_total[1h]))', legend: 'batches' }],
          steps: [{ colour: 'green' }, { from: 1, colour: 'orange' }],
          shows: 'Work that was picked up by polling Postgres, because Redis was away.',
          good: '0.',
          act: 'people get their messages, up to a few seconds later. Cure Redis.',
          runbook: 'redis-away',
        },
      ],
    },
  ],
};
