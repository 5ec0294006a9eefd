import { visit } from '../lib/mix.ts';
import { duration, optionsOf } from '../lib/settings.ts';
import { summaryTo } from '../lib/summary.ts';

/** Four times the peak, held: what becomes slow first, and does it recover? A DURATION shortens the middle. */
export const options = optionsOf(['api', 'user'], {
  stress: {
    executor: 'ramping-arrival-rate',
    startRate: 1_000,
    timeUnit: '1m',
    preAllocatedVUs: 50,
    maxVUs: 200,
    stages: [
      { target: 4_000, duration: '30s' },
      { target: 4_000, duration: duration('4m') },
      { target: 1_000, duration: '10s' },
      { target: 1_000, duration: '20s' },
    ],
  },
});

export default visit;
export const handleSummary = summaryTo;
