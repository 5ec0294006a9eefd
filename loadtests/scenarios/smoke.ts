import { visit } from '../lib/mix.ts';
import { summaryTo } from '../lib/summary.ts';
import { thresholdsOf } from '../lib/thresholds.ts';

/** One person a second for half a minute: does everything answer at all? */
export const options = {
  scenarios: {
    smoke: {
      executor: 'constant-arrival-rate',
      rate: 1,
      timeUnit: '1s',
      duration: __ENV.DURATION ?? '30s',
      preAllocatedVUs: 5,
      maxVUs: 20,
    },
  },
  thresholds: thresholdsOf(['api', 'user']),
  summaryTrendStats: ['avg', 'med', 'p(95)', 'p(99)', 'max'],
};

export default visit;
export const handleSummary = summaryTo;
