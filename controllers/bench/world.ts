import { createSeededRandom } from '../../lib/random.ts';

/** What happens to the world at a moment of a trace. */
export interface Conditions {
  /** Jobs per second that arrive. */
  readonly arrivals: number;
  /** Seconds a job takes when the provider answers at once. */
  readonly serviceSeconds: number;
  /** The provider does not answer at all: each job fails after a timeout and comes back. */
  readonly providerDown: boolean;
  /** Calls per second the provider takes before it refuses; undefined when it has no limit. */
  readonly providerLimit: number | undefined;
  /** Share of jobs that fail every time, 0–1. */
  readonly poison: number;
}

export interface Trace {
  readonly name: string;
  readonly what: string;
  readonly seconds: number;
  readonly at: (second: number) => Conditions;
}

/** What does not differ between autoscalers. */
export const WORLD = {
  concurrency: 4,
  /** From the decision to the first job. */
  podStartSeconds: 12,
  /** A job must not wait longer than this. */
  objectiveSeconds: 30,
  minReplicas: 1,
  maxReplicas: 30,
  /** A job on a dead provider gives up after this. */
  timeoutSeconds: 2,
  /** A failed job comes back after this. */
  retrySeconds: 5,
  /** A job is tried so often, then it is a dead letter. */
  attempts: 20,
  /** The share of the provider that other clients use. */
  stepSeconds: 0.5,
} as const;

interface Job {
  readonly addedAt: number;
  dueAt: number;
  attempts: number;
  readonly poison: boolean;
  /** Finished, or given up. */
  over: boolean;
}

/** What an autoscaler may look at. */
export interface Sight {
  readonly at: number;
  readonly wanted: number;
  readonly ready: number;
  readonly waiting: number;
  readonly active: number;
  readonly delayed: number;
  readonly oldestSeconds: number;
  readonly addedTotal: number;
  /** Mean CPU of the ready pods as a share of their request, 0–1 (a worker mostly waits for the network). */
  readonly cpu: number;
  readonly provider: {
    readonly healthy: boolean;
    readonly limit: number | undefined;
    readonly used: number;
    readonly throttledPercent: number;
  };
  /** Mean time of the jobs finished lately; undefined when none. */
  readonly serviceSeconds: number | undefined;
}

export type Autoscaler = (sight: Sight) => number;

export interface Score {
  /** Seconds in which some healthy job was older than the objective and still not done. */
  readonly violationSeconds: number;
  readonly podSeconds: number;
  /** Calls that a dead or full provider had to refuse. */
  readonly providerErrors: number;
  /** Changes of direction of the scale. */
  readonly oscillations: number;
  readonly finished: number;
  readonly series: readonly {
    second: number;
    replicas: number;
    ready: number;
    waiting: number;
    oldest: number;
    cost: number;
  }[];
}

/** CPU of one busy slot, as a share of the pod's request: JSON-RPC workers wait, they do not compute. */
const CPU_PER_SLOT = 0.12;

/** A queue whose shift is cheap, however long it is. */
function createFifo<T>() {
  let items: T[] = [];
  let head = 0;
  return {
    push: (item: T) => void items.push(item),
    peek: (): T | undefined => items[head],
    shift(): T | undefined {
      const item = items[head++];
      if (head > 1000 && head * 2 > items.length) {
        items = items.slice(head);
        head = 0;
      }
      return item;
    },
    get length() {
      return items.length - head;
    },
  };
}

/**
 * One queue, pods that need time to start, a provider with a limit that can fail, and the autoscaler in the loop.
 * Deterministic: the same seed gives the same run for every autoscaler.
 */
