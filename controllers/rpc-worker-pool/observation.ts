/** What one pass sees. Plain data: recorded from a cluster, read from a CSV or made by a simulation. */
export interface Observation {
  /** When it was taken, epoch milliseconds. */
  readonly at: number;
  readonly replicas: {
    /** `spec.replicas` of the target. */
    readonly wanted: number;
    /** Pods that are ready, hence taking jobs and calling providers. */
    readonly ready: number;
  };
  readonly queue: QueueObservation;
  /** Providers of the chain; empty when nobody declared any. */
  readonly providers: readonly ProviderCapacity[];
  /** Forecast of arrivals at the horizon, when prediction is on and has learned enough. */
  readonly forecast?: Forecast;
  /** Another autoscaler that claims the same target, for example `HorizontalPodAutoscaler workers`. */
  readonly competitor?: string;
}

export type QueueObservation =
  | { readonly readable: true; readonly reading: QueueReading }
  | { readonly readable: false; readonly error: string };

/** One look at the queue. */
export interface QueueReading {
  /** Jobs that a free worker could take now (delayed jobs that are due count). */
  readonly waiting: number;
  /** Jobs that occupy a worker's slot. */
  readonly active: number;
  /** Jobs that wait for their time. */
  readonly delayed: number;
  /** Seconds since the oldest waiting job could have been taken; 0 when none waits. */
  readonly oldestAgeSeconds: number;
  /** Jobs ever added: a counter that only grows, unless the queue is emptied. */
  readonly addedTotal: number;
  /** Nobody may take jobs: the queue was paused by hand. */
  readonly paused: boolean;
  /** Mean time a finished job occupied its slot, when finished jobs are kept long enough to tell. */
  readonly serviceSeconds?: number;
}

/** What a provider can still take. */
export interface ProviderCapacity {
  readonly name: string;
  readonly healthy: boolean;
  /** Why it is (not) healthy, in a few words. */
  readonly reason: string;
  /** The provider's limit, calls per second; undefined when it has none. */
  readonly limitPerSecond?: number;
  /** Calls per second that all its clients make now. */
  readonly usedPerSecond: number;
  /** Share of calls it refuses for its rate limit, 0–100. */
  readonly throttledPercent: number;
}

export interface Forecast {
  readonly arrivalsPerSecond: number;
  /** Mean absolute scaled error: below 1 it beats the naive forecast. Undefined until measured. */
  readonly scaledError?: number;
  readonly usable: boolean;
}
