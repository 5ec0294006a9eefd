import { bucketsOf, quantileBetween, type Samples, sumOf } from './exposition.ts';
import type { Reading, Round } from './sampler.ts';

/** Figures of a process during one interval; null where nothing was measured. */
export interface Point {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly requestsPerSecond: number | null;
  readonly errorsPerSecond: number | null;
  readonly p99Ms: number | null;
  readonly cpu: number | null;
  readonly memoryBytes: number | null;
}

export interface ServiceView {
  readonly name: string;
  readonly state: 'ready' | 'not-ready' | 'away';
  readonly why: string | null;
  readonly parts: { readonly name: string; readonly ok: boolean; readonly detail: string | null }[];
  readonly upSeconds: number | null;
  readonly eventLoopLagMs: number | null;
  readonly points: Point[];
}

const REST = 'route!~"/livez|/readyz|/metrics|/openapi.json|/api/live|unmatched"';
const FAILED = `${REST},status=~"5.."`;
const HTTP = 'http_request_duration_seconds';

/** A counter that went down was started anew. */
export const increase = (before: number | undefined, after: number | undefined): number | undefined =>
  after === undefined
    ? undefined
    : before === undefined
      ? undefined
      : after >= before
        ? after - before
        : after;

/** Three digits are all that a plot shows; the whole history is sent with each reading. */
export const rounded = (value: number): number => Number(value.toPrecision(3));

const perSecond = (before: Samples, after: Samples, seconds: number, metric: string, selector: string) => {
  const now = sumOf(after, metric, selector);
  // A series that is not there yet counts as zero, once its metric is being read at all.
  const grown = increase(sumOf(before, metric, selector) ?? (now === undefined ? undefined : 0), now);
  return grown === undefined ? null : rounded(grown / seconds);
};

/** Requests of a process: JSON-RPC calls of the gateway are counted together with its REST requests. */
function pointOf(before: Reading, after: Reading): Point {
  const seconds = Math.max(0.001, (after.at - before.at) / 1_000);
  const rest = perSecond(before.samples, after.samples, seconds, `${HTTP}_count`, REST);
  const calls = perSecond(before.samples, after.samples, seconds, 'rpc_calls_total', '');
  // A label that never occurred has no series: where there are answers, none of them failed.
  const failedRest = perSecond(before.samples, after.samples, seconds, `${HTTP}_count`, FAILED);
  const failedCalls = perSecond(
    before.samples,
    after.samples,
    seconds,
    'rpc_calls_total',
    'outcome="gateway-error"',
  );
  const add = (a: number | null, b: number | null) => (a === null && b === null ? null : (a ?? 0) + (b ?? 0));
  const calling = calls !== null && calls > 0;
  const histogram = calling ? 'rpc_call_duration_seconds' : HTTP;
  const selector = calling ? '' : REST;
  const p99 = quantileBetween(
    bucketsOf(before.samples, histogram, selector),
    bucketsOf(after.samples, histogram, selector),
    0.99,
  );
  return {
    at: after.at,
    requestsPerSecond: add(rest, calls),
    errorsPerSecond: add(
      failedRest ?? (rest === null ? null : 0),
      failedCalls ?? (calls === null ? null : 0),
    ),
    p99Ms: p99 === undefined ? null : rounded(p99 * 1_000),
    cpu: perSecond(before.samples, after.samples, seconds, 'process_cpu_seconds_total', ''),
    memoryBytes: sumOf(after.samples, 'process_resident_memory_bytes') ?? null,
  };
}

/** Ten minutes at the default interval; older history is Prometheus' business. */
export const KEPT_POINTS = 120;

export interface ServiceBoard {
  add(round: Round): void;
  view(): ServiceView[];
}

/** Health, figures and history of every process. Keeps figures, never what they were made of. */
export function createServiceBoard(): ServiceBoard {
  const history = new Map<string, Point[]>();
  let last: Round | undefined;
  return {
    add(round) {
      for (const after of round.readings) {
        const { name } = after.target;
        const before = last?.readings.find(({ target }) => target.name === name);
        if (before === undefined || before.error !== undefined || after.error !== undefined) continue;
        const points = history.get(name) ?? [];
        points.push(pointOf(before, after));
        if (points.length > KEPT_POINTS) points.shift();
        history.set(name, points);
      }
      last = round;
    },
    view: () =>
      (last?.readings ?? []).map((reading) => {
        const started = sumOf(reading.samples, 'process_start_time_seconds');
        const lag = sumOf(reading.samples, 'nodejs_eventloop_lag_p99_seconds');
        const broken = reading.parts.filter(({ ok }) => !ok).map(({ name }) => name);
        return {
          name: reading.target.name,
          state: reading.error !== undefined ? 'away' : reading.ready ? 'ready' : 'not-ready',
          why:
            reading.error ??
            (reading.ready ? null : `not ready: ${broken.join(', ') || 'it does not say why'}`),
          parts: reading.parts.map(({ name, ok, detail }) => ({ name, ok, detail: detail ?? null })),
          upSeconds: started === undefined ? null : Math.max(0, reading.at / 1_000 - started),
          eventLoopLagMs: lag === undefined ? null : lag * 1_000,
          points: history.get(reading.target.name) ?? [],
        };
      }),
  };
}
