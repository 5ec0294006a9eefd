import { visit } from '../lib/mix.ts';
import { summaryTo } from '../lib/summary.ts';
import { thresholdsOf } from '../lib/thresholds.ts';

/** The promised peak: 1,000 requests a minute, whatever the answers take (open model), for ten minutes. */
export const options = {
  scenarios: {
    peak: {
      executor: 'constant-arrival-rate',
      rate: 1_000,
      timeUnit: '1m',
      duration: __ENV.DURATION ?? '10m',
      preAllocatedVUs: 20,
      maxVUs: 100,
    },
  },
  thresholds: thresholdsOf(['api', 'user']),
  summaryTrendStats: ['avg', 'med', 'p(95)', 'p(99)', 'max'],
};

export default visit;
export const handleSummary = summaryTo;
