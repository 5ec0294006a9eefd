import type { QueueReading } from './observation.ts';
import type { Memory, PoolSpec } from './types.ts';

/** Reacts to a real change within seconds; noisy when jobs are few. */
const FAST_SECONDS = 10;
/** Remembers the minute; keeps the base from falling in a short lull. */
const SLOW_SECONDS = 60;
/** A job's length changes with the providers' latency, not from job to job. */
const SERVICE_SECONDS = 30;
/** Below this many seconds between two readings a rate would be mostly rounding. */
const SHORTEST_INTERVAL_SECONDS = 0.05;
/** The clock hour, the period of the money budget. */
const HOUR_MS = 3_600_000;

/** What the formula needs to know about the traffic. */
export interface Estimates {
  /** λ, jobs per second: the larger of the fast and the slow average. */
  readonly arrivalsPerSecond: number;
  readonly fast: number;
  readonly slow: number;
  /** S, seconds one job occupies a slot. */
  readonly serviceSeconds: number;
  readonly serviceSource: 'measured' | 'assumed';
  /** Jobs finished in this clock hour. */
  readonly jobsThisHour: number;
}

/** Weight of a new value after `dt` seconds for an exponential average with time constant `tau`. */
const weight = (dt: number, tau: number): number => 1 - Math.exp(-dt / tau);
/** The same, but a plain mean while the average is younger than its time constant: no memory of the zero it began with. */
const meanWeight = (dt: number, age: number, tau: number): number =>
  Math.max(weight(dt, tau), dt / Math.max(dt, age));
const blend = (old: number, value: number, w: number): number => old + (value - old) * w;

/**
 * Turns counters into rates. Arrivals are the growth of the "ever added" counter; what was added and is neither
 * waiting, active nor delayed is done. The service time comes from finished jobs when the queue keeps them, else
 * from Little's law (busy slots ÷ throughput), else from the spec.
 */
export function estimate(
  spec: PoolSpec,
  memory: Memory,
  reading: QueueReading,
  at: number,
): { estimates: Estimates; memory: Pick<Memory, 'arrivals' | 'serviceSeconds' | 'spend'> } {
  const done = Math.max(0, reading.addedTotal - reading.waiting - reading.active - reading.delayed);
  const before = memory.arrivals;
  let next = before;
  let service = memory.serviceSeconds;
  let finished = 0;

  if (!before || reading.addedTotal < before.added) {
    // First look, or the queue was emptied and counts anew: keep the averages, start the counters again.
    next = {
      at,
      since: before?.since ?? at,
      added: reading.addedTotal,
      done,
      fast: before?.fast ?? 0,
      slow: before?.slow ?? 0,
      throughput: before?.throughput ?? 0,
      busySlots: reading.active,
    };
  } else {
    const dt = (at - before.at) / 1000;
    if (dt >= SHORTEST_INTERVAL_SECONDS) {
      const arrivals = (reading.addedTotal - before.added) / dt;
      finished = Math.max(0, done - before.done);
      const mean = meanWeight(dt, (at - before.since) / 1000, SERVICE_SECONDS);
      next = {
        at,
        since: before.since,
        added: reading.addedTotal,
        done: Math.max(done, before.done),
        fast: blend(before.fast, arrivals, weight(dt, FAST_SECONDS)),
        slow: blend(before.slow, arrivals, weight(dt, SLOW_SECONDS)),
        throughput: blend(before.throughput, finished / dt, mean),
        busySlots: blend(before.busySlots, reading.active, mean),
      };
      if (reading.serviceSeconds === undefined)
        service = littlesLaw(next.busySlots, next.throughput) ?? service;
      else
        service = blend(
          service ?? reading.serviceSeconds,
          reading.serviceSeconds,
          weight(dt, SERVICE_SECONDS),
        );
    }
  }

  const hour = Math.floor(at / HOUR_MS);
  const spend = { hour, jobs: (memory.spend?.hour === hour ? memory.spend.jobs : 0) + finished };
  const fast = next?.fast ?? 0;
  const slow = next?.slow ?? 0;
  return {
    estimates: {
      arrivalsPerSecond: Math.max(fast, slow),
      fast,
      slow,
      serviceSeconds: service ?? spec.worker.assumedServiceMilliseconds / 1000,
      serviceSource: service === undefined ? 'assumed' : 'measured',
      jobsThisHour: spend.jobs,
    },
    memory: {
      ...(next ? { arrivals: next } : {}),
      ...(service === undefined ? {} : { serviceSeconds: service }),
      spend,
    },
  };
}

/** Busy slots this few, or a throughput this small, say more about chance than about the length of a job. */
const ENOUGH_BUSY = 0.5;
const ENOUGH_PER_SECOND = 0.2;

/** L = λ·W, solved for the time in the slot. */
function littlesLaw(busySlots: number, throughput: number): number | undefined {
  return busySlots >= ENOUGH_BUSY && throughput >= ENOUGH_PER_SECOND ? busySlots / throughput : undefined;
}
