import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServiceAuth, serviceAuthKeys } from '../../../lib/service-auth.ts';
import { systemClock } from '../../../lib/time.ts';
import { type Check, CheckFailure, type Context, expectThat, type Sample, SkipCheck } from '../check.ts';

interface Pool {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly minReplicas: number;
    readonly maxReplicas: number;
    readonly objective: { readonly oldestJobAgeSeconds: number };
    readonly targetRef: { readonly name: string };
  };
  readonly status?: {
    readonly replicas?: number;
    readonly readyReplicas?: number;
    readonly lastDecision?: {
      readonly observed?: { readonly oldestJobAgeSeconds?: number; readonly waiting?: number };
    };
  };
}

/** Each job is this many calls; a worker needs some seconds for it behind slow providers. */
const CALLS_PER_JOB = 400;
const JOBS = 40;
/** What a provider on the internet takes; without it the development chain answers too fast for any queue to form. */
const PROVIDER_LATENCY_MS = 120;
const OUT_WITHIN_MS = 240_000;
/** Scaling in waits for the stabilisation window and the policies of the pool. */
const IN_WITHIN_MS = 300_000;

export const scalingCheck: Check = {
  id: 'scaling',
  title: 'The controller scales RPC workers out under load, and in afterwards',
  needs: ['install'],
  async run(context) {
    const { release, plot, figure } = context;
    const [pool] = (await release.get<{ items: Pool[] }>('rpcworkerpools.chain.rejuve.io')).items;
    if (!pool) throw new SkipCheck('the release has no RpcWorkerPool');
    const floor = pool.spec.minReplicas;
    const objective = pool.spec.objective.oldestJobAgeSeconds;
    const undo = await slowProviders(context);
    const watch = watchPool(context, pool);
    try {
      await submitJobs(context);
      const outFrom = performance.now();
      await watch.until(({ replicas }) => replicas > floor, OUT_WITHIN_MS, `more than ${floor} workers`);
      const outAfter = (performance.now() - outFrom) / 1000;
      await watch.until(({ waiting }) => waiting === 0, OUT_WITHIN_MS * 2, 'an empty queue');
      await undo();
      const inFrom = performance.now();
      await watch.until(({ replicas }) => replicas === floor, IN_WITHIN_MS, `${floor} workers again`);
      const inAfter = (performance.now() - inFrom) / 1000;
      const samples = watch.samples();
      const peak = Math.max(...samples.replicas.map(({ value }) => value));
      const oldest = Math.max(...samples.age.map(({ value }) => value));
      figure('workers at the peak', peak, 'pods');
      figure('oldest job at the worst', Math.round(oldest * 10) / 10, 's');
      return (
        `${JOBS} jobs of ${CALLS_PER_JOB} calls: ${floor} → ${peak} workers, the first more after ${outAfter.toFixed(1)} s, ` +
        `back to ${floor} ${inAfter.toFixed(0)} s after the queue was empty; oldest job ${oldest.toFixed(1)} s (objective ${objective} s)`
      );
    } finally {
      await undo();
      const { replicas, age, waiting } = await watch.stop();
      plot({
        title: 'RPC workers',
        unit: 'pods',
        curves: [{ name: 'replicas', samples: replicas, step: true }],
      });
      plot({
        title: 'Age of the oldest waiting job',
        unit: 'seconds',
        curves: [{ name: 'oldest job', samples: age }],
        limit: { name: 'objective', value: objective },
      });
      plot({ title: 'Jobs waiting', unit: 'jobs', curves: [{ name: 'waiting', samples: waiting }] });
    }
  },
};

/** Makes both providers slow. Answers with the way back, which may be called twice. */
async function slowProviders({ release }: Context): Promise<() => Promise<void>> {
  const controls = await Promise.all(['alpha', 'beta'].map((name) => release.url(`provider-${name}`, 9545)));
  const send = async (method: string, path: string, body?: unknown) => {
    for (const url of controls)
      await fetch(`${url}${path}`, {
        method,
        ...(body !== undefined && {
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        }),
        signal: AbortSignal.timeout(5_000),
      });
  };
  await send('POST', '/control/faults', [{ id: 'e2e-latency', type: 'latency', ms: PROVIDER_LATENCY_MS }]);
  return () => send('DELETE', '/control/faults?id=e2e-latency');
}

