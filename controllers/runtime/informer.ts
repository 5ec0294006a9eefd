import type { Logger } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import type { Clock } from '../../lib/time.ts';
import type { KubeObject } from '../api.ts';
import { type KubeClient, type ListOptions, type Resource, SilentWatchError } from './kube-client.ts';
import { isGone } from './kube-error.ts';

/** What happened to an object; `old` is what the store held before. */
export interface Change<T> {
  readonly key: string;
  readonly object: T | undefined;
  readonly old: T | undefined;
}

/** A local copy of all objects of a kind, kept up to date for ever. */
export interface Informer<T extends KubeObject> {
  /** Starts listing and watching. */
  start(): void;
  /** Ends it; resolves when nothing runs any more. */
  stop(): Promise<void>;
  /** True once the first list is in the store. */
  synced(): boolean;
  /** Resolves when the first list is in the store. */
  waitForSync(signal?: AbortSignal): Promise<void>;
  get(key: string): T | undefined;
  list(): T[];
  /** Adds a listener; it hears of everything that is in the store already. */
  onChange(listener: (change: Change<T>) => void): void;
  /** Milliseconds since the server was last heard of: an answer, an event, a bookmark. */
  silentMs(): number;
}

export interface InformerDeps<T extends KubeObject> extends ListOptions {
  readonly client: Pick<KubeClient, 'list' | 'watch'>;
  readonly resource: Resource<T>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** A watch that says nothing for this long is presumed dead. Bookmarks come about every minute. */
  readonly watchdogMs?: number;
  /** The longest pause between two attempts. */
  readonly maxBackoffMs?: number;
  readonly onRelist?: (reason: string) => void;
}

const DEFAULT_WATCHDOG_MS = 100_000;
const HEALTHY_MS = 5_000;
const FIRST_BACKOFF_MS = 200;
const DEFAULT_MAX_BACKOFF_MS = 15_000;
/** The server closes a watch after this long, plus a random part: not all clients reconnect at once. */
const WATCH_SECONDS = 300;

/** `namespace/name`, or `name` for objects outside of namespaces. */
export const keyOf = (object: KubeObject): string =>
  object.metadata?.namespace
    ? `${object.metadata.namespace}/${object.metadata.name}`
    : (object.metadata?.name ?? '');

/**
 * List, then watch from there; when the watch ends, watch on from the last version seen (bookmarks keep it fresh);
 * when that history is gone (410), list again and tell listeners the differences, deletions included. Nothing ends it
 * but `stop`.
 */
export function createInformer<T extends KubeObject>(deps: InformerDeps<T>): Informer<T> {
  const { client, resource, clock, random, log } = deps;
  const watchdogMs = deps.watchdogMs ?? DEFAULT_WATCHDOG_MS;
  const maxBackoffMs = deps.maxBackoffMs ?? DEFAULT_MAX_BACKOFF_MS;
  const store = new Map<string, T>();
  const listeners: ((change: Change<T>) => void)[] = [];
  const stopping = new AbortController();
  const firstSync = Promise.withResolvers<void>();
  let synced = false;
  let running: Promise<void> | undefined;
  let version: string | undefined;
  let heardAt = clock.monotonic();
  let failures = 0;

  const tell = (change: Change<T>): void => {
    for (const listener of listeners) {
      try {
        listener(change);
      } catch (error) {
        log.error({ err: error, kind: resource.kind, key: change.key }, 'a listener of an informer failed');
      }
    }
  };
  const put = (object: T): void => {
    const key = keyOf(object);
    const old = store.get(key);
    if (old && old.metadata?.resourceVersion === object.metadata?.resourceVersion) return;
    store.set(key, object);
    tell({ key, object, old });
  };
  const drop = (key: string): void => {
    const old = store.get(key);
    if (!store.delete(key)) return;
    tell({ key, object: undefined, old });
  };
  const heard = (): void => {
    heardAt = clock.monotonic();
  };

  async function relist(reason: string): Promise<void> {
    deps.onRelist?.(reason);
    const { items, resourceVersion } = await client.list(resource, deps, stopping.signal);
    heard();
    const present = new Set(items.map(keyOf));
    for (const key of [...store.keys()]) if (!present.has(key)) drop(key);
    for (const item of items) put(item);
    version = resourceVersion;
    failures = 0;
    if (!synced) {
      synced = true;
      firstSync.resolve();
    }
  }

  async function watch(from: string): Promise<void> {
    const watching = new AbortController();
    const abort = (): void => watching.abort(stopping.signal.reason);
    stopping.signal.addEventListener('abort', abort, { once: true });
    heard();
    const watchdog = clock.setInterval(
      () => {
        if (clock.monotonic() - heardAt >= watchdogMs)
          watching.abort(new SilentWatchError(`watch of ${resource.plural} was silent for ${watchdogMs} ms`));
      },
      Math.max(50, watchdogMs / 4),
    );
    try {
      const timeoutSeconds = WATCH_SECONDS + Math.floor(random.float() * WATCH_SECONDS);
      const events = client.watch(
        resource,
        { ...deps, resourceVersion: from, timeoutSeconds },
        { signal: watching.signal, onBytes: heard },
      );
      for await (const event of events) {
        failures = 0;
        version = event.object.metadata?.resourceVersion ?? version;
        if (event.type === 'BOOKMARK') continue;
        if (event.type === 'DELETED') drop(keyOf(event.object));
        else put(event.object);
      }
    } finally {
      watchdog.cancel();
      stopping.signal.removeEventListener('abort', abort);
    }
  }

  async function run(): Promise<void> {
    let reason = 'start';
    while (!stopping.signal.aborted) {
      const startedAt = clock.monotonic();
      try {
        if (version === undefined) await relist(reason);
        await watch(version as unknown as string);
        // A watch that the server ends at once, again and again, must not become a busy loop.
        if (clock.monotonic() - startedAt < 1000) failures++;
      } catch (error) {
        if (stopping.signal.aborted) return;
        if (isGone(error)) {
          reason = 'the history was compacted (410)';
          version = undefined;
          log.info({ kind: resource.kind }, 'the watch is too far behind; listing again');
          continue;
        }
        // A watch that lived for a while proves the server well: this is a first failure, not one more.
        if (clock.monotonic() - startedAt > HEALTHY_MS) failures = 0;
        failures++;
        log.debug({ err: error, kind: resource.kind, failures }, 'list or watch failed; trying again');
      }
      if (failures > 0) {
        // Full jitter: a restarted API server must not meet all of its clients at the same moment.
        const ceiling = Math.min(maxBackoffMs, FIRST_BACKOFF_MS * 2 ** Math.min(failures, 16));
        await clock.sleep(random.float() * ceiling, stopping.signal).catch(() => undefined);
      }
    }
  }

  return {
    start() {
      running ??= run();
    },
    async stop() {
      stopping.abort(new Error('the informer was stopped'));
      await running;
    },
    synced: () => synced,
    async waitForSync(signal) {
      if (!signal) return firstSync.promise;
      const aborted = Promise.withResolvers<void>();
      signal.addEventListener('abort', () => aborted.reject(signal.reason), { once: true });
      await Promise.race([firstSync.promise, aborted.promise]);
    },
    get: (key) => store.get(key),
    list: () => [...store.values()],
    onChange(listener) {
      listeners.push(listener);
      for (const [key, object] of store) listener({ key, object, old: undefined });
    },
    silentMs: () => clock.monotonic() - heardAt,
  };
}
