import type { Clock } from '../../../lib/time.ts';
import type { EthereumRpc } from '../rpc/ethereum-rpc.ts';
import type { BlockHeader } from './block-header.ts';
import type { ChainStep } from './chain-follower.ts';
import { type LogFilter, type LogRecord, matchesLog, unionOfAddresses } from './log-filter.ts';

/** First and longest pause before a block's logs are asked for again. */
const RETRY_FLOOR_MS = 100;
const RETRY_CEILING_MS = 2_000;
/** Blocks whose logs are kept to be taken back in a reorg: as many as the follower remembers. */
const REMEMBERED_BLOCKS = 256;
/** Blocks whose logs are fetched ahead of their turn. */
const FETCH_AHEAD = 8;

export interface LogListener {
  readonly filter: LogFilter;
  /** JSON text of one log. */
  onLog(json: string): void;
}

interface DeliveredLog {
  readonly log: LogRecord;
  readonly json: string;
}

interface Pending {
  readonly step: ChainStep;
  logs: Promise<DeliveredLog[] | undefined> | undefined;
}

export interface LogFeed {
  /** Hears of logs in blocks above `after`. */
  add(listener: LogListener, after: number): () => void;
  onStep(step: ChainStep): void;
  readonly size: number;
}

/**
 * Logs of each new block, fetched once for all subscribers by block hash, told in chain order, and taken back with
 * `removed: true` when their block loses. A block whose logs cannot be read holds up the blocks behind it: late is
 * better than a hole.
 */
export function createLogFeed(deps: {
  rpc: EthereumRpc;
  clock: Clock;
  onFailure: (error: unknown) => void;
}): LogFeed {
  const { rpc, clock, onFailure } = deps;
  const listeners = new Map<LogListener, number>();
  const told = new Map<string, DeliveredLog[]>();
  const queue: Pending[] = [];
  const orphaned = new Set<string>();
  let working = false;

  function parseLogs(result: unknown): DeliveredLog[] {
    if (!Array.isArray(result)) throw new Error('eth_getLogs did not answer a list');
    return result.map((log: LogRecord) => ({ log, json: JSON.stringify(log) }));
  }

  /** Resolves to undefined when the block was orphaned before its logs could be read: nothing to tell then. */
  async function fetchLogs(block: BlockHeader): Promise<DeliveredLog[] | undefined> {
    let pause = RETRY_FLOOR_MS;
    while (!orphaned.has(block.hash) && listeners.size > 0) {
      const address = unionOfAddresses([...listeners.keys()].map((listener) => listener.filter));
      try {
        const filter = { blockHash: block.hash, ...(address === undefined ? {} : { address }) };
        return parseLogs(await rpc.request('eth_getLogs', [filter], { principal: 'subscriptions' }));
      } catch (error) {
        onFailure(error);
        await clock.sleep(pause);
        pause = Math.min(RETRY_CEILING_MS, pause * 2);
      }
    }
    return undefined;
  }

  function tell(height: number, logs: readonly DeliveredLog[]): void {
    for (const [listener, after] of [...listeners]) {
      if (height <= after) continue;
      for (const { log, json } of logs) if (matchesLog(listener.filter, log)) listener.onLog(json);
    }
  }

  function fetchAhead(): void {
    let ahead = 0;
    for (const pending of queue) {
      if (ahead >= FETCH_AHEAD) return;
      if (pending.step.type !== 'added') continue;
      pending.logs ??= fetchLogs(pending.step.block);
      ahead += 1;
    }
  }

  async function workThroughQueue(): Promise<void> {
    for (let pending = queue[0]; pending !== undefined; pending = queue[0]) {
      fetchAhead();
      const { step } = pending;
      if (step.type === 'added') {
        const logs = await pending.logs;
        if (logs !== undefined) {
          told.set(step.block.hash, logs);
          if (told.size > REMEMBERED_BLOCKS) told.delete(told.keys().next().value as string);
          tell(step.block.number, logs);
        }
      } else if (step.type === 'removed') {
        const logs = told.get(step.block.hash);
        told.delete(step.block.hash);
        orphaned.delete(step.block.hash);
        if (logs !== undefined) {
          tell(
            step.block.number,
            logs.map(({ log }) => ({ log, json: JSON.stringify({ ...log, removed: true }) })).reverse(),
          );
        }
        // Whoever came later than this height hears of the block that takes its place.
        for (const [listener, after] of listeners)
          listeners.set(listener, Math.min(after, step.block.number - 1));
      }
      queue.shift();
    }
  }

  async function work(): Promise<void> {
    working = true;
    try {
      await workThroughQueue();
    } finally {
      working = false;
    }
    // A step may have come in between the end of the queue and this line.
    if (queue.length > 0) await work();
  }

  return {
    get size() {
      return listeners.size;
    },
    add(listener, after) {
      listeners.set(listener, after);
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        told.clear();
        orphaned.clear();
      };
    },
    onStep(step) {
      if (listeners.size === 0 && queue.length === 0) return;
      if (step.type === 'removed') {
        orphaned.add(step.block.hash);
      } else if (step.type === 'added') {
        // The branch may win a second time.
        orphaned.delete(step.block.hash);
      }
      queue.push({ step, logs: undefined });
      fetchAhead();
      if (!working) work().catch(onFailure);
    },
  };
}
