import { type Decision, decide, emptyMemory } from '../rpc-worker-pool/decide.ts';
import { advance, restore } from '../rpc-worker-pool/forecast.ts';
import type { PoolSpec } from '../rpc-worker-pool/types.ts';
import type { Sample } from './recording.ts';

/** What would have been at one moment. */
export interface Point {
  readonly at: number;
  readonly replicas: number;
  readonly ready: number;
  readonly backlog: number;
  readonly ageSeconds: number;
  readonly arrivals: number;
  readonly decision: Decision;
}

export interface Outcome {
  readonly points: readonly Point[];
  readonly seconds: number;
  /** Seconds in which the oldest job was older than the objective. */
  readonly lateSeconds: number;
  readonly worstAgeSeconds: number;
  readonly podSeconds: number;
  readonly peakReplicas: number;
  readonly changes: number;
  readonly computeUnits: number;
}

/** As long as the controller's own look at the queue would be too slow to plot and changes nothing visible. */
const STEP_SECONDS = 1;

/**
 * Runs the controller's own decide() over a recording. The queue is a fluid: jobs arrive at the recorded rate and
 * leave as fast as the ready pods can work, and the age of the oldest job follows from first in, first out. Good for
 * comparing settings; single jobs and their luck are not in it.
 */
export function replay(spec: PoolSpec, samples: readonly Sample[]): Outcome {
  const { concurrency, startupSeconds, callsPerJob, computeUnitsPerJob } = spec.worker;
  const start = samples[0]?.at ?? 0;
  const end = samples.at(-1)?.at ?? start;
  let memory = emptyMemory();
  const forecaster = restore(spec);
  let wanted = spec.minReplicas;
  let pods: number[] = Array.from({ length: wanted }, () => start);
  let service =
    samples.find((sample) => sample.serviceSeconds !== undefined)?.serviceSeconds ??
    spec.worker.assumedServiceMilliseconds / 1000;
  let [backlog, added, doneTotal] = [0, 0, 0];
  /** Cumulative arrivals by time, to find when the job at the head came. */
  const arrived: { at: number; added: number }[] = [{ at: start, added: 0 }];
  let head = 0;
  const points: Point[] = [];
  let [lateSeconds, worst, podSeconds, peak, changes, index] = [0, 0, 0, wanted, 0, 0];

  for (let at = start; at <= end; at += STEP_SECONDS * 1000) {
    while (index + 1 < samples.length && (samples[index + 1] as Sample).at <= at) index++;
    const sample = samples[index] as Sample;
    service = sample.serviceSeconds ?? service;
    const ready = pods.filter((from) => from <= at).length;
    const slots = ready * concurrency;
    const rate = sample.providerDown
      ? 0
      : Math.min(slots / service, (sample.providerLimit ?? Number.POSITIVE_INFINITY) / callsPerJob);
    added += sample.arrivals * STEP_SECONDS;
    arrived.push({ at, added });
    const done = Math.min(backlog + sample.arrivals * STEP_SECONDS, rate * STEP_SECONDS);
    doneTotal += done;
    backlog = Math.max(0, backlog + sample.arrivals * STEP_SECONDS - done);
    while (head + 1 < arrived.length && (arrived[head] as { added: number }).added <= doneTotal) head++;
    const age = backlog < 1 ? 0 : Math.max(0, (at - (arrived[head] as { at: number }).at) / 1000);
    const busy = Math.min(slots, done * service);
    const used = done * callsPerJob;
    const queue = {
      readable: true as const,
      at,
      snapshot: { reading: { addedTotal: Math.floor(added) }, workers: [] },
    };
    const forecast =
      spec.prediction.mode === 'Disabled'
        ? undefined
        : advance(forecaster, spec, at, queue.snapshot.reading.addedTotal);
    const { decision, memory: next } = decide(spec, memory, {
      at,
      replicas: { wanted, ready },
      queue: {
        readable: true,
        reading: {
          waiting: Math.floor(backlog),
          active: Math.round(busy),
          delayed: 0,
          oldestAgeSeconds: age,
          addedTotal: Math.floor(added),
          paused: false,
          serviceSeconds: service,
        },
      },
      providers: [
        {
          name: 'recorded',
          healthy: !sample.providerDown,
          reason: sample.providerDown ? 'Unreachable' : 'Serving',
          ...(sample.providerLimit === undefined ? {} : { limitPerSecond: sample.providerLimit }),
          usedPerSecond: used,
          throttledPercent: 0,
        },
      ],
      ...(forecast ? { forecast } : {}),
    });
    memory = next;
    points.push({
      at,
      replicas: wanted,
      ready,
      backlog,
      ageSeconds: age,
      arrivals: sample.arrivals,
      decision,
    });
    if (age > spec.objective.oldestJobAgeSeconds) lateSeconds += STEP_SECONDS;
    worst = Math.max(worst, age);
    podSeconds += pods.length * STEP_SECONDS;
    if (decision.replicas !== wanted && spec.mode === 'Active') {
      changes++;
      const from = at + startupSeconds * 1000;
      pods =
        decision.replicas > wanted
          ? [...pods, ...Array.from({ length: decision.replicas - wanted }, () => from)]
          : pods.toSorted((a, b) => a - b).slice(0, decision.replicas);
      wanted = decision.replicas;
      peak = Math.max(peak, wanted);
    }
  }
  return {
    points,
    seconds: (end - start) / 1000,
    lateSeconds,
    worstAgeSeconds: Math.round(worst),
    podSeconds,
    peakReplicas: peak,
    changes,
    computeUnits: Math.round(doneTotal * computeUnitsPerJob),
  };
}

export interface Suggestion {
  readonly targetUtilizationPercent: number;
  readonly maxReplicas: number;
  readonly outcome: Outcome;
}

/** Utilisations that are tried, from thrifty to generous. */
const UTILISATIONS = [95, 90, 85, 80, 75, 70, 60, 50, 40] as const;

/**
 * The thriftiest `targetUtilizationPercent` and the smallest `maxReplicas` that keep the objective for all but
 * `allowedLatePercent` of the time. Undefined when no ceiling keeps it: then more pods do not help.
 */
export function suggest(
  spec: PoolSpec,
  samples: readonly Sample[],
  allowedLatePercent: number,
): Suggestion | undefined {
  const keeps = (outcome: Outcome): boolean =>
    outcome.lateSeconds <= (outcome.seconds * allowedLatePercent) / 100;
  for (const targetUtilizationPercent of UTILISATIONS) {
    const open = { ...spec, targetUtilizationPercent, maxReplicas: 1000 };
    const widest = replay(open, samples);
    if (!keeps(widest)) continue;
    let low = Math.max(1, spec.minReplicas);
    let high = Math.max(low, widest.peakReplicas);
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (keeps(replay({ ...open, maxReplicas: middle }, samples))) high = middle;
      else low = middle + 1;
    }
    return {
      targetUtilizationPercent,
      maxReplicas: high,
      outcome: replay({ ...open, maxReplicas: high }, samples),
    };
  }
  return undefined;
}
