import type { Objective } from '../../lib/slo/objective.ts';

const matchers = (...parts: string[]): string => `{${parts.filter((part) => part !== '').join(',')}}`;

/** PromQL of the number of bad and of all events of an objective during `window` (`5m`, `1h` …). */
export function eventCounts(objective: Objective, window: string): { bad: string; total: string } {
  const { indicator } = objective;
  switch (indicator.kind) {
    case 'latency': {
      const { histogram, selector, thresholdSeconds } = indicator;
      const total = `sum(rate(${histogram}_count${matchers(selector)}[${window}]))`;
      // Prometheus writes bucket bounds as floats without trailing zeros: 0.5, 3, 1e-05.
      const good = `sum(rate(${histogram}_bucket${matchers(selector, `le="${thresholdSeconds}"`)}[${window}]))`;
      return { total, bad: `(${total} - ${good})` };
    }
    case 'ratio':
      return {
        total: `sum(rate(${indicator.total.metric}${matchers(indicator.total.selector)}[${window}]))`,
        bad: `sum(rate(${indicator.bad.metric}${matchers(indicator.bad.selector)}[${window}]))`,
      };
    case 'level':
    case 'invariant':
      throw new Error(`${objective.id} counts no events`);
  }
}

/**
 * Share of bad events, 0 to 1. Without traffic the ratio would be 0/0 = NaN, which no comparison ever meets and which
 * poisons every average after it: `> 0` drops the empty denominator, and the ratio is zero then. That a metric is
 * missing altogether is the business of the absence alerts.
 */
export function errorRatio(objective: Objective, window: string): string {
  if (objective.indicator.kind === 'level') return timeRatio(objective, window);
  const { bad, total } = eventCounts(objective, window);
  return `(${bad} / (${total} > 0)) or vector(0)`;
}

/** How often a level is looked at within the shortest window; the usual interval of scrapes. */
const LEVEL_STEP = '30s';
const SHORTEST_WINDOW = '5m';

/** Share of the time in which a level is above its bound; long windows average the shortest one, which is recorded. */
function timeRatio(objective: Objective, window: string): string {
  const { indicator } = objective;
  if (indicator.kind !== 'level') throw new Error(`${objective.id} is no level`);
  return window === SHORTEST_WINDOW
    ? `avg_over_time(((${indicator.expression}) > bool ${indicator.atMost})[${SHORTEST_WINDOW}:${LEVEL_STEP}]) or vector(0)`
    : `avg_over_time(slo:sli_error:ratio_rate${SHORTEST_WINDOW}{sloth_slo="${objective.id}"}[${window}])`;
}
