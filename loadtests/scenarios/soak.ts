import { visit } from '../lib/mix.ts';
import { summaryTo } from '../lib/summary.ts';
import { thresholdsOf } from '../lib/thresholds.ts';

/** The peak for an hour: what leaks, what grows? */
export const options = {
  scenarios: {
    soak: {
      executor: 'constant-arrival-rate',
      rate: 1_000,
      timeUnit: '1m',
      duration: __ENV.DURATION ?? '1h',
      preAllocatedVUs: 20,
      maxVUs: 100,
    },
  },
  thresholds: thresholdsOf(['api', 'user']),
  summaryTrendStats: ['avg', 'med', 'p(95)', 'p(99)', 'max'],
};

export default visit;
export const handleSummary = summaryTo;
