import type { Observation, ProviderCapacity, QueueReading } from '../observation.ts';
import { type Memory, type PoolSpec, type PoolSpecInput, parsePoolSpec } from '../types.ts';

/** Thursday, 1 January 2026, 12:00 UTC. */
export const NOON = Date.UTC(2026, 0, 1, 12);

/** A pool like the one in the chart, with what a test wants to differ. */
export function pool(overrides: Partial<PoolSpecInput> = {}): PoolSpec {
  return parsePoolSpec({
    targetRef: { name: 'workers' },
    chainId: 1,
    queue: { name: 'rpc' },
    maxReplicas: 20,
    worker: { concurrency: 4, startupSeconds: 10 },
    ...overrides,
  });
}

export const provider = (overrides: Partial<ProviderCapacity> = {}): ProviderCapacity => ({
  name: 'alpha',
  healthy: true,
  reason: 'Ready',
  limitPerSecond: 100,
  usedPerSecond: 0,
  throttledPercent: 0,
  ...overrides,
});

/** What a pass sees: a quiet queue with two pods, unless told otherwise. */
export function scene(options: {
  at?: number;
  wanted?: number;
  ready?: number;
  queue?: Partial<QueueReading> | string;
  providers?: ProviderCapacity[];
  forecast?: Observation['forecast'];
  competitor?: string;
}): Observation {
  const wanted = options.wanted ?? 2;
  return {
    at: options.at ?? NOON,
    replicas: { wanted, ready: options.ready ?? wanted },
    queue:
      typeof options.queue === 'string'
        ? { readable: false, error: options.queue }
        : {
            readable: true,
            reading: {
              waiting: 0,
              active: 0,
              delayed: 0,
              oldestAgeSeconds: 0,
              addedTotal: 0,
              paused: false,
              ...options.queue,
            },
          },
    providers: options.providers ?? [],
    ...(options.forecast ? { forecast: options.forecast } : {}),
    ...(options.competitor ? { competitor: options.competitor } : {}),
  };
}

/** The memory of a controller that has seen `rate` jobs/s, each `service` seconds long, until one second before `at`. */
export function remembering(options: {
  rate?: number;
  service?: number;
  added?: number;
  done?: number;
  replicas?: number;
  at?: number;
  held?: number;
}): Memory {
  const { rate = 0, service = 0.4, added = 0, replicas = 2, at = NOON } = options;
  return {
    recommendations: [{ replicas: options.held ?? replicas, from: at - 600_000 }],
    scaleEvents: [],
    replicas,
    readableAt: at - 1000,
    busyAt: at - 1000,
    serviceSeconds: service,
    arrivals: {
      at: at - 1000,
      since: at - 600_000,
      added: added - rate,
      done: options.done ?? Math.max(0, added - rate),
      fast: rate,
      slow: rate,
      throughput: rate,
      busySlots: rate * service,
    },
  };
}
