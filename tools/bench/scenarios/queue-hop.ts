import { randomUUID } from 'node:crypto';
import { createLogger } from '../../../lib/log.ts';
import { createServiceAuth } from '../../../lib/service-auth.ts';
import { systemClock } from '../../../lib/time.ts';
import { createTicketOffice } from '../../../services/chain-gateway/jobs/job-queue.ts';
import { startTestServers } from '../../testing/servers.ts';
import type { Figure } from '../figure.ts';
import type { BenchScenario } from '../scenario.ts';
import { BENCH_CHAIN_ID, type Stage, sleep } from '../stage.ts';

/** As far away as a good provider; workers wait for it more than they compute. */
const UPSTREAM_MS = 40;
const WORKERS = [1, 2, 4] as const;
const SECRET = 'a-secret-for-the-bench-of-thirty-two-characters';

interface Job {
  readonly id: string;
  readonly state: string;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
}

/**
 * Background jobs from end to end: HTTP, Postgres, Bull, worker, upstream. The hop is measured by Postgres's clock, from
 * the transaction that saves a job to the one in which a worker claims it; throughput on a queue that was filled while
 * nobody was allowed to take from it, so that neither the client nor the start of a worker is measured.
 */
export const queueHop: BenchScenario = {
  name: 'queue-hop',
  title: 'Background jobs: from accepted to started, and how much 1, 2 and 4 workers do',
  async run(stage, { quick }) {
    const servers = await startTestServers();
    try {
      return await measure(stage, servers, quick);
    } finally {
      await stage.stop();
      await servers.stop();
    }
  },
};

async function measure(
  stage: Stage,
  servers: { postgresUrl: string; redisUrl: string },
  quick: boolean,
): Promise<Figure[]> {
  const upstreams = await stage.upstreams(2, { faults: [{ type: 'latency', ms: UPSTREAM_MS }] });
  const env = {
    DATABASE_URL: servers.postgresUrl,
    REDIS_URL: servers.redisUrl,
    SERVICE_AUTH_KEYS: `bench:${SECRET}`,
  };
  const gateway = await stage.gateway(upstreams, env);
  const jobsUrl = `${new URL(gateway.url).origin}/v1/chains/${BENCH_CHAIN_ID}/jobs`;
  const auth = createServiceAuth({
    self: 'api',
    keys: [{ kid: 'bench', secret: SECRET }],
    clock: systemClock,
  });
  const log = createLogger({ service: 'bench', level: 'error' });
  const office = createTicketOffice({
    url: servers.redisUrl,
    prefix: 'rejuve:',
    chainId: BENCH_CHAIN_ID,
    log,
  });
  let asked = 0;

  const request = async (url: string, init: RequestInit = {}): Promise<Job> => {
    const response = await fetch(url, {
      ...init,
      headers: {
        authorization: `Bearer ${await auth.sign('gateway')}`,
        'content-type': 'application/json',
        'idempotency-key': randomUUID(),
      },
    });
    if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
    return (await response.json()) as Job;
  };
  /** All calls differ, so that none is answered from the cache. */
  const submit = (calls: number): Promise<Job> =>
    request(jobsUrl, {
      method: 'POST',
      body: JSON.stringify({
        calls: Array.from({ length: calls }, () => ({
          method: 'eth_getStorageAt',
          params: [`0x${'cd'.repeat(20)}`, `0x${(++asked).toString(16)}`, '0x1'],
        })),
      }),
    });
  const finished = async (id: string): Promise<Job> => {
    for (;;) {
      const job = await request(`${jobsUrl}/${id}`);
      if (job.finishedAt !== null) {
        if (job.state !== 'completed') throw new Error(`job ${id} is ${job.state}`);
        return job;
      }
      await sleep(50);
    }
  };
  const inParallel = async <T>(count: number, work: () => Promise<T>): Promise<T[]> => {
    const done: T[] = [];
    let left = count;
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        while (left-- > 0) done.push(await work());
      }),
    );
    return done;
  };
  /** Fills the queue behind a closed door, opens it, and waits for the last job. @returns jobs per second */
  const drain = async (jobs: number, calls: number): Promise<number> => {
    await office.managed.queue.pause();
    const submitted = await inParallel(jobs, () => submit(calls));
    await office.managed.queue.resume();
    const done = [];
    for (const { id } of submitted) done.push(await finished(id));
    const first = Math.min(...done.map(({ startedAt }) => Date.parse(startedAt ?? '')));
    const last = Math.max(...done.map(({ finishedAt }) => Date.parse(finishedAt ?? '')));
    return (jobs * 1_000) / Math.max(1, last - first);
  };

  try {
    const figures: Figure[] = [];
    const alone = new Map<string, number>();
    let running = 0;
    for (const count of WORKERS) {
      for (; running < count; running++) await stage.worker(`worker-${running + 1}`, upstreams, env);
      if (count === 1) figures.push(...(await hop(quick ? 60 : 400, submit, finished)));
      for (const [unit, jobs, calls] of [
        ['jobs/s', quick ? 200 : 2_000, 1],
        ['calls/s', quick ? 4 : 20, 2_000],
      ] as const) {
        const value = (await drain(jobs, calls)) * calls;
        if (count === 1) alone.set(unit, value);
        figures.push({
          name: `${count} worker${count === 1 ? '' : 's'}: ${calls === 1 ? 'jobs of one call' : 'calls of large jobs'}`,
          unit,
          value,
          ...(count === 1 ? {} : { note: `${(value / (alone.get(unit) ?? value)).toFixed(2)} × one worker` }),
        });
      }
    }
    return figures;
  } finally {
    await office.close();
  }
}

/** One job at a time on an empty queue. */
async function hop(
  count: number,
  submit: (calls: number) => Promise<Job>,
  finished: (id: string) => Promise<Job>,
): Promise<Figure[]> {
  const waits: number[] = [];
  for (let index = 0; index < count; index++) {
    const { id } = await submit(1);
    const job = await finished(id);
    waits.push(Date.parse(job.startedAt ?? '') - Date.parse(job.createdAt));
  }
  waits.sort((a, b) => a - b);
  const percentile = (share: number): number =>
    waits[Math.min(waits.length - 1, Math.floor(waits.length * share))] ?? 0;
  return [
    { name: 'accepted to started, p50', unit: 'ms', value: percentile(0.5), aim: { max: 20 } },
    { name: 'accepted to started, p99', unit: 'ms', value: percentile(0.99), aim: { max: 100 } },
  ];
}
