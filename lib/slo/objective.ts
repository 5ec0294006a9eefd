/** What an objective is. The objectives themselves stand in objectives.ts. */

/** A counter (or the `_count` of a histogram) and the label matchers that narrow it, in PromQL. */
export interface Series {
  readonly metric: string;
  readonly selector: string;
}

/** Series and their constant values: `{ 'a_metric{label="x"}': 3 }`. */
export type ExampleSeries = Readonly<Record<string, number>>;

/** How good events are told from bad ones. */
export type Indicator =
  | {
      /** Good = observed at or below the threshold, which must be a bucket bound of the histogram (seconds). */
      readonly kind: 'latency';
      readonly histogram: string;
      readonly selector: string;
      readonly thresholdSeconds: number;
    }
  | {
      /** Good = total − bad. */
      readonly kind: 'ratio';
      readonly total: Series;
      readonly bad: Series;
    }
  | {
      /**
       * A quantity that should stay at or below a bound; counted in time, so the share of bad moments is what burns.
       * For what has no events of its own: a lag, an age, a number of processes that are away.
       */
      readonly kind: 'level';
      /** PromQL of one number. No value at all counts as good: absence has alerts of its own. */
      readonly expression: string;
      readonly atMost: number;
      readonly unit: string;
      /** One example of series that make the expression bad, and one that makes it good, for the tests of the alert. */
      readonly examples: { readonly bad: ExampleSeries; readonly good: ExampleSeries };
    }
  | {
      /** A gauge that counts what must never happen: above zero for longer than the grace is a page. */
      readonly kind: 'invariant';
      readonly gauge: Series;
      readonly graceSeconds: number;
    };

export type SloService = 'gateway' | 'api' | 'user' | 'controller' | 'console' | 'platform';

export type PromiseNumber = 1 | 2 | 3 | 4 | 5 | 6 | 7;

export interface Objective {
  /** kebab-case and stable: names rules, alerts, dashboards and thresholds. */
  readonly id: string;
  /** The acceptance criterion that it stands for; absent for objectives of our own. */
  readonly promise?: PromiseNumber;
  readonly service: SloService;
  readonly title: string;
  /** What a person would say is kept or broken. */
  readonly description: string;
  /** Share of good events, 0 to 1, exclusive. Invariants have none: their budget is zero. */
  readonly target?: number;
  readonly indicator: Indicator;
  /** The dashboard that explains it (uid), where the alert's link leads. */
  readonly dashboard: string;
  /** File name in docs/runbooks, without its ending. */
  readonly runbook: string;
}
