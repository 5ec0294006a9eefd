import type { Logger } from '../../lib/log.ts';
import type { Clock, Timer } from '../../lib/time.ts';
import {
  type QueueAddress,
  type QueueSnapshot,
  type RedisReader,
  readBullQueues,
  stillIdle,
} from './bull-queue.ts';

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

/** An idle queue is read in full this often all the same: it may have been paused. */
const FULL_EVERY_MS = 15_000;
/** So many idle queues per look, not all at the same moment. */
const REFRESH_PER_LOOK = 20;
/** Queues per round trip: small enough that Redis and we do other things in between. */
const CHUNK = 100;

type ReadableState = Extract<QueueState, { readable: true }>;
type Watched = WatchedQueue & { readonly pool: string };

function isIdle(state: QueueState): state is ReadableState {
  if (!state.readable) return false;
  const { waiting, active, delayed, paused } = state.snapshot.reading;
  return waiting === 0 && active === 0 && delayed === 0 && !paused;
}

function* chunks<T>(list: readonly T[]): Generator<T[]> {
  for (let from = 0; from < list.length; from += CHUNK) yield list.slice(from, from + CHUNK);
}

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
  /** When each queue was last read in full. */
  const readAt = new Map<string, number>();

  async function look(server: Server): Promise<void> {
    const at = clock.now();
    const busy: Watched[] = [];
    const idle: (Watched & { state: ReadableState; addedTotal: number })[] = [];
    let refreshed = 0;
    for (const [pool, queue] of server.pools) {
      const state = states.get(pool);
      const watched = { pool, ...queue };
      const due = at - (readAt.get(pool) ?? 0) >= FULL_EVERY_MS && refreshed < REFRESH_PER_LOOK;
      if (state && isIdle(state) && due) refreshed++;
      if (state && isIdle(state) && !due) {
        idle.push({ ...watched, state, addedTotal: state.snapshot.reading.addedTotal });
      } else busy.push(watched);
    }
    await readFully(server, busy, at);
    for (const chunk of chunks(idle)) {
      const news: Watched[] = [];
      await attempt(chunk, at, async () => {
        const same = await withTimeout(clock, stillIdle(server.connection.redis, chunk));
        for (const [index, watched] of chunk.entries()) {
          if (same[index]) record(watched.pool, { ...watched.state, at });
          else news.push(watched);
        }
      });
      // At once, before the other idle ones are looked at: this is where seconds count.
      await readFully(server, news, clock.now());
    }
  }

  async function readFully(server: Server, queues: readonly Watched[], at: number): Promise<void> {
    for (const chunk of chunks(queues)) {
      await attempt(chunk, at, async () => {
        const snapshots = await withTimeout(clock, readBullQueues(server.connection.redis, chunk, at));
        for (const [index, { pool }] of chunk.entries()) {
          const snapshot = snapshots[index] as QueueSnapshot | Error;
          readAt.set(pool, at);
          if (snapshot instanceof Error) record(pool, { readable: false, at, error: snapshot.message });
          else record(pool, { readable: true, at, snapshot });
        }
      });
    }
  }

  async function attempt(chunk: readonly Watched[], at: number, read: () => Promise<void>): Promise<void> {
    try {
      await read();
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      log.debug({ err: error }, 'a Redis with queues could not be read');
      for (const { pool } of chunk) record(pool, { readable: false, at, error: message });
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
    readAt.delete(pool);
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