export function simulate(trace: Trace, autoscaler: Autoscaler, seed = 1): Score {
  const random = createSeededRandom(seed);
  const { concurrency, podStartSeconds, stepSeconds: dt } = WORLD;
  let wanted: number = WORLD.minReplicas;
  /** When each pod takes its first job. */
  let pods: number[] = Array.from({ length: wanted }, () => 0);
  // Both are in the order in which their jobs become due, because the retry delay is constant.
  const waiting = createFifo<Job>();
  const delayed = createFifo<Job>();
  let active: { job: Job; endsAt: number; failed: boolean; startedAt: number }[] = [];
  let [addedTotal, carry, podSeconds, violationSeconds, providerErrors, oscillations, finished, direction] = [
    0, 0, 0, 0, 0, 0, 0, 0,
  ];
  const durations: number[] = [];
  /** In the order of arrival; the head is the oldest job that somebody still waits for. */
  const all = createFifo<Job>();
  let [recentCalls, recentRefused] = [0, 0];
  const series: Score['series'][number][] = [];

  for (let step = 0; step * dt < trace.seconds; step++) {
    const now = step * dt;
    const world = trace.at(now);
    carry += world.arrivals * dt * (0.8 + 0.4 * random.float());
    for (; carry >= 1; carry--) {
      addedTotal++;
      const job: Job = {
        addedAt: now,
        dueAt: now,
        attempts: 0,
        poison: random.float() < world.poison,
        over: false,
      };
      all.push(job);
      waiting.push(job);
    }
    for (let next = delayed.peek(); next && next.dueAt <= now; next = delayed.peek())
      waiting.push(delayed.shift() as Job);

    for (const run of active) {
      if (run.endsAt > now) continue;
      if (!run.failed) {
        finished++;
        run.job.over = true;
        durations.push(now - run.startedAt);
        if (durations.length > 50) durations.shift();
      } else if (run.job.attempts < WORLD.attempts) {
        run.job.dueAt = now + WORLD.retrySeconds;
        delayed.push(run.job);
      } else {
        run.job.over = true;
      }
    }
    active = active.filter((a) => a.endsAt > now);

    const ready = pods.filter((startsAt) => startsAt <= now).length;
    let calls = 0;
    let refused = 0;
    const room = world.providerLimit === undefined ? Number.POSITIVE_INFINITY : world.providerLimit * dt;
    while (active.length < ready * concurrency && waiting.length > 0) {
      const job = waiting.shift() as Job;
      job.attempts++;
      calls++;
      const full = calls > room;
      if (world.providerDown || full) {
        providerErrors++;
        refused += full ? 1 : 0;
        active.push({
          job,
          startedAt: now,
          endsAt: now + (world.providerDown ? WORLD.timeoutSeconds : 0.2),
          failed: true,
        });
      } else {
        active.push({
          job,
          startedAt: now,
          endsAt: now + world.serviceSeconds * (0.7 + 0.6 * random.float()),
          failed: job.poison,
        });
      }
    }
    recentCalls += (calls / dt - recentCalls) * 0.1;
    recentRefused += (refused / dt - recentRefused) * 0.1;

    const oldest = now - (waiting.peek()?.dueAt ?? now);
    while (all.peek()?.over || all.peek()?.poison) all.shift();
    // Counted until the job is done: a job that a full provider refused again and again has not been served, even if a
    // worker took it at once each time. Waiting for a dead provider is nobody's fault and is not counted.
    if (now - (all.peek()?.addedAt ?? now) > WORLD.objectiveSeconds && !world.providerDown)
      violationSeconds += dt;
    podSeconds += pods.length * dt;

    const answer = Math.max(
      0,
      Math.min(
        WORLD.maxReplicas,
        autoscaler({
          at: now * 1000,
          wanted,
          ready,
          waiting: waiting.length,
          active: active.length,
          delayed: delayed.length,
          oldestSeconds: oldest,
          addedTotal,
          cpu: ready === 0 ? 0 : (active.length / ready) * CPU_PER_SLOT,
          provider: {
            healthy: !world.providerDown,
            limit: world.providerLimit,
            used: recentCalls,
            throttledPercent: recentCalls > 0.1 ? (recentRefused / recentCalls) * 100 : 0,
          },
          serviceSeconds:
            durations.length === 0 ? undefined : durations.reduce((a, b) => a + b, 0) / durations.length,
        }),
      ),
    );
    if (answer !== wanted) {
      const turn = Math.sign(answer - wanted);
      if (direction !== 0 && turn !== direction) oscillations++;
      direction = turn;
      if (answer > wanted)
        pods = [...pods, ...Array.from({ length: answer - wanted }, () => now + podStartSeconds)];
      else {
        // Pods that have not started go first; a running one finishes its jobs, which is counted as done at once.
        pods = pods.toSorted((a, b) => a - b).slice(0, answer);
      }
      wanted = answer;
    }
    if (step % 10 === 0)
      series.push({
        second: now,
        replicas: wanted,
        ready,
        waiting: waiting.length,
        oldest,
        cost: podSeconds,
      });
  }
  return {
    violationSeconds,
    podSeconds: Math.round(podSeconds),
    providerErrors,
    oscillations,
    finished,
    series,
  };
}
