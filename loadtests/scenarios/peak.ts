import { sleep } from 'k6';
import { concurrencySteps, concurrencyThresholds } from '../lib/concurrency-steps.ts';
import { visit } from '../lib/mix.ts';
import { callInStep } from '../lib/rpc.ts';
import { duration, optionsOf, PEAK_PER_MINUTE, RATE, seconds } from '../lib/settings.ts';
import { summaryTo } from '../lib/summary.ts';
import { transactAndHear } from '../lib/transfer.ts';

const length = duration('10m');
/** The calls at once come afterwards, so that they do not compete with the peak for the same two cores. */
const step = Math.max(3, Math.round(seconds(length) / 40));
const PAUSE_S = Math.min(15, Math.ceil(seconds(length) / 4));

const base = optionsOf(['api', 'user', 'rpc', 'transactions', 'notifications'], {
  // The promised peak: 1,000 requests a minute, whatever the answers take (open model), for ten minutes.
  peak: {
    executor: 'constant-arrival-rate',
    rate: RATE || PEAK_PER_MINUTE,
    timeUnit: '1m',
    duration: length,
    preAllocatedVUs: 20,
    maxVUs: 100,
  },
  // Under it people are paid, and told.
  transfers: {
    executor: 'constant-arrival-rate',
    rate: 20,
    timeUnit: '1m',
    duration: length,
    preAllocatedVUs: 10,
    maxVUs: 30,
    gracefulStop: '30s',
    exec: 'transfers',
  },
  ...concurrencySteps(step, seconds(length) + PAUSE_S),
}) as { thresholds: object };

/** All promises in one run: the peak with transfers under it, then 1 to 256 JSON-RPC calls at once. */
export const options = { ...base, thresholds: { ...base.thresholds, ...concurrencyThresholds() } };

export const transfers = (): void => {
  if (RATE !== 0) transactAndHear();
};
export const concurrent = (): void => {
  if (RATE !== 0) callInStep();
  else sleep(1);
};
export default visit;
export const handleSummary = summaryTo;
