import type { Metrics } from '../../lib/metrics.ts';
import type { ChainEvent } from './gateway/schemas.ts';
import type { InboxRow } from './notifications/inbox-store.ts';

/** The figures of the user service; one place, so that dashboards and alerts have one list to agree with. */
export function createUserMetrics(metrics: Metrics) {
  const events = metrics.counter({
    name: 'chain_events_consumed_total',
    help: 'Events of the gateway applied here.',
    labels: ['type', 'stage'],
  });
  const cursor = metrics.gauge({
    name: 'chain_events_cursor',
    help: 'Number of the last event this replica applied.',
  });
  const applyDelay = metrics.histogram({
    name: 'chain_event_apply_delay_seconds',
    help: 'From the time of the block to the commit of ledger entry and inbox row; first stage of each event only.',
  });
  const streamDelay = metrics.histogram({
    name: 'notification_stream_delay_seconds',
    help: 'From the commit of an inbox row to its writing to an open stream.',
  });
  const deliveries = metrics.counter({
    name: 'deliveries_total',
    help: 'Attempts to deliver by what became of them.',
    labels: ['channel', 'outcome'],
  });
  const deliverySeconds = metrics.histogram({
    name: 'delivery_duration_seconds',
    help: 'One attempt to deliver.',
    labels: ['channel'],
  });
  const deliveryDelay = metrics.histogram({
    name: 'delivery_delay_seconds',
    help: 'From when a delivery was due to when it was delivered.',
    labels: ['channel'],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600],
  });
  return {
    awards: metrics.counter({
      name: 'reward_awards_total',
      help: 'Awards by the state they reached.',
      labels: ['state'],
    }),
    partnerCalls: metrics.counter({
      name: 'partner_calls_total',
      help: 'Exchanges with partners.',
      labels: ['connector', 'what', 'outcome'],
    }),
    planned: metrics.counter({
      name: 'deliveries_planned_total',
      help: 'Deliveries planned with an inbox row.',
      labels: ['channel', 'state'],
    }),
    queueFallbacks: metrics.counter({
      name: 'delivery_queue_fallbacks_total',
      help: 'Batches sent without Redis.',
    }),
    limiterFallbacks: metrics.counter({
      name: 'rate_limit_fallbacks_total',
      help: 'Limits counted locally because Redis was away.',
    }),
    drift: metrics.gauge({
      name: 'ledger_drift',
      help: 'Balances of wallets that differ from the chain at a pinned block. Must be 0.',
    }),
    delivered(channel: string, outcome: string, tookMs: number, delayMs: number): void {
      deliveries.inc({ channel, outcome });
      deliverySeconds.observe({ channel }, tookMs / 1000);
      if (outcome === 'delivered') deliveryDelay.observe({ channel }, Math.max(0, delayMs) / 1000);
    },
    signIns: metrics.counter({
      name: 'sign_ins_total',
      help: 'Attempts to sign in.',
      labels: ['method', 'outcome'],
    }),
    refreshes: metrics.counter({
      name: 'token_refreshes_total',
      help: 'Refresh tokens presented.',
      labels: ['outcome'],
    }),
    notifications: metrics.counter({
      name: 'notifications_created_total',
      help: 'Inbox rows written.',
      labels: ['type'],
    }),
    ledgerEntries: metrics.counter({
      name: 'ledger_entries_total',
      help: 'Ledger entries posted.',
      labels: ['kind'],
    }),
    consumerFailures: metrics.counter({
      name: 'chain_events_failures_total',
      help: 'Failed attempts to read or apply events.',
    }),
    loopFailures: metrics.counter({
      name: 'loop_failures_total',
      help: 'Failed passes of background loops.',
      labels: ['loop'],
    }),
    missing: metrics.gauge({
      name: 'notifications_missing',
      help: 'Transfers of linked wallets without a notification after repair, by the chain index. Must be 0.',
    }),
    applied(list: readonly ChainEvent[], now: number): void {
      for (const event of list) {
        events.inc({ type: event.type, stage: event.stage });
        if (event.stage === 'pending')
          applyDelay.observe(Math.max(0, (now - event.blockTime.getTime()) / 1000));
      }
      const last = list.at(-1);
      if (last) cursor.set(last.seq);
    },
    streamed(rows: readonly InboxRow[], now: number): void {
      for (const row of rows) streamDelay.observe(Math.max(0, (now - row.updatedAt.getTime()) / 1000));
    },
  };
}

export type UserMetrics = ReturnType<typeof createUserMetrics>;
