import { concurrencySteps, concurrencyThresholds, STEPS } from '../lib/concurrency-steps.ts';
import { callInStep } from '../lib/rpc.ts';
import { duration, optionsOf, seconds } from '../lib/settings.ts';
import { summaryTo } from '../lib/summary.ts';

const step = Math.max(2, Math.round(seconds(duration('75s')) / STEPS.length));
const base = optionsOf(['rpc'], concurrencySteps(step)) as { thresholds: object };

/** Promise 1: one call at a time, then 4, 16, 64, 256 at once. Everybody gets what one alone gets, and in time. */
export const options = { ...base, thresholds: { ...base.thresholds, ...concurrencyThresholds() } };

export const concurrent = callInStep;
export default concurrent;
export const handleSummary = summaryTo;
