import type { Random } from '../../lib/random.ts';

/** Requests that come at random to a number of processes, each answering one after the other. */
export interface QueueInput {
  readonly perSecond: number;
  /** CPU seconds of one answer, on average; single answers differ as much as an exponential distribution does. */
  readonly serviceSeconds: number;
  /** What an answer waits for without computing (databases, providers), seconds. */
  readonly waitSeconds: number;
  readonly processes: number;
  readonly requests: number;
  readonly random: Pick<Random, 'float'>;
}

const exponential = (mean: number, random: Pick<Random, 'float'>): number =>
  -mean * Math.log(1 - random.float());

/**
 * The 99th percentile of the response in seconds. A balancer that knows nothing gives each request to the next process
 * in turn, which is worse than one queue for all, and is what a Kubernetes Service does at best.
 */
export function simulateP99({
  perSecond,
  serviceSeconds,
  waitSeconds,
  processes,
  requests,
  random,
}: QueueInput): number {
  const freeAt = new Float64Array(processes);
  const responses = new Float64Array(requests);
  let now = 0;
  for (let i = 0; i < requests; i++) {
    now += exponential(1 / perSecond, random);
    const process = Math.floor(random.float() * processes);
    const begins = Math.max(now, freeAt[process] as number);
    const ends = begins + exponential(serviceSeconds, random);
    freeAt[process] = ends;
    responses[i] = ends - now + waitSeconds;
  }
  responses.sort();
  return responses[Math.floor(requests * 0.99)] as number;
}
