import type { Objective } from '../../lib/slo/objective.ts';

/** Events of one objective on one track, counted over the same time. */
export interface TrackCount {
  readonly total: number;
  readonly bad: number;
}

/** What both tracks did for one objective. */
export interface Comparison {
  readonly objective: Pick<Objective, 'id' | 'title' | 'target'>;
  readonly stable: TrackCount;
  readonly canary: TrackCount;
}

export interface JudgeRules {
  /** Events that the canary must have had, for at least one objective, before it can be called good. */
  readonly enough: number;
}

export interface Judgement {
  readonly verdict: 'good' | 'bad' | 'too-little';
  /** One sentence per objective, with the figures. */
  readonly reasons: readonly string[];
}

/** Quantile of the normal distribution for one-sided 97.5 %: one false alarm in forty looks at equal tracks. */
const Z = 1.96;
/** One or two failures are no pattern, however little there was to fail. */
const FEWEST_BAD = 3;

/**
 * The share of bad events that the canary has at least, with what chance may do taken off (Wilson score interval,
 * E. B. Wilson 1927): the same share counts for more, the more events it comes from.
 */
export function atLeast({ total, bad }: TrackCount): number {
  if (total <= 0) return 0;
  const share = Math.min(1, bad / total);
  const z2 = Z * Z;
  const centre = share + z2 / (2 * total);
  const spread = Z * Math.sqrt((share * (1 - share)) / total + z2 / (4 * total * total));
  return Math.max(0, (centre - spread) / (1 + z2 / total));
}

/**
 * A canary is bad when, beyond chance, it breaks an objective and is worse than the stable pods at the same time: what
 * goes wrong for both is not its fault. It is good when nothing of that is so and it has done enough to tell.
 */
export function judgeCanary(comparisons: readonly Comparison[], rules: JudgeRules): Judgement {
  const reasons: string[] = [];
  let bad = false;
  let most = 0;
  for (const { objective, stable, canary } of comparisons) {
    const budget = 1 - (objective.target ?? 1);
    const least = atLeast(canary);
    const usual = stable.total > 0 ? stable.bad / stable.total : 0;
    // Counts come extrapolated, so three may read 2.9.
    const isBad = Math.round(canary.bad) >= FEWEST_BAD && least > budget && least > usual;
    bad ||= isBad;
    most = Math.max(most, canary.total);
    reasons.push(
      `${objective.id}: canary ${percent(canary)} of ${Math.round(canary.total)}, stable ${percent(stable)} of ` +
        `${Math.round(stable.total)}, allowed ${(budget * 100).toFixed(2)} %${isBad ? ' – worse beyond chance' : ''}`,
    );
  }
  if (bad) return { verdict: 'bad', reasons };
  return { verdict: most >= rules.enough ? 'good' : 'too-little', reasons };
}

const percent = ({ total, bad }: TrackCount): string =>
  total > 0 ? `${((100 * bad) / total).toFixed(2)} % bad` : 'nothing';
