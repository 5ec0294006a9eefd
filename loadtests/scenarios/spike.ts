import { visit } from '../lib/mix.ts';
import { optionsOf } from '../lib/settings.ts';
import { summaryTo } from '../lib/summary.ts';

/** From nothing to ten times the peak within ten seconds, and back: what is refused, and how soon is it over? */
export const options = optionsOf(['api', 'user'], {
  spike: {
    executor: 'ramping-arrival-rate',
    startRate: 60,
    timeUnit: '1m',
    preAllocatedVUs: 50,
    maxVUs: 100,
    stages: [
      { target: 60, duration: '20s' },
      { target: 10_000, duration: '10s' },
      { target: 10_000, duration: '40s' },
      { target: 60, duration: '10s' },
      { target: 60, duration: '40s' },
    ],
  },
});

export default visit;
export const handleSummary = summaryTo;