async function submitJobs({ release }: Context): Promise<void> {
  const keys = await release.secret(`${release.name}-made`, 'service-auth-keys');
  const auth = createServiceAuth({ self: 'tools', keys: serviceAuthKeys.parse(keys), clock: systemClock });
  const gateway = await release.url('gateway', 4000);
  for (let job = 0; job < JOBS; job++) {
    const calls = Array.from({ length: CALLS_PER_JOB }, () => ({
      method: 'eth_getBalance',
      params: [`0x${randomUUID().replaceAll('-', '')}00000000`, 'latest'],
    }));
    const response = await fetch(`${gateway}/v1/chains/31337/jobs`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'idempotency-key': randomUUID(),
        authorization: `Bearer ${await auth.sign('gateway')}`,
      },
      body: JSON.stringify({ calls }),
      signal: AbortSignal.timeout(15_000),
    });
    if (response.status !== 202)
      throw new CheckFailure(
        `expected job ${job + 1} to be accepted; seen: ${response.status} ${(await response.text()).slice(0, 300)}`,
      );
  }
}

interface Seen {
  readonly replicas: number;
  readonly waiting: number;
}

/** Looks at the pool every second, and keeps what it saw. */
function watchPool({ release, log }: Context, pool: Pool) {
  const from = performance.now();
  const series = { replicas: [] as Sample[], age: [] as Sample[], waiting: [] as Sample[] };
  let last: Seen = { replicas: pool.spec.minReplicas, waiting: 0 };
  let isOver = false;
  const running = (async () => {
    while (!isOver) {
      try {
        const [now, metrics] = await Promise.all([
          release.get<Pool>('rpcworkerpools.chain.rejuve.io', pool.metadata.name),
          controllerMetrics(release, pool.metadata.name),
        ]);
        const at = (performance.now() - from) / 1000;
        const replicas = now.status?.replicas ?? 0;
        if (replicas !== last.replicas)
          log(`  ${last.replicas} → ${replicas} workers, ${metrics.backlog} jobs waiting`);
        last = { replicas, waiting: metrics.backlog };
        series.replicas.push({ at, value: replicas });
        series.age.push({ at, value: metrics.age });
        series.waiting.push({ at, value: metrics.backlog });
      } catch (error) {
        log(`  one look at the pool failed: ${(error as Error).message.slice(0, 120)}`);
      }
      await sleep(1_000);
    }
  })();
  return {
    samples: () => series,
    async stop() {
      isOver = true;
      await running;
      return series;
    },
    async until(holds: (seen: Seen) => boolean, withinMs: number, what: string): Promise<void> {
      const start = series.replicas.length;
      for (const deadline = Date.now() + withinMs; ; await sleep(250)) {
        if (series.replicas.length > start && holds(last)) return;
        if (Date.now() > deadline)
          throw new CheckFailure(
            `expected ${what} within ${withinMs / 1000} s; seen: ${last.replicas} workers, ${last.waiting} jobs waiting`,
          );
      }
    },
  };
}

/** The controller's own gauges, read through the API server, so that any cluster will do. */
async function controllerMetrics(
  release: Context['release'],
  pool: string,
): Promise<{ backlog: number; age: number }> {
  const { items } = await release.get<{ items: { metadata: { name: string } }[] }>(
    'pods',
    ...['-l', `app.kubernetes.io/instance=${release.name},app.kubernetes.io/component=controller`],
  );
  let [backlog, age] = [0, 0];
  for (const { metadata } of items) {
    const path = `/api/v1/namespaces/${release.namespace}/pods/${metadata.name}:4300/proxy/metrics`;
    const text = await release.kubectl('get', '--raw', path);
    const value = (name: string): number =>
      Number(
        text
          .split('\n')
          .find((line) => line.startsWith(`rpcworkerpool_${name}{`) && line.includes(`pool="${pool}"`))
          ?.split(' ')
          .at(-1) ?? 0,
      );
    backlog = Math.max(backlog, value('backlog_jobs'));
    age = Math.max(age, value('oldest_job_age_seconds'));
  }
  expectThat(items.length > 0, 'a controller', items);
  return { backlog, age };
}
