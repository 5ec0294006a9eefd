import type { Logger } from '../../lib/log.ts';
import type { Clock, Timer } from '../../lib/time.ts';
import { type QueueAddress, type QueueSnapshot, type RedisReader, readBullQueues } from './bull-queue.ts';

export interface WatchedQueue extends QueueAddress {
  readonly url: string;
}

export type QueueState =
  | { readonly readable: true; readonly at: number; readonly snapshot: QueueSnapshot }
  | { readonly readable: false; readonly at: number; readonly error: string };

/** Looks at all queues twice a second, and wakes a pool only when there is something new to decide. */
export interface QueueWatch {
  /** Starts (or goes on) watching the queue of a pool. */
  watch(pool: string, queue: WatchedQueue): void;
  forget(pool: string): void;
  /** The last look; undefined until the first one is over. */
  latest(pool: string): QueueState | undefined;
  stop(): Promise<void>;
}

export interface QueueWatchDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly connect: (url: string) => { redis: RedisReader; close: () => Promise<void> };
  /** The state of a pool's queue changed materially. */
  readonly onChange: (pool: string) => void;
  readonly intervalMs?: number;
}

const DEFAULT_INTERVAL_MS = 500;
/** An answer that takes longer counts as none. */
const TIMEOUT_MS = 3_000;

interface Server {
  readonly url: string;
  readonly connection: ReturnType<QueueWatchDeps['connect']>;
  readonly pools: Map<string, WatchedQueue>;
  timer: Timer;
  busy: boolean;
  running: Promise<void>;
}

export function createQueueWatch(deps: QueueWatchDeps): QueueWatch {
  const { clock, log, onChange, intervalMs = DEFAULT_INTERVAL_MS } = deps;
  const servers = new Map<string, Server>();
  const urlOf = new Map<string, string>();
  const states = new Map<string, QueueState>();

  async function look(server: Server): Promise<void> {
    const pools = [...server.pools];
    const at = clock.now();
    try {
      const addresses = pools.map(([, queue]) => queue);
      const snapshots = await withTimeout(clock, readBullQueues(server.connection.redis, addresses, at));
      for (const [index, [pool]] of pools.entries()) {
        const snapshot = snapshots[index] as QueueSnapshot | Error;
        if (snapshot instanceof Error) record(pool, { readable: false, at, error: snapshot.message });
        else record(pool, { readable: true, at, snapshot });
      }
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      log.debug({ err: error }, 'a Redis with queues could not be read');
      for (const [pool] of pools) record(pool, { readable: false, at, error: message });
    }
  }

  function record(pool: string, state: QueueState): void {
    if (!urlOf.has(pool)) return;
    const before = states.get(pool);
    states.set(pool, state);
    if (isNews(before, state)) onChange(pool);
  }

  function serverOf(url: string): Server {
    const present = servers.get(url);
    if (present) return present;
    const server: Server = {
      url,
      connection: deps.connect(url),
      pools: new Map(),
      busy: false,
      running: Promise.resolve(),
      timer: { cancel: () => undefined },
    };
    const tick = (): void => {
      // A slow Redis is asked again when it has answered, not on top.
      if (server.busy) return;
      server.busy = true;
      server.running = look(server).finally(() => {
        server.busy = false;
      });
    };
    server.timer = clock.setInterval(tick, intervalMs);
    servers.set(url, server);
    // After the caller has put its queue in.
    clock.setTimeout(tick, 0);
    return server;
  }

  async function leave(pool: string): Promise<void> {
    const url = urlOf.get(pool);
    if (url === undefined) return;
    urlOf.delete(pool);
    states.delete(pool);
    const server = servers.get(url);
    server?.pools.delete(pool);
    if (!server || server.pools.size > 0) return;
    servers.delete(url);
    server.timer.cancel();
    await server.running;
    await server.connection.close();
  }

  return {
    watch(pool, queue) {
      const url = urlOf.get(pool);
      if (url !== undefined && url !== queue.url) void leave(pool);
      urlOf.set(pool, queue.url);
      serverOf(queue.url).pools.set(pool, queue);
    },
    forget: (pool) => void leave(pool),
    latest: (pool) => states.get(pool),
    async stop() {
      await Promise.all([...urlOf.keys()].map(leave));
    },
  };
}

/** Whether a pass could decide differently because of it: readability, work appearing, or numbers that moved. */
function isNews(before: QueueState | undefined, now: QueueState): boolean {
  if (!before || before.readable !== now.readable) return true;
  if (!before.readable || !now.readable) return false;
  const a = before.snapshot.reading;
  const b = now.snapshot.reading;
  return (
    a.waiting !== b.waiting || a.active !== b.active || a.paused !== b.paused || a.addedTotal !== b.addedTotal
  );
}

async function withTimeout<T>(clock: Clock, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = clock.setTimeout(
    () => late.reject(new Error(`Redis did not answer within ${TIMEOUT_MS} ms`)),
    TIMEOUT_MS,
  );
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    timer.cancel();
  }
}
