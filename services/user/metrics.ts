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
  return {
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
