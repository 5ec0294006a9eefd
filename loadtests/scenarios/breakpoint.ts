import { visit } from '../lib/mix.ts';
import { summaryTo } from '../lib/summary.ts';
import { thresholdsOf } from '../lib/thresholds.ts';

/** More every second until an objective breaks: the highest rate that held is the figure. */
export const options = {
  scenarios: {
    breakpoint: {
      executor: 'ramping-arrival-rate',
      startRate: 1_000,
      timeUnit: '1m',
      preAllocatedVUs: 50,
      maxVUs: 100,
      stages: [{ target: 60_000, duration: __ENV.DURATION ?? '5m' }],
    },
  },
  thresholds: thresholdsOf(['api', 'user']),
  summaryTrendStats: ['avg', 'med', 'p(95)', 'p(99)', 'max'],
};

export default visit;
export const handleSummary = summaryTo;
