import type { BoundCall } from './block-binding.ts';
import type { Engine, EngineAnswer, Work } from './engine.ts';
import { arrayElements, canonicalJson } from './json-text.ts';
import { success } from './outcome.ts';

export interface LogSplitter {
  run(call: BoundCall, work: Work): { answer: Promise<EngineAnswer>; cancel(): void };
  /** Pieces that the call will be split into as far as is known beforehand; 1 for every other method. */
  pieces(call: BoundCall): number;
}

/** Pieces of one eth_getLogs that are under way at the same time. */
const MAX_PARALLEL = 4;
/** Pieces one call may become: a range that needs more is answered with the provider's error. */
const MAX_PIECES = 2_000;

interface Filter {
  readonly fromBlock: number;
  readonly toBlock: number;
  readonly address: unknown;
  readonly topics: unknown;
}

/**
 * eth_getLogs for ranges that no provider takes in one piece: split by block range, a single block by address and
 * then by the alternatives of the first topic that has some. A piece that is still too large is split again.
 * Results come in chain order without duplicates, whatever order the pieces arrive in.
 */
export function createLogSplitter(deps: {
  engine: Engine /** Most blocks that any usable provider takes at once. */;
  maxRange: () => number | undefined;
  /** A provider refused a range of so many blocks. */
  onTooLarge?: (provider: string, blocks: number, message: string) => void;
}): LogSplitter {
  return {
    pieces({ method, block }) {
      if (method !== 'eth_getLogs' || block.kind !== 'number') return 1;
      const limit = deps.maxRange();
      return limit === undefined ? 1 : Math.min(MAX_PIECES, Math.ceil((block.to - block.from + 1) / limit));
    },
    run(call, work) {
      const block = call.block as { from: number; to: number };
      const raw = call.params[0] as Record<string, unknown>;
      const whole: Filter = {
        fromBlock: block.from,
        toBlock: block.to,
        address: raw.address,
        topics: raw.topics,
      };
      const cancels = new Set<() => void>();
      let cancelled = false;
      let pieces = 0;
      let attempts = 0;
      let units = 0;
      let last: EngineAnswer | undefined;
      let active = 0;
      const waiting: (() => void)[] = [];

      const slot = async <T>(task: () => Promise<T>): Promise<T> => {
        if (active >= MAX_PARALLEL) await new Promise<void>((resolve) => waiting.push(resolve));
        else active++;
        try {
          return await task();
        } finally {
          // The slot goes straight to the next one who waits; freeing it first would let two take it.
          const next = waiting.shift();
          if (next === undefined) active--;
          else next();
        }
      };

      const one = (filter: Filter): Promise<EngineAnswer> =>
        slot(async () => {
          if (cancelled && last !== undefined) return last;
          pieces++;
          const params = filter === whole ? work.params : textOf(filter);
          const piece: Work = { ...work, params, minBlock: filter.toBlock };
          // Later callers may extend the deadline of the whole; its pieces follow.
          Object.defineProperty(piece, 'deadlineAt', { get: () => work.deadlineAt });
          const run = deps.engine.run(piece);
          cancels.add(run.cancel);
          const answer = await run.answer;
          cancels.delete(run.cancel);
          attempts += answer.attempts;
          units += answer.units;
          last = answer;
          if (answer.errorKind === 'range-too-large' && !answer.outcome.ok && answer.provider !== undefined) {
            const blocks = filter.toBlock - filter.fromBlock + 1;
            deps.onTooLarge?.(answer.provider, blocks, answer.outcome.message);
          }
          return answer;
        });

      const failed = (answer: EngineAnswer): string[] => {
        if (!cancelled) {
          cancelled = true;
          last = answer;
          for (const cancel of [...cancels]) cancel();
        }
        return [];
      };

      /** JSON texts of logs, in chain order. */
      const collect = async (filter: Filter): Promise<string[]> => {
        if (cancelled) return [];
        const limit = deps.maxRange();
        const range = filter.toBlock - filter.fromBlock + 1;
        if (limit !== undefined && range > limit) return inParts(chunks(filter, limit));
        const answer = await one(filter);
        if (answer.outcome.ok) return arrayElements(answer.outcome.result) ?? failed(answer);
        if (answer.errorKind !== 'range-too-large' || pieces >= MAX_PIECES) return failed(answer);
        const parts = halves(filter);
        if (parts.length < 2) return failed(answer);
        const collected = await inParts(parts);
        return parts[0]?.fromBlock === parts[1]?.fromBlock ? inChainOrder(collected) : collected;
      };
      const inParts = async (parts: readonly Filter[]): Promise<string[]> => {
        if (parts.length + pieces > MAX_PIECES && last !== undefined) return failed(last);
        return (await Promise.all(parts.map(collect))).flat();
      };

      const finished = (logs: readonly string[]): EngineAnswer => {
        if (cancelled && last !== undefined) return { ...last, attempts, units };
        return {
          outcome: success(`[${logs.join(',')}]`),
          errorKind: undefined,
          provider: last?.provider,
          attempts,
          units,
        };
      };
      const answer = (async (): Promise<EngineAnswer> => {
        const limit = deps.maxRange();
        if (limit === undefined || whole.toBlock - whole.fromBlock + 1 <= limit) {
          // The usual case: one piece, whose bytes are forwarded as they came.
          const first = await one(whole);
          if (first.errorKind !== 'range-too-large') return first;
          const parts = halves(whole);
          if (parts.length < 2) return first;
          const logs = await inParts(parts);
          const ordered = parts[0]?.fromBlock === parts[1]?.fromBlock ? inChainOrder(logs) : logs;
          return finished(ordered);
        }
        return finished(await collect(whole));
      })();
      return {
        answer,
        cancel() {
          cancelled = true;
          for (const cancel of [...cancels]) cancel();
        },
      };
    },
  };
}

