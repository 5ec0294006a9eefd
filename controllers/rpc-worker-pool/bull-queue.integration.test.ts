import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import Bull from 'bull';
import { Redis } from 'ioredis';
import { systemClock } from '../../lib/time.ts';
import { createSlotReporter } from '../../lib/worker-slots.ts';
import { createTestRedis, type TestRedis } from '../../tools/testing/test-redis.ts';
import { type QueueSnapshot, readBullQueues } from './bull-queue.ts';

let server: TestRedis;
let redis: Redis;
const queues: Bull.Queue[] = [];
let counter = 0;

beforeAll(async () => {
  server = await createTestRedis();
  redis = new Redis(server.url);
});
afterEach(async () => {
  await Promise.all(queues.splice(0).map((queue) => queue.close()));
});
afterAll(async () => {
  redis.disconnect();
  await server.drop();
});

function open(): { queue: Bull.Queue; name: string } {
  const name = `q${counter++}`;
  const queue = new Bull(name, server.url);
  queues.push(queue);
  return { queue, name };
}
async function read(name: string): Promise<QueueSnapshot> {
  const [snapshot] = await readBullQueues(redis, [{ prefix: 'bull', name }], Date.now());
  if (!snapshot || snapshot instanceof Error) throw snapshot ?? new Error('no snapshot');
  return snapshot;
}
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('a real Bull queue', () => {
  it('that does not exist yet is an empty one', async () => {
    expect((await read('never-used')).reading).toEqual({
      waiting: 0,
      active: 0,
      delayed: 0,
      oldestAgeSeconds: 0,
      addedTotal: 0,
      paused: false,
    });
  });

  it('shows what waits, since when, and how much was ever added', async () => {
    const { queue, name } = open();
    await queue.add({});
    await pause(300);
    await queue.addBulk([{ data: {} }, { data: {} }]);
    const { reading } = await read(name);
    expect(reading).toMatchObject({ waiting: 3, addedTotal: 3, active: 0 });
    expect(reading.oldestAgeSeconds).toBeGreaterThanOrEqual(0.3);
    expect(reading.oldestAgeSeconds).toBeLessThan(5);
  });

  it('counts delayed jobs that are due as waiting: without a worker nobody moves them', async () => {
    const { queue, name } = open();
    await queue.add({}, { delay: 1 });
    await queue.add({}, { delay: 60_000 });
    await pause(50);
    expect((await read(name)).reading).toMatchObject({ waiting: 1, delayed: 1, addedTotal: 2 });
  });

  it('tells the time that jobs take from finished ones, and what is being worked on', async () => {
    const { queue, name } = open();
    void queue.process(2, () => pause(200));
    await queue.addBulk(Array.from({ length: 4 }, () => ({ data: {} })));
    await pause(150);
    expect((await read(name)).reading.active).toBe(2);
    await pause(900);
    const { reading } = await read(name);
    expect(reading).toMatchObject({ waiting: 0, active: 0 });
    expect(reading.serviceSeconds).toBeGreaterThan(0.15);
    expect(reading.serviceSeconds).toBeLessThan(1);
  });

  it('does not hold the age of a retried job against the workers', async () => {
    const { queue, name } = open();
    let tries = 0;
    void queue.process(async () => {
      tries++;
      throw new Error('poison');
    });
    await queue.add({}, { attempts: 50, backoff: 0 });
    await pause(700);
    await queue.pause();
    const { reading } = await read(name);
    expect(tries).toBeGreaterThan(1);
    expect(reading.oldestAgeSeconds).toBeLessThan(0.6);
    expect(reading.paused).toBe(true);
  });

  it('finds an old job that waits behind a priority', async () => {
    const { queue, name } = open();
    await queue.add({}, { priority: 10 });
    await pause(300);
    await queue.addBulk(Array.from({ length: 5 }, () => ({ data: {}, opts: { priority: 1 } })));
    expect((await read(name)).reading.oldestAgeSeconds).toBeGreaterThanOrEqual(0.3);
  });

  it('knows which pods are busy, for as long as they say so', async () => {
    const { name } = open();
    const reporter = (pod: string, busy: number, clock = systemClock) =>
      createSlotReporter({ redis, queue: { prefix: 'bull', name }, pod, busy: () => busy, clock });
    const a = reporter('a', 3);
    a.start();
    reporter('gone', 2, { ...systemClock, now: () => Date.now() - 60_000 }).report();
    await pause(50);
    expect((await read(name)).workers).toEqual([{ pod: 'a', busy: 3 }]);
    await a.stop();
    expect((await read(name)).workers).toEqual([]);
  });
});
