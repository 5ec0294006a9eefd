import { duration, optionsOf } from '../lib/settings.ts';
import { summaryTo } from '../lib/summary.ts';
import { transact } from '../lib/transfer.ts';

/** Promise 2: a transaction every second, each followed into its block. */
export const options = optionsOf(['api', 'transactions'], {
  transactions: {
    executor: 'constant-arrival-rate',
    rate: 60,
    timeUnit: '1m',
    duration: duration('2m'),
    preAllocatedVUs: 10,
    maxVUs: 50,
    gracefulStop: '90s',
  },
});

export default transact;
export const handleSummary = summaryTo;