function chunks(filter: Filter, size: number): Filter[] {
  const parts: Filter[] = [];
  for (let from = filter.fromBlock; from <= filter.toBlock; from += size) {
    parts.push({ ...filter, fromBlock: from, toBlock: Math.min(filter.toBlock, from + size - 1) });
  }
  return parts;
}

/** The two halves of a filter: by range, then by addresses, then by alternatives of a topic; one part when indivisible. */
export function halves(filter: Filter): Filter[] {
  if (filter.toBlock > filter.fromBlock) {
    const middle = Math.floor((filter.fromBlock + filter.toBlock) / 2);
    return [
      { ...filter, toBlock: middle },
      { ...filter, fromBlock: middle + 1 },
    ];
  }
  if (Array.isArray(filter.address) && filter.address.length > 1) {
    const [first, second] = cut(filter.address);
    return [
      { ...filter, address: first },
      { ...filter, address: second },
    ];
  }
  if (Array.isArray(filter.topics)) {
    const topics: readonly unknown[] = filter.topics;
    const index = topics.findIndex((topic) => Array.isArray(topic) && topic.length > 1);
    if (index >= 0) {
      const [first, second] = cut(topics[index] as unknown[]);
      return [
        { ...filter, topics: topics.with(index, first) },
        { ...filter, topics: topics.with(index, second) },
      ];
    }
  }
  return [filter];
}

function cut(list: readonly unknown[]): [unknown[], unknown[]] {
  // The same address twice would bring the same log twice.
  const unique = [...new Set(list.map((item) => (typeof item === 'string' ? item.toLowerCase() : item)))];
  const middle = Math.ceil(unique.length / 2);
  return [unique.slice(0, middle), unique.slice(middle)];
}

function textOf(filter: Filter): string {
  return canonicalJson(
    [
      {
        fromBlock: `0x${filter.fromBlock.toString(16)}`,
        toBlock: `0x${filter.toBlock.toString(16)}`,
        ...(filter.address === undefined ? {} : { address: filter.address }),
        ...(filter.topics === undefined ? {} : { topics: filter.topics }),
      },
    ],
    true,
  );
}

/** Logs of one block by log index, each once. */
function inChainOrder(logs: readonly string[]): string[] {
  const byIndex = new Map<number, string>();
  for (const log of logs) byIndex.set(Number(/"logIndex"\s*:\s*"(0x[0-9a-fA-F]+)"/.exec(log)?.[1] ?? 0), log);
  return [...byIndex].sort(([a], [b]) => a - b).map(([, log]) => log);
}
