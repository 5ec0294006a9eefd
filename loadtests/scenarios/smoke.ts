import { visit } from '../lib/mix.ts';
import { duration, optionsOf } from '../lib/settings.ts';
import { summaryTo } from '../lib/summary.ts';

/** One person a second for half a minute: does everything answer at all? */
export const options = optionsOf(['api', 'user'], {
  smoke: {
    executor: 'constant-arrival-rate',
    rate: 1,
    timeUnit: '1s',
    duration: duration('30s'),
    preAllocatedVUs: 5,
    maxVUs: 20,
  },
});

export default visit;
export const handleSummary = summaryTo;
