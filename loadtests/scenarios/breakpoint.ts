import { visit } from '../lib/mix.ts';
import { duration, optionsOf } from '../lib/settings.ts';
import { summaryTo } from '../lib/summary.ts';

/** More every second until an objective breaks: the highest rate that held is the figure. */
export const options = optionsOf(['api', 'user'], {
  breakpoint: {
    executor: 'ramping-arrival-rate',
    startRate: 1_000,
    timeUnit: '1m',
    preAllocatedVUs: 50,
    maxVUs: 100,
    stages: [{ target: 60_000, duration: duration('5m') }],
  },
});

export default visit;
export const handleSummary = summaryTo;
