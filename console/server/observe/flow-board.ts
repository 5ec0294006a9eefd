import { maxOf, type Samples, sumBy, sumOf } from './exposition.ts';
import { allSamples, type Round } from './sampler.ts';
import { increase, KEPT_POINTS, rounded } from './service-board.ts';

/** Lines of one plot over time. */
export interface Plot {
  readonly at: number[];
  readonly lines: { readonly name: string; readonly values: (number | null)[] }[];
}

/** What flows through the platform, as plots. */
export interface FlowView {
  readonly calls: Plot;
  readonly cache: Plot;
  readonly upstream: Plot;
  readonly transactions: Plot;
  readonly indexer: Plot;
  readonly notifications: Plot;
}

type Measure = (before: Samples, after: Samples, seconds: number) => Record<string, number | null>;

const rates =
  (metric: string, label: string, selector = ''): Measure =>
  (before, after, seconds) => {
    const first = sumBy(before, metric, label, selector);
    return Object.fromEntries(
      Object.entries(sumBy(after, metric, label, selector)).map(([key, value]) => [
        key,
        (increase(first[key] ?? 0, value) ?? 0) / seconds,
      ]),
    );
  };

const cacheShare: Measure = (before, after) => {
  const verdicts = rates('rpc_calls_total', 'cache')(before, after, 1);
  const count = (name: string): number => verdicts[name] ?? 0;
  const asked = Object.values(verdicts).reduce<number>((sum, value) => sum + (value ?? 0), 0);
  const saved = count('hit') + count('shared-hit') + count('coalesced') + count('local');
  return { 'answered without a provider': asked === 0 ? null : (100 * saved) / asked };
};

const states: Measure = (_, after) => {
  const by = sumBy(after, 'gateway_transactions', 'state');
  const waiting = ['queued', 'prepared', 'signed', 'submitted', 'included'];
  return Object.fromEntries(waiting.map((state) => [state, by[state] ?? null]));
};

const lags: Measure = (_, after) => {
  const head = maxOf(after, 'rpc_served_head_block');
  const indexed = maxOf(after, 'gateway_indexer_block');
  const written = maxOf(after, 'gateway_event_log_seq');
  const read = maxOf(after, 'chain_events_cursor');
  return {
    'index behind head, blocks':
      head === undefined || indexed === undefined ? null : Math.max(0, head - indexed),
    'events not yet read by user':
      written === undefined || read === undefined ? null : Math.max(0, written - read),
  };
};

const notices: Measure = (before, after, seconds) => {
  const created = increase(
    sumOf(before, 'notifications_created_total') ?? 0,
    sumOf(after, 'notifications_created_total'),
  );
  const delivered = increase(sumOf(before, 'deliveries_total') ?? 0, sumOf(after, 'deliveries_total'));
  return {
    'into inboxes': created === undefined ? null : created / seconds,
    'deliveries tried': delivered === undefined ? null : delivered / seconds,
  };
};

/** Lines beyond these would be a tangle; the largest stay. */
const MAX_LINES = 6;

const MEASURES: Readonly<Record<keyof FlowView, Measure>> = {
  calls: rates('rpc_calls_total', 'method'),
  cache: cacheShare,
  upstream: rates('rpc_upstream_attempts_total', 'provider'),
  transactions: states,
  indexer: lags,
  notifications: notices,
};

const shown = (value: number | null | undefined): number | null =>
  value === null || value === undefined ? null : rounded(value);

export interface FlowBoard {
  add(round: Round): void;
  view(): FlowView;
}

export function createFlowBoard(): FlowBoard {
  const history: { at: number; values: Record<keyof FlowView, Record<string, number | null>> }[] = [];
  let last: { at: number; samples: Samples } | undefined;

  const plot = (key: keyof FlowView): Plot => {
    const sums = new Map<string, number>();
    for (const { values } of history)
      for (const [name, value] of Object.entries(values[key]))
        if (value !== null) sums.set(name, (sums.get(name) ?? 0) + Math.abs(value));
    const names = [...sums]
      .sort(([, a], [, b]) => b - a)
      .slice(0, MAX_LINES)
      .map(([name]) => name);
    return {
      at: history.map(({ at }) => at),
      lines: names.map((name) => ({ name, values: history.map(({ values }) => shown(values[key][name])) })),
    };
  };

  return {
    add(round) {
      const now = { at: round.at, samples: allSamples(round) };
      if (last !== undefined) {
        const { samples } = last;
        const seconds = Math.max(0.001, (now.at - last.at) / 1_000);
        const measured = (key: keyof FlowView) => MEASURES[key](samples, now.samples, seconds);
        history.push({
          at: now.at,
          values: {
            ...{ calls: measured('calls'), cache: measured('cache'), upstream: measured('upstream') },
            ...{ transactions: measured('transactions'), indexer: measured('indexer') },
            notifications: measured('notifications'),
          },
        });
        if (history.length > KEPT_POINTS) history.shift();
      }
      last = now;
    },
    view: () => ({
      ...{ calls: plot('calls'), cache: plot('cache'), upstream: plot('upstream') },
      ...{
        transactions: plot('transactions'),
        indexer: plot('indexer'),
        notifications: plot('notifications'),
      },
    }),
  };
}
