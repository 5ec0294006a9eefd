import type { Objective } from '../../../lib/slo/objective.ts';
import { MEASURED_SERVICES, OBJECTIVES, SLO_WINDOW_DAYS } from '../../../lib/slo/objectives.ts';
import { bucketsOf, maxOf, type Samples, sumOf } from './exposition.ts';
import type { Prometheus } from './prometheus.ts';
import { allSamples, type Round } from './sampler.ts';
import { increase } from './service-board.ts';

export interface SloView {
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly promise: number | null;
  readonly service: string;
  /** 0 to 1; null for what must never happen. */
  readonly target: number | null;
  /** Share of good events in the window; null without events. */
  readonly good: number | null;
  /** How many events the figures come from; null when Prometheus counted them. */
  readonly events: number | null;
  /** 1 is untouched, 0 is spent, below 0 is overspent. */
  readonly budgetLeft: number | null;
  /** 1 spends the budget in exactly its window. */
  readonly burnRate: number | null;
  /** For levels and invariants: what is measured now. */
  readonly now: { readonly value: number; readonly atMost: number; readonly unit: string } | null;
  readonly state: 'kept' | 'at-risk' | 'broken' | 'no-data';
  /** What the figures cover. */
  readonly over: string;
  readonly runbook: string;
}

/** Burning faster than this spends the budget of the month within two days: page-worthy in lib/slo's rules. */
const FAST_BURN = 14.4;
/** Fewer events prove nothing: one slow request of nine is no broken promise yet. */
const ENOUGH_EVENTS = 100;
/** The burn rate is judged over this time. */
const BURN_WINDOW_MS = 300_000;

interface Counts {
  readonly total: number;
  readonly bad: number;
}

function countsOf({ indicator }: Objective, samples: Samples): Counts | undefined {
  if (indicator.kind === 'latency') {
    const { histogram, selector, thresholdSeconds } = indicator;
    const total = sumOf(samples, `${histogram}_count`, selector);
    if (total === undefined) return undefined;
    return { total, bad: total - (bucketsOf(samples, histogram, selector).get(thresholdSeconds) ?? total) };
  }
  if (indicator.kind === 'ratio') {
    const total = sumOf(samples, indicator.total.metric, indicator.total.selector);
    if (total === undefined) return undefined;
    return { total, bad: sumOf(samples, indicator.bad.metric, indicator.bad.selector) ?? 0 };
  }
  return undefined;
}

/** Levels are stated in PromQL; those that matter every day are computed here too, so that nothing else is needed. */
const LEVELS: Readonly<Record<string, (samples: Samples) => number | undefined>> = {
  'monitoring-visible': (samples) =>
    MEASURED_SERVICES.filter(
      (service) => sumOf(samples, 'process_start_time_seconds', `service="${service}"`) === undefined,
    ).length,
  'indexer-lag': (samples) => {
    const head = maxOf(samples, 'rpc_served_head_block', 'service="gateway"');
    const indexed = maxOf(samples, 'gateway_indexer_block', 'service="gateway-indexer"');
    return head === undefined || indexed === undefined ? undefined : head - indexed;
  },
  'transaction-age': (samples) =>
    maxOf(samples, 'gateway_transaction_oldest_waiting_seconds', 'service="gateway-worker"'),
};

const identity = (objective: Objective) => ({
  id: objective.id,
  title: objective.title,
  description: objective.description,
  promise: objective.promise ?? null,
  service: objective.service,
  target: objective.target ?? null,
  runbook: objective.runbook,
});

const stateOf = (budgetLeft: number | null, burnRate: number | null): SloView['state'] => {
  if (budgetLeft === null) return 'no-data';
  if (budgetLeft <= 0) return 'broken';
  return (burnRate ?? 0) >= FAST_BURN || budgetLeft < 0.25 ? 'at-risk' : 'kept';
};

function fromCounts(objective: Objective, now: Counts | undefined, before: Counts | undefined): SloView {
  const budget = 1 - (objective.target ?? 0);
  const share = now === undefined || now.total === 0 ? null : now.bad / now.total;
  const total = increase(before?.total ?? 0, now?.total) ?? 0;
  const bad = increase(before?.bad ?? 0, now?.bad) ?? 0;
  const burnRate = total > 0 ? bad / total / budget : null;
  const budgetLeft = share === null ? null : 1 - share / budget;
  const state = stateOf(budgetLeft, burnRate);
  return {
    ...identity(objective),
    good: share === null ? null : 1 - share,
    events: now?.total ?? null,
    budgetLeft,
    burnRate,
    now: null,
    state: state === 'broken' && (now?.total ?? 0) < ENOUGH_EVENTS ? 'at-risk' : state,
    over: 'since the processes started',
  };
}

function fromGauge(objective: Objective, samples: Samples): SloView {
  const { indicator } = objective;
  const invariant = indicator.kind === 'invariant';
  const value = invariant
    ? maxOf(samples, indicator.gauge.metric, indicator.gauge.selector)
    : LEVELS[objective.id]?.(samples);
  const atMost = indicator.kind === 'level' ? indicator.atMost : 0;
  return {
    ...identity(objective),
    good: null,
    events: null,
    budgetLeft: null,
    burnRate: null,
    now:
      value === undefined
        ? null
        : { value, atMost, unit: indicator.kind === 'level' ? indicator.unit : 'found' },
    state: value === undefined ? 'no-data' : value <= atMost ? 'kept' : invariant ? 'broken' : 'at-risk',
    over: 'now',
  };
}

export interface SloBoard {
  add(round: Round): void;
  view(): SloView[];
}

/** Where every promise stands, from the processes' own counters. */
export function createSloBoard(): SloBoard {
  const history: { at: number; counts: ReadonlyMap<string, Counts> }[] = [];
  let view: SloView[] = [];
  return {
    add(round) {
      const samples = allSamples(round);
      const counts = new Map(
        OBJECTIVES.flatMap((objective) => {
          const found = countsOf(objective, samples);
          return found === undefined ? [] : [[objective.id, found] as const];
        }),
      );
      history.push({ at: round.at, counts });
      while ((history[0]?.at ?? round.at) < round.at - BURN_WINDOW_MS) history.shift();
      const [first] = history;
      view = OBJECTIVES.map((objective) =>
        objective.indicator.kind === 'latency' || objective.indicator.kind === 'ratio'
          ? fromCounts(objective, counts.get(objective.id), first?.counts.get(objective.id))
          : fromGauge(objective, samples),
      );
    },
    view: () => view,
  };
}

/** The same over the whole window, from the rules that Prometheus records; what it does not know stays as it was. */
export async function withPrometheus(board: readonly SloView[], prometheus: Prometheus): Promise<SloView[]> {
  const [left, burn, errors] = await Promise.all([
    prometheus.byLabel('slo:period_error_budget_remaining:ratio', 'sloth_slo'),
    prometheus.byLabel('slo:current_burn_rate:ratio', 'sloth_slo'),
    prometheus.byLabel(`slo:sli_error:ratio_rate${SLO_WINDOW_DAYS}d`, 'sloth_slo'),
  ]);
  return board.map((view) => {
    const budgetLeft = left.get(view.id);
    if (budgetLeft === undefined) return view;
    const burnRate = burn.get(view.id) ?? null;
    const error = errors.get(view.id);
    return {
      ...view,
      budgetLeft,
      burnRate,
      events: null,
      good: error === undefined ? view.good : 1 - error,
      state: stateOf(budgetLeft, burnRate),
      over: `${SLO_WINDOW_DAYS} days, by Prometheus`,
    };
  });
}
