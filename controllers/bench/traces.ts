import type { Conditions, Trace } from './world.ts';

const calm: Conditions = {
  arrivals: 10,
  serviceSeconds: 0.8,
  providerDown: false,
  providerLimit: undefined,
  poison: 0,
};
const between = (second: number, from: number, to: number): boolean => second >= from && second < to;

/** The traces of the benchmark. Nobody is tuned to any of them: every autoscaler runs all with one setting. */
export const TRACES: readonly Trace[] = [
  {
    name: 'steady',
    what: '10 jobs/s for an hour',
    seconds: 3600,
    at: () => calm,
  },
  {
    name: 'ramp',
    what: 'from 5 to 80 jobs/s in half an hour, and back',
    seconds: 3600,
    at: (s) => ({ ...calm, arrivals: s < 1800 ? 5 + (75 * s) / 1800 : 80 - (75 * (s - 1800)) / 1800 }),
  },
  {
    name: 'spike',
    what: '10 jobs/s, for five minutes 100 jobs/s',
    seconds: 2400,
    at: (s) => ({ ...calm, arrivals: between(s, 600, 900) ? 100 : 10 }),
  },
  {
    name: 'diurnal',
    what: 'six hours shaped like a day, 5 to 75 jobs/s',
    seconds: 21_600,
    at: (s) => ({ ...calm, arrivals: 40 - 35 * Math.cos((2 * Math.PI * s) / 21_600) }),
  },
  {
    name: 'provider outage',
    what: '20 jobs/s; the provider is dead for ten minutes',
    seconds: 3600,
    at: (s) => ({ ...calm, arrivals: 20, providerDown: between(s, 900, 1500) }),
  },
  {
    name: '429 storm',
    what: '30 jobs/s; the provider takes only 25 calls/s for twenty minutes',
    seconds: 3600,
    at: (s) => ({ ...calm, arrivals: 30, providerLimit: between(s, 600, 1800) ? 25 : 200 }),
  },
  {
    name: 'poison jobs',
    what: '10 jobs/s; for ten minutes one in ten fails every time',
    seconds: 2400,
    at: (s) => ({ ...calm, poison: between(s, 600, 1200) ? 0.1 : 0 }),
  },
  {
    name: 'slow provider',
    what: '15 jobs/s; answers take five times as long for ten minutes',
    seconds: 2700,
    at: (s) => ({ ...calm, arrivals: 15, serviceSeconds: between(s, 600, 1200) ? 4 : 0.8 }),
  },
];
