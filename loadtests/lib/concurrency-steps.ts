/** Calls at once, from one to 256. */
export const STEPS = [1, 4, 16, 64, 256] as const;

/** Scenarios that follow each other: so many virtual users, all calling at the same moment, once a second. */
export function concurrencySteps(stepSeconds: number, afterSeconds = 0): Record<string, object> {
  return Object.fromEntries(
    STEPS.map((vus, index) => [
      `concurrency-${vus}`,
      {
        executor: 'constant-vus',
        vus,
        duration: `${stepSeconds}s`,
        startTime: `${afterSeconds + index * stepSeconds}s`,
        gracefulStop: '2s',
        exec: 'concurrent',
        tags: { concurrency: String(vus) },
      },
    ]),
  );
}

/** Sub-metrics that the verdict compares: throughput and p99 of each step. Thresholds are how k6 keeps them. */
export const concurrencyThresholds = (): Record<string, string[]> =>
  Object.fromEntries(
    STEPS.flatMap((vus) => [
      [`http_reqs{concurrency:${vus}}`, ['count>0']],
      [`http_req_duration{concurrency:${vus}}`, ['p(99)>=0']],
    ]),
  );
