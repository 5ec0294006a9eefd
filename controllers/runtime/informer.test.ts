import { describe, expect, it } from '@jest/globals';
import { createLogger } from '../../lib/log.ts';
import { createSeededRandom } from '../../lib/random.ts';
import { createManualClock } from '../../lib/time.ts';
import type { KubeObject } from '../api.ts';
import { createInformer } from './informer.ts';
import type { KubeClient, WatchEvent } from './kube-client.ts';
import { KubeError } from './kube-error.ts';

const object = (name: string, version: number): KubeObject => ({
  metadata: { name, namespace: 'ns', resourceVersion: String(version) },
});

/** A server whose lists and watches the test scripts. */
function fakeServer() {
  const state = { items: [] as KubeObject[], version: '1', lists: 0, failLists: 0, watches: [] as string[] };
  let push: ((event: WatchEvent<KubeObject> | Error | 'end') => void) | undefined;
  const client = {
    async list() {
      state.lists++;
      if (state.failLists > 0) {
        state.failLists--;
        throw new KubeError('list', 503, { message: 'starting' });
      }
      return { items: [...state.items], resourceVersion: state.version };
    },
    async *watch(
      _r: unknown,
      options: { resourceVersion: string },
      stream: { signal: AbortSignal; onBytes?: () => void },
    ) {
      state.watches.push(options.resourceVersion);
      const events: (WatchEvent<KubeObject> | Error | 'end')[] = [];
      let wake: (() => void) | undefined;
      push = (event) => {
        events.push(event);
        stream.onBytes?.();
        wake?.();
      };
      for (;;) {
        const next = events.shift();
        if (next === 'end') return;
        if (next instanceof Error) throw next;
        if (next) {
          yield next;
          continue;
        }
        await new Promise<void>((resolve, reject) => {
          wake = resolve;
          stream.signal.addEventListener('abort', () => reject(stream.signal.reason), { once: true });
        });
      }
    },
  } as unknown as Pick<KubeClient, 'list' | 'watch'>;
  return { state, client, push: (event: WatchEvent<KubeObject> | Error | 'end') => push?.(event) };
}

function setup() {
  const clock = createManualClock();
  const server = fakeServer();
  const informer = createInformer({
    client: server.client,
    resource: { group: '', version: 'v1', plural: 'things', kind: 'Thing', namespaced: true },
    clock,
    random: createSeededRandom(1),
    log: createLogger({ service: 'test', level: 'silent' }),
    watchdogMs: 10_000,
  });
  const heard: string[] = [];
  informer.onChange(({ key, object: now, old }) =>
    heard.push(`${old ? (now ? 'update' : 'delete') : 'add'} ${key}`),
  );
  return { clock, server, informer, heard };
}

describe('an informer', () => {
  it('lists, watches, and tells each change once', async () => {
    const { clock, server, informer, heard } = setup();
    server.state.items = [object('a', 1)];
    informer.start();
    await clock.advance(0);
    server.push({ type: 'ADDED', object: object('b', 2) });
    server.push({ type: 'MODIFIED', object: object('a', 3) });
    server.push({ type: 'MODIFIED', object: object('a', 3) });
    server.push({ type: 'DELETED', object: object('b', 4) });
    await clock.advance(0);
    expect(heard).toEqual(['add ns/a', 'add ns/b', 'update ns/a', 'delete ns/b']);
    await informer.stop();
  });

  it('continues from the last bookmark when a watch ends', async () => {
    const { clock, server, informer } = setup();
    informer.start();
    await clock.advance(2000);
    server.push({ type: 'BOOKMARK', object: object('x', 77) });
    server.push('end');
    await clock.advance(5000);
    expect(server.state.watches).toEqual(['1', '77']);
    expect(server.state.lists).toBe(1);
    await informer.stop();
  });

  it('lists again on 410 and tells the difference, deletions included', async () => {
    const { clock, server, informer, heard } = setup();
    server.state.items = [object('a', 1), object('b', 1)];
    informer.start();
    await clock.advance(0);
    heard.length = 0;
    server.state.items = [object('b', 5), object('c', 6)];
    server.state.version = '9';
    server.push(new KubeError('watch', 410, { reason: 'Expired' }));
    await clock.advance(1000);
    expect(heard).toEqual(['delete ns/a', 'update ns/b', 'add ns/c']);
    expect(server.state.watches).toEqual(['1', '9']);
    await informer.stop();
  });

  it('gives a silent watch up and continues where it was', async () => {
    const { clock, server, informer } = setup();
    informer.start();
    await clock.advance(30_000);
    expect(server.state.watches.length).toBeGreaterThanOrEqual(2);
    expect(server.state.lists).toBe(1);
    await informer.stop();
  });

  it('never gives up: errors of any kind only slow it down', async () => {
    const { clock, server, informer } = setup();
    server.state.failLists = 20;
    informer.start();
    await clock.advance(10_000);
    expect(server.state.lists).toBeLessThan(20);
    await clock.advance(400_000);
    expect(informer.synced()).toBe(true);
    for (let i = 0; i < 10; i++) {
      server.push(new Error('socket hang up'));
      await clock.advance(20_000);
    }
    await clock.advance(1_000);
    server.push({ type: 'ADDED', object: object('late', 99) });
    await clock.advance(0);
    expect(informer.get('ns/late')).toBeDefined();
    await informer.stop();
  });
});
