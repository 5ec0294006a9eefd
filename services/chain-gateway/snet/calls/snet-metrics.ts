import type { Metrics } from '../../../../lib/metrics.ts';
import type { SnetService } from '../config/service-directory.ts';
import type { CallMode } from '../store/call-store.ts';

type ServiceName = Pick<SnetService, 'org' | 'id'>;

/** What operators see of calls to SingularityNET services. Labels are names of the configuration, so bounded. */
export interface SnetMetrics {
  called(service: ServiceName, mode: CallMode | 'none', outcome: string, seconds: number): void;
  charged(service: ServiceName, mode: CallMode, cogs: bigint): void;
  repeated(service: ServiceName): void;
  purchase(group: string, outcome: string): void;
  breaker(endpoint: string, state: string): void;
  /** Channel figures of the keeper's last look, cogs and blocks. */
  channel(
    group: string,
    figures: { spendable: number; credit: number; drift: number; blocksLeft: number },
  ): void;
  funding(kind: string, outcome: string): void;
  queue(collect: () => { service: ServiceName; waiting: number; running: number }[]): void;
}

export function createSnetMetrics(metrics: Metrics): SnetMetrics {
  const duration = metrics.histogram({
    name: 'snet_call_duration_seconds',
    help: 'Time from the arrival of a call to its end, queue and payment included, by outcome (ok or error code).',
    labels: ['org', 'snet_service', 'mode', 'outcome'],
  });
  const charged = metrics.counter({
    name: 'snet_charged_cogs_total',
    help: 'Charged for answered calls, in cogs.',
    labels: ['org', 'snet_service', 'mode'],
  });
  const repeats = metrics.counter({
    name: 'snet_call_repeats_total',
    help: 'Calls that were sent again because the daemon had not taken them, or because the method allows it.',
    labels: ['org', 'snet_service'],
  });
  const purchases = metrics.counter({
    name: 'snet_prepaid_purchases_total',
    help: 'Visits to the token service: bought, renewed, forgot (the daemon lost its books), failed.',
    labels: ['group', 'outcome'],
  });
  const breakers = metrics.gauge({
    name: 'snet_daemon_breaker_open',
    help: '1 while a daemon is cut off after repeated faults.',
    labels: ['endpoint'],
  });
  const spendable = metrics.gauge({
    name: 'snet_channel_spendable_cogs',
    help: 'What may still be signed on the payment channel, cogs.',
    labels: ['group'],
  });
  const credit = metrics.gauge({
    name: 'snet_prepaid_credit_cogs',
    help: 'Bought in advance and neither spent nor held, cogs.',
    labels: ['group'],
  });
  const drift = metrics.gauge({
    name: 'snet_drift_cogs',
    help: 'What the daemon and the chain say that was paid, against our own books; anything but 0 is a defect.',
    labels: ['group'],
  });
  const blocks = metrics.gauge({
    name: 'snet_channel_blocks_left',
    help: 'Blocks until the daemon takes no more payments on the channel.',
    labels: ['group'],
  });
  const fundings = metrics.counter({
    name: 'snet_fundings_total',
    help: 'Channels opened, filled, extended and emptied, by outcome.',
    labels: ['kind', 'outcome'],
  });
  return {
    called: ({ org, id }, mode, outcome, seconds) =>
      duration.observe({ org, snet_service: id, mode, outcome }, seconds),
    charged: ({ org, id }, mode, cogs) => charged.inc({ org, snet_service: id, mode }, Number(cogs)),
    repeated: ({ org, id }) => repeats.inc({ org, snet_service: id }),
    purchase: (group, outcome) => purchases.inc({ group, outcome }),
    breaker: (endpoint, state) => breakers.set({ endpoint }, state === 'closed' ? 0 : 1),
    channel(group, figures) {
      spendable.set({ group }, figures.spendable);
      credit.set({ group }, figures.credit);
      drift.set({ group }, figures.drift);
      blocks.set({ group }, figures.blocksLeft);
    },
    funding: (kind, outcome) => fundings.inc({ kind, outcome }),
    queue(collect) {
      metrics.gauge({
        name: 'snet_calls_waiting',
        help: 'Calls that wait for their turn in this process.',
        labels: ['org', 'snet_service', 'state'],
        collect: (gauge) => {
          for (const { service, waiting, running } of collect()) {
            gauge.set({ org: service.org, snet_service: service.id, state: 'waiting' }, waiting);
            gauge.set({ org: service.org, snet_service: service.id, state: 'running' }, running);
          }
        },
      });
    },
  };
}
