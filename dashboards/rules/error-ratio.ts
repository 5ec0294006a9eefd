import type { Objective } from '../../lib/slo/objectives.ts';

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
    case 'invariant':
      throw new Error(`${objective.id} is an invariant; it has no error ratio`);
  }
}

/**
 * Share of bad events, 0 to 1. Without traffic the ratio would be 0/0 = NaN, which no comparison ever meets and which
 * poisons every average after it: `> 0` drops the empty denominator, and the ratio is zero then. That a metric is
 * missing altogether is the business of the absence alerts.
 */
export function errorRatio(objective: Objective, window: string): string {
  const { bad, total } = eventCounts(objective, window);
  return `(${bad} / (${total} > 0)) or vector(0)`;
}
