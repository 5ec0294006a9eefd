import { eventCounts } from '../../dashboards/rules/error-ratio.ts';
import type { Objective } from '../../lib/slo/objective.ts';
import { OBJECTIVES } from '../../lib/slo/objectives.ts';
import type { Comparison, TrackCount } from './canary-judge.ts';

/** Parts that can be tried on a share of the work, and the label `service` of their metrics. */
export const CANARY_PARTS = {
  gateway: 'gateway',
  api: 'api',
  user: 'user',
  transactions: 'gateway-worker',
} as const;
export type CanaryPart = keyof typeof CANARY_PARTS;

/** The objectives by which a part is judged: those that count its events. */
export const objectivesOf = (part: CanaryPart): readonly Objective[] =>
  OBJECTIVES.filter(({ indicator }) => {
    const selector =
      indicator.kind === 'latency'
        ? indicator.selector
        : indicator.kind === 'ratio'
          ? indicator.total.selector
          : undefined;
    return selector?.includes(`service="${CANARY_PARTS[part]}"`) ?? false;
  });

/** Prometheus does not answer, or not what was asked. */
export class PrometheusError extends Error {
  override readonly name = 'PrometheusError';
}

export interface MeasureOptions {
  /** `http://prometheus.monitoring:9090` */
  readonly url: string;
  /** Label that tells the tracks apart: of the pods, as the PodMonitor of the chart hands it on. */
  readonly trackLabel: string;
  /** Further matchers, such as `namespace="rejuve"`. */
  readonly selector: string;
  readonly token?: string | undefined;
  readonly timeoutMs?: number;
}

/**
 * What both tracks of a part did in the last `seconds`, by its objectives.
 * @throws PrometheusError
 */
export async function compareTracks(
  part: CanaryPart,
  seconds: number,
  options: MeasureOptions,
): Promise<Comparison[]> {
  const window = `${Math.max(1, Math.round(seconds))}s`;
  return Promise.all(
    objectivesOf(part).map(async (objective) => {
      const count = async (track: string): Promise<TrackCount> => {
        const { bad, total } = eventCounts(narrowed(objective, track, options), window);
        // rate × seconds: events of the window, counted from both ends as Prometheus extrapolates them.
        const [badRate, totalRate] = await Promise.all([ask(bad, options), ask(total, options)]);
        return { bad: Math.max(0, badRate * seconds), total: totalRate * seconds };
      };
      const [stable, canary] = await Promise.all([count('stable'), count('canary')]);
      return { objective, stable, canary };
    }),
  );
}

/** The same objective for one track only. */
function narrowed(objective: Objective, track: string, { trackLabel, selector }: MeasureOptions): Objective {
  const narrow = (text: string): string =>
    [text, `${trackLabel}="${track}"`, selector].filter((part) => part !== '').join(',');
  const { indicator } = objective;
  if (indicator.kind === 'latency')
    return { ...objective, indicator: { ...indicator, selector: narrow(indicator.selector) } };
  if (indicator.kind === 'ratio') {
    const { total, bad } = indicator;
    return {
      ...objective,
      indicator: {
        ...indicator,
        total: { ...total, selector: narrow(total.selector) },
        bad: { ...bad, selector: narrow(bad.selector) },
      },
    };
  }
  return objective;
}

/** One number; no series at all is zero events. */
async function ask(query: string, { url, token, timeoutMs = 10_000 }: MeasureOptions): Promise<number> {
  let response: Response;
  try {
    response = await fetch(`${url}/api/v1/query`, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body: new URLSearchParams({ query }),
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch (cause) {
    throw new PrometheusError(`Prometheus at ${url} does not answer: ${(cause as Error).message}`, { cause });
  }
  const text = await response.text();
  let answer: { status?: string; error?: string; data?: { result?: { value?: [number, string] }[] } };
  try {
    answer = JSON.parse(text) as typeof answer;
  } catch {
    throw new PrometheusError(`${url} answers ${response.status} and no JSON: is it a Prometheus?`);
  }
  if (answer.status !== 'success')
    throw new PrometheusError(`Prometheus refuses ${query}: ${answer.error ?? response.status}`);
  const value = Number(answer.data?.result?.[0]?.value?.[1] ?? 0);
  return Number.isFinite(value) ? value : 0;
}
