import cluster, { type Worker } from 'node:cluster';
import type { Clock } from '../../../lib/time.ts';
import { RpcCallError } from '../rpc/ethereum-rpc.ts';
import type { FilterStore } from './filter-store.ts';

/** The primary does nothing else; slower than this it is gone. */
const ANSWER_WITHIN_MS = 2_000;

type Operation = keyof FilterStore;
interface Ask {
  readonly filterStore: 'ask';
  readonly id: string;
  readonly operation: Operation;
  readonly arguments: readonly unknown[];
}
interface Told {
  readonly filterStore: 'told';
  readonly id: string;
  readonly value: unknown;
}
const isOurs = (message: unknown): message is Ask | Told =>
  typeof message === 'object' && message !== null && 'filterStore' in message;

/** Serves the filters of all workers from the primary, so that a filter made at one worker is polled at another. */
export function serveFilterStore(store: FilterStore): void {
  cluster.on('message', (from: Worker, message: unknown) => {
    if (!isOurs(message) || message.filterStore !== 'ask') return;
    const operation = store[message.operation] as (...all: readonly unknown[]) => Promise<unknown>;
    void operation(...message.arguments).then((value) => {
      if (from.isConnected())
        from.send({ filterStore: 'told', id: message.id, value: value ?? null } satisfies Told);
    });
  });
}

/** A worker's end of {@link serveFilterStore}. */
export function createClusterFilterStore(clock: Clock): FilterStore {
  const waiting = new Map<string, (value: unknown) => void>();
  let next = 1;
  process.on('message', (message: unknown) => {
    if (!isOurs(message) || message.filterStore !== 'told') return;
    waiting.get(message.id)?.(message.value);
    waiting.delete(message.id);
  });
  function ask<T>(operation: Operation, ...rest: readonly unknown[]): Promise<T> {
    const id = `${process.pid}-${next++}`;
    return new Promise((resolve, reject) => {
      const timer = clock.setTimeout(() => {
        waiting.delete(id);
        reject(
          new RpcCallError(-32603, 'filters are unavailable: their store does not answer', {
            retry: 'later',
            retryAfterSeconds: 1,
          }),
        );
      }, ANSWER_WITHIN_MS);
      waiting.set(id, (value) => {
        timer.cancel();
        resolve(value as T);
      });
      process.send?.({ filterStore: 'ask', id, operation, arguments: rest } satisfies Ask);
    });
  }
  return {
    create: (id, state) => ask('create', id, state),
    get: async (id) => (await ask<Awaited<ReturnType<FilterStore['get']>> | null>('get', id)) ?? undefined,
    replace: (id, state, version) => ask('replace', id, state, version),
    delete: (id) => ask('delete', id),
  };
}
