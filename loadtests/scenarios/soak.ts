import { visit } from '../lib/mix.ts';
import { duration, optionsOf } from '../lib/settings.ts';
import { summaryTo } from '../lib/summary.ts';

/** The peak for an hour: what leaks, what grows? */
export const options = optionsOf(['api', 'user'], {
  soak: {
    executor: 'constant-arrival-rate',
    rate: 1_000,
    timeUnit: '1m',
    duration: duration('1h'),
    preAllocatedVUs: 20,
    maxVUs: 100,
  },
});

export default visit;
export const handleSummary = summaryTo;
