import { SLOT_REPORT_TTL_MS, workerSlotsKey } from '../../lib/worker-slots.ts';
import type { QueueReading } from './observation.ts';

/** The little of ioredis that is used here, so that a test can script it. */
export interface RedisPipeline {
  llen(key: string): unknown;
  lrange(key: string, from: number, to: number): unknown;
  zcard(key: string): unknown;
  zcount(key: string, min: string | number, max: string | number): unknown;
  zrevrange(key: string, from: number, to: number): unknown;
  get(key: string): unknown;
  exists(key: string): unknown;
  hgetall(key: string): unknown;
  hmget(key: string, ...fields: string[]): unknown;
  exec(): Promise<[Error | null, unknown][] | null>;
}
export interface RedisReader {
  pipeline(): RedisPipeline;
}

/** Where a Bull queue is. */
export interface QueueAddress {
  readonly prefix: string;
  readonly name: string;
}

/** How busy one worker pod is, as it reports itself. */
export interface WorkerSlots {
  readonly pod: string;
  readonly busy: number;
}

export interface QueueSnapshot {
  readonly reading: QueueReading;
  readonly workers: readonly WorkerSlots[];
}

/** Bull keeps the due time of a delayed job in the upper bits of its score, the id in the lower 12. */
const DELAY_FACTOR = 0x1000;
/** Jobs looked at from each end of the waiting list: a priority may put an old job anywhere, most sit at the end. */
const SAMPLE = 3;
/** Finished jobs whose duration is averaged. */
const FINISHED = 10;

/**
 * The cheap look at queues that were empty: true where one still is, and nothing was added since. Four commands per
 * queue instead of eleven and more, and nothing to compute.
 */
export async function stillIdle(
  redis: RedisReader,
  queues: readonly (QueueAddress & { readonly addedTotal: number })[],
): Promise<boolean[]> {
  if (queues.length === 0) return [];
  const pipeline = redis.pipeline();
  for (const { prefix, name } of queues) {
    pipeline.llen(`${prefix}:${name}:wait`);
    pipeline.llen(`${prefix}:${name}:active`);
    pipeline.zcard(`${prefix}:${name}:delayed`);
    pipeline.get(`${prefix}:${name}:id`);
  }
  const rows = results(await pipeline.exec());
  return queues.map(({ addedTotal }, index) => {
    const [wait, active, delayed, id] = rows.slice(index * 4, index * 4 + 4);
    return wait === 0 && active === 0 && delayed === 0 && Number(id ?? 0) === addedTotal;
  });
}

/**
 * Reads many queues in two round trips. Bull's layout: `wait` (a list, oldest last), `paused` (the same while the
 * queue is paused), `active`, `delayed` and `completed` (sorted sets), `id` (a counter of jobs ever added) and one
 * hash per job. Rejects when Redis does not answer; an Error in the place of a queue whose keys are not what Bull makes.
 */
export async function readBullQueues(
  redis: RedisReader,
  queues: readonly QueueAddress[],
  now: number,
): Promise<(QueueSnapshot | Error)[]> {
  if (queues.length === 0) return [];
  const first = redis.pipeline();
  for (const queue of queues) {
    const key = (part: string) => `${queue.prefix}:${queue.name}:${part}`;
    first.llen(key('wait'));
    first.llen(key('paused'));
    first.llen(key('active'));
    first.zcard(key('delayed'));
    first.zcount(key('delayed'), '-inf', now * DELAY_FACTOR);
    first.get(key('id'));
    first.exists(key('meta-paused'));
    first.lrange(key('wait'), -SAMPLE, -1);
    first.lrange(key('wait'), 0, SAMPLE - 1);
    first.zrevrange(key('completed'), 0, FINISHED - 1);
    first.hgetall(workerSlotsKey(queue));
  }
  const rows = results(await first.exec());
  const PER_QUEUE = 11;

  const second = redis.pipeline();
  const plans = queues.map((queue, index) => {
    const own = rows.slice(index * PER_QUEUE, (index + 1) * PER_QUEUE);
    const broken = own.find((value) => value instanceof Error);
    if (broken instanceof Error) return new Error(`queue ${queue.prefix}:${queue.name}: ${broken.message}`);
    const [wait, paused, active, delayed, due, id, isPaused, tail, head, completed, workers] =
      own as QueueRows;
    const oldest = [...new Set([...tail, ...head])];
    for (const job of oldest)
      second.hmget(`${queue.prefix}:${queue.name}:${job}`, 'timestamp', 'delay', 'processedOn');
    for (const job of completed)
      second.hmget(`${queue.prefix}:${queue.name}:${job}`, 'processedOn', 'finishedOn');
    return {
      wait,
      paused,
      active,
      delayed,
      due,
      id,
      isPaused,
      oldest: oldest.length,
      completed: completed.length,
      workers,
    };
  });
  const wanted = plans.some((plan) => !(plan instanceof Error) && plan.oldest + plan.completed > 0);
  const jobs = (wanted ? results(await second.exec()) : []).map((job) =>
    job instanceof Error ? [] : (job as (string | null)[]),
  );

  let cursor = 0;
  return plans.map((plan) => {
    if (plan instanceof Error) return plan;
    const ages = jobs.slice(cursor, cursor + plan.oldest).map((job) => waitedMs(job, now));
    cursor += plan.oldest;
    const durations = jobs.slice(cursor, cursor + plan.completed).flatMap(workedMs);
    cursor += plan.completed;
    const serviceSeconds =
      durations.length === 0
        ? undefined
        : durations.reduce((sum, ms) => sum + ms, 0) / durations.length / 1000;
    return {
      reading: {
        waiting: plan.wait + plan.paused + plan.due,
        active: plan.active,
        delayed: plan.delayed - plan.due,
        oldestAgeSeconds: Math.max(0, ...ages) / 1000,
        addedTotal: Number(plan.id ?? 0),
        paused: plan.isPaused === 1,
        ...(serviceSeconds === undefined ? {} : { serviceSeconds }),
      },
      workers: Object.entries(plan.workers).flatMap(([pod, report]) => {
        const [busy = '', at = ''] = report.split(' ');
        return now - Number(at) < SLOT_REPORT_TTL_MS ? [{ pod, busy: Number(busy) }] : [];
      }),
    };
  });
}

type QueueRows = [
  wait: number,
  paused: number,
  active: number,
  delayed: number,
  due: number,
  id: string | null,
  isPaused: number,
  tail: string[],
  head: string[],
  completed: string[],
  workers: Record<string, string>,
];

/** Values, with an Error in the place of each command that failed. */
function results(rows: [Error | null, unknown][] | null): unknown[] {
  if (!rows) throw new Error('Redis dropped the pipeline');
  return rows.map(([error, value]) => error ?? value);
}

/** How long a job could have been taken: since it was added or became due; after a retry, since its last attempt. */
function waitedMs([timestamp, delay, processedOn]: (string | null)[], now: number): number {
  if (!timestamp) return 0;
  return Math.max(0, now - Math.max(Number(timestamp) + Number(delay ?? 0), Number(processedOn ?? 0)));
}

function workedMs([processedOn, finishedOn]: (string | null)[]): number[] {
  return processedOn && finishedOn ? [Math.max(0, Number(finishedOn) - Number(processedOn))] : [];
}
