import type { Metrics } from '../../../lib/metrics.ts';
import type { FaroPayload } from './faro-payload.ts';

/** Bounds in seconds: those that web.dev calls good and poor for each vital are among them. */
const VITAL_BUCKETS = [0.05, 0.1, 0.2, 0.5, 0.8, 1, 1.8, 2.5, 3, 4, 6, 10, 20] as const;
/** Layout shift has no unit; 0.1 is good, 0.25 is poor. */
const SHIFT_BUCKETS = [0.01, 0.05, 0.1, 0.15, 0.25, 0.5, 1] as const;

/** The vitals that are times, in the SDK's milliseconds. */
const TIMES = ['ttfb', 'fcp', 'lcp', 'inp', 'fid'] as const;
const MAX_VITAL_MS = 600_000;

/** Views of our own page; whatever else a client names shares one label, so that nobody can fill our memory. */
export const VIEWS = [
  'sign-in',
  'overview',
  'providers',
  'transactions',
  'notifications',
  'workers',
  'cost',
  'flags',
  'explain',
  'audit',
] as const;
const ERRORS = [
  'Error',
  'TypeError',
  'ReferenceError',
  'RangeError',
  'SyntaxError',
  'NetworkError',
  'UnhandledRejection',
] as const;

const oneOf = (known: readonly string[], value: string | undefined): string =>
  value !== undefined && known.includes(value) ? value : 'other';

export interface WebMetrics {
  /** Counts what one body tells. */
  observe(payload: FaroPayload): void;
}

/** Real users' experience as Prometheus series. Every label is a word of a fixed list. */
export function createWebMetrics(metrics: Metrics): WebMetrics {
  const vitals = metrics.histogram({
    name: 'web_vital_seconds',
    help: 'Web vitals of real visits that are times: TTFB, FCP, LCP, INP, FID.',
    labels: ['vital', 'view'],
    buckets: VITAL_BUCKETS,
  });
  const shift = metrics.histogram({
    name: 'web_layout_shift_score',
    help: 'Cumulative layout shift of real visits.',
    labels: ['view'],
    buckets: SHIFT_BUCKETS,
  });
  const errors = metrics.counter({
    name: 'web_errors_total',
    help: 'Errors in browsers, by the kind of error and the view where they happened.',
    labels: ['kind', 'view'],
  });
  return {
    observe({ meta, exceptions = [], measurements = [] }) {
      const view = oneOf(VIEWS, meta.view?.name);
      for (const { type } of exceptions) errors.inc({ kind: oneOf(ERRORS, type), view });
      for (const { type, values } of measurements) {
        if (type !== 'web-vitals') continue;
        for (const vital of TIMES) {
          const ms = values[vital];
          if (ms !== undefined && ms >= 0 && ms <= MAX_VITAL_MS) vitals.observe({ vital, view }, ms / 1_000);
        }
        if (values.cls !== undefined && values.cls >= 0 && values.cls <= 100)
          shift.observe({ view }, values.cls);
      }
    },
  };
}
