import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestRedis } from '../tools/testing/test-redis.ts';
import { createLogger } from './log.ts';
import { createQueue } from './queue.ts';
import { closeRedis, createRedis, pingRedis } from './redis.ts';

const log = createLogger({ service: 'test', level: 'silent' });
let store: Awaited<ReturnType<typeof createTestRedis>>;
let proxy: { url: string; cut(): Promise<void>; restore(): Promise<void>; stop(): Promise<void> };

/** A TCP proxy in front of the real server, which can be cut off and restored on the same port. */
async function cutter(target: string) {
  const upstream = new URL(target);
  const sockets = new Set<Socket>();
  const build = (): Server =>
    createServer((inbound) => {
      const outbound = connect(Number(upstream.port), upstream.hostname);
      for (const socket of [inbound, outbound]) {
        sockets.add(socket);
        socket.on('error', () => socket.destroy());
        socket.on('close', () => {
          sockets.delete(socket);
          inbound.destroy();
          outbound.destroy();
        });
      }
      inbound.pipe(outbound).pipe(inbound);
    });
  let server = build();
  const listen = (port: number) => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const cut = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  return {
    url: `redis://127.0.0.1:${port}${upstream.pathname}`,
    cut,
    restore: async () => {
      server = build();
      await listen(port);
    },
    stop: cut,
  };
}

beforeAll(async () => {
  store = await createTestRedis();
  proxy = await cutter(store.url);
});
afterAll(async () => {
  await proxy.stop();
  await store.drop();
});

const eventually = async <T>(attempt: () => Promise<T>): Promise<T> => {
  for (let tries = 0; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (tries > 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
};

describe('connections to Redis', () => {
  it('fail fast while it is away, and work again when it is back', async () => {
    const redis = createRedis({ url: proxy.url, log, role: 'test', commandTimeoutMs: 300 });
    await eventually(() => pingRedis(redis));
    await redis.set('a', '1');
    await proxy.cut();
    await expect(redis.get('a')).rejects.toThrow();
    await expect(pingRedis(redis)).rejects.toThrow();
    await proxy.restore();
    await eventually(() => pingRedis(redis));
    expect(await redis.get('a')).toBe('1');
    await closeRedis(redis);
  });

  it('keep a Bull queue working across an outage', async () => {
    const { queue, close } = createQueue<{ n: number }>({
      name: 'test',
      url: proxy.url,
      prefix: store.prefix,
      log,
    });
    const done: number[] = [];
    void queue.process(1, async (job) => void done.push(job.data.n));
    await queue.add({ n: 1 });
    await eventually(async () => expect(done).toEqual([1]));
    await proxy.cut();
    const added = queue.add({ n: 2 });
    await proxy.restore();
    await added;
    await eventually(async () => expect(done).toEqual([1, 2]));
    await close();
  });
});
