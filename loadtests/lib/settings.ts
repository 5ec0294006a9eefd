import { type Part, thresholdsOf } from './thresholds.ts';

/** The promised peak, requests a minute; `RATE=0` sends nothing, to prove that an empty run fails. */
export const PEAK_PER_MINUTE = 1_000;
export const RATE = Number(__ENV.RATE ?? PEAK_PER_MINUTE);

/** `90s`, `10m`, `1h` → seconds. */
export function seconds(duration: string): number {
  const [, number, unit] = /^(\d+)(s|m|h)$/.exec(duration) ?? [];
  if (number === undefined) throw new Error(`DURATION=${duration}: write 30s, 10m or 1h`);
  return Number(number) * { s: 1, m: 60, h: 3600 }[unit as 's' | 'm' | 'h'];
}

/** How long the scenario lasts: `DURATION`, or what the scenario is made for. */
export const duration = (usual: string): string => __ENV.DURATION ?? usual;

/** k6's options: what runs, and what it is judged by. */
export function optionsOf(parts: readonly Part[], scenarios: Record<string, object>): object {
  return {
    scenarios,
    thresholds: thresholdsOf(parts),
    summaryTrendStats: ['avg', 'med', 'p(95)', 'p(99)', 'max', 'count'],
    // Every series is a cost in Prometheus: names instead of URLs, and nothing that only k6 itself needs.
    systemTags: ['scenario', 'name', 'status', 'expected_response', 'error_code'],
  };
}
