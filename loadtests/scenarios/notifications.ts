import { duration, optionsOf } from '../lib/settings.ts';
import { summaryTo } from '../lib/summary.ts';
import { transactAndHear } from '../lib/transfer.ts';

/** Promise 4, end to end: a transfer to somebody whose app is open, until the app has it on its stream (SSE). */
export const options = optionsOf(['api', 'transactions', 'notifications'], {
  notifications: {
    executor: 'constant-arrival-rate',
    rate: 30,
    timeUnit: '1m',
    duration: duration('2m'),
    preAllocatedVUs: 10,
    maxVUs: 50,
    gracefulStop: '90s',
  },
});

export default transactAndHear;
export const handleSummary = summaryTo;
