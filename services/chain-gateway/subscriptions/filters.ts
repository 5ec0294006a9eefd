import type { Random } from '../../../lib/random.ts';
import { type EthereumRpc, RpcCallError } from '../rpc/ethereum-rpc.ts';
import { type BlockHeader, parseBlockHeader } from './block-header.ts';
import type { FilterState, FilterStore, HandedOutLog, VersionedFilter } from './filter-store.ts';
import type { LocalMethod, RpcContext } from './local-method.ts';
import { type LogRecord, matchesLog, parseLogFilter } from './log-filter.ts';
import { readPendingTransactions } from './pending-feed.ts';

/** Blocks whose hashes a filter remembers, to notice a reorg between two polls. */
const REMEMBERED_BLOCKS = 64;
/** Logs a filter remembers from those blocks, to take them back. */
const REMEMBERED_LOGS = 2_000;
const REMEMBERED_PENDING = 5_000;
/** Polls of one filter that overtake each other are sorted out by trying again; more often than this is a client gone wild. */
const MAX_CONFLICTS = 5;

export interface FilterLimits {
  /** Blocks one `eth_getFilterChanges` may cover; a filter not polled for longer is behind for good. */
  readonly maxBlocksBehind: number;
  readonly ttlMs: number;
  readonly maxFilters: number;
}

const notFound = (): RpcCallError => new RpcCallError(-32000, 'filter not found', { retry: 'never' });
const hex = (height: number): string => `0x${height.toString(16)}`;
type RawLog = Record<string, unknown> & LogRecord;

/**
 * `eth_newFilter` and its family, without any filter at a provider: a filter is a position on the chain, and a poll
 * asks the read path for what happened since. So a filter outlives every provider and, with a shared store, every
 * replica; one that is not polled costs nothing.
 */
export function createFilters(deps: {
  rpc: EthereumRpc;
  store: FilterStore;
  random: Random;
  limits: FilterLimits;
}): ReadonlyMap<string, LocalMethod> {
  const { rpc, store, random, limits } = deps;
  /** Polls of one filter run one after the other: two at once would hand the same changes out twice. */
  const busy = new Map<string, Promise<unknown>>();

  const options = (context: RpcContext) => ({
    ...(context.principal === undefined ? {} : { principal: context.principal }),
    ...(context.requestId === undefined ? {} : { requestId: context.requestId }),
    ...(context.signal === undefined ? {} : { signal: context.signal }),
  });

  async function block(reference: string, context: RpcContext): Promise<BlockHeader> {
    const header = parseBlockHeader(
      await rpc.request('eth_getBlockByNumber', [reference, false], options(context)),
    );
    if (header === null)
      throw new RpcCallError(-32014, `block ${reference} is not available`, { retry: 'later' });
    return header;
  }

  async function blockOrNull(height: number, context: RpcContext): Promise<BlockHeader | null> {
    return parseBlockHeader(
      await rpc.request('eth_getBlockByNumber', [hex(height), false], options(context)),
    );
  }

  async function make(
    kind: FilterState['kind'],
    filter: Record<string, unknown>,
    context: RpcContext,
  ): Promise<string> {
    const head = kind === 'pending' ? undefined : await block('latest', context);
    const seen = kind === 'pending' ? (await readPendingTransactions(rpc)).map(({ hash }) => hash) : [];
    const id = `0x${Buffer.from(random.bytes(16)).toString('hex')}`;
    const stored = await store.create(id, {
      kind,
      filter,
      principal: context.principal,
      chain: head === undefined ? [] : [{ number: head.number, hash: head.hash }],
      handedOut: [],
      seen,
    });
    if (!stored) {
      throw new RpcCallError(
        -32005,
        `too many filters (${limits.maxFilters}): uninstall some, or use eth_subscribe`,
        {
          retry: 'later',
          retryAfterSeconds: Math.ceil(limits.ttlMs / 1_000),
        },
      );
    }
    return id;
  }

  /** Another principal's filter does not exist, as far as this one can tell. */
  async function find(id: unknown, context: RpcContext): Promise<VersionedFilter> {
    if (typeof id !== 'string')
      throw new RpcCallError(-32602, 'filter id: expected a string', { retry: 'never' });
    const found = await store.get(id);
    if (found === undefined || found.state.principal !== context.principal) throw notFound();
    return found;
  }

  /** Blocks of `state.chain` that are still canonical; the rest was orphaned since the last poll. */
  async function canonicalPart(state: FilterState, head: BlockHeader, context: RpcContext): Promise<number> {
    for (let kept = state.chain.length; kept > 0; kept -= 1) {
      const told = state.chain[kept - 1] as { number: number; hash: string };
      const now =
        told.number > head.number
          ? null
          : told.number === head.number
            ? head
            : await blockOrNull(told.number, context);
      if (now?.hash === told.hash) return kept;
    }
    return 0;
  }

  async function newBlocks(from: number, head: BlockHeader, context: RpcContext): Promise<BlockHeader[]> {
    const blocks: BlockHeader[] = [];
    for (let start = from; start < head.number; start += 8) {
      const count = Math.min(8, head.number - start);
      const batch = await Promise.all(
        Array.from({ length: count }, (_, index) => block(hex(start + index), context)),
      );
      blocks.push(...batch);
    }
    blocks.push(head);
    for (let index = 1; index < blocks.length; index += 1) {
      if (blocks[index]?.parentHash !== blocks[index - 1]?.hash) {
        throw new RpcCallError(-32014, 'the chain reorganised during the call: poll again', {
          retry: 'later',
        });
      }
    }
    return blocks;
  }

  function behind(id: string, blocks: number): RpcCallError {
    busy.delete(id);
    return new RpcCallError(
      -32005,
      `the filter is ${blocks} blocks behind, more than ${limits.maxBlocksBehind}: it was removed, make a new one`,
      { retry: 'never' },
    );
  }

  /** What a poll hands out, and the filter afterwards; no next state when nothing happened. */
  interface Changes {
    readonly changes: unknown[];
    readonly next?: FilterState;
  }

  async function chainChanges(id: string, state: FilterState, context: RpcContext): Promise<Changes> {
    const head = await block('latest', context);
    const cursor = state.chain.at(-1);
    if (cursor === undefined || cursor.hash === head.hash) return { changes: [] };
    const kept = await canonicalPart(state, head, context);
    const oldest = state.chain[0] as { number: number };
    const from = kept === 0 ? oldest.number : (state.chain[kept - 1] as { number: number }).number + 1;
    if (head.number - from >= limits.maxBlocksBehind) {
      await store.delete(id);
      throw behind(id, head.number - from + 1);
    }
    // An older head of the same branch (a replica a moment behind) is no change.
    if (head.number < from) return { changes: [] };

    const added = await newBlocks(from, head, context);
    const orphaned = new Set(state.chain.slice(kept).map(({ hash }) => hash));
    const chain = [
      ...state.chain.slice(0, kept),
      ...added.map(({ number, hash }) => ({ number, hash })),
    ].slice(-REMEMBERED_BLOCKS);
    if (state.kind === 'blocks') return { changes: added.map(({ hash }) => hash), next: { ...state, chain } };
    const logs = await logsOf(state, added, context);
    const removed = state.handedOut.filter(({ blockHash }) => orphaned.has(blockHash));
    const remembered = new Set(chain.map(({ hash }) => hash));
    const handedOut: HandedOutLog[] = [
      ...state.handedOut,
      ...logs.map((log) => ({ blockHash: String(log.blockHash).toLowerCase(), log })),
    ].filter(({ blockHash }) => remembered.has(blockHash));
    return {
      changes: [...removed.reverse().map(({ log }) => ({ ...log, removed: true })), ...logs],
      next: { ...state, chain, handedOut: handedOut.slice(-REMEMBERED_LOGS) },
    };
  }

  /** Logs of these very blocks: by hash while they are few, so that a reorg cannot mix two branches. */
  async function logsOf(
    state: FilterState,
    blocks: readonly BlockHeader[],
    context: RpcContext,
  ): Promise<RawLog[]> {
    const { address, topics } = state.filter;
    const wanted = parseLogFilter(state.filter);
    const [low, high] = bounds(state.filter);
    const inRange = blocks.filter(({ number }) => number >= low && number <= high);
    if (inRange.length === 0) return [];
    const answers = await Promise.all(
      (inRange.length <= 8
        ? inRange.map(({ hash }) => ({ blockHash: hash }))
        : [
            {
              fromBlock: hex((inRange[0] as BlockHeader).number),
              toBlock: hex((inRange.at(-1) as BlockHeader).number),
            },
          ]
      ).map((where) => rpc.request('eth_getLogs', [{ address, topics, ...where }], options(context))),
    );
    const hashes = new Set(inRange.map(({ hash }) => hash));
    const logs = answers.flat() as RawLog[];
    if (logs.some((log) => !hashes.has(String(log.blockHash).toLowerCase()))) {
      throw new RpcCallError(-32014, 'the chain reorganised during the call: poll again', { retry: 'later' });
    }
    return logs.filter((log) => matchesLog(wanted, log));
  }

  function bounds(filter: Record<string, unknown>): [number, number] {
    const height = (value: unknown, otherwise: number): number =>
      typeof value === 'string' && /^0x[0-9a-f]{1,13}$/i.test(value) ? Number(value) : otherwise;
    return [height(filter.fromBlock, 0), height(filter.toBlock, Number.POSITIVE_INFINITY)];
  }

  async function pendingChanges(state: FilterState): Promise<Changes> {
    const seen = new Set(state.seen);
    const fresh = (await readPendingTransactions(rpc))
      .map(({ hash }) => hash)
      .filter((hash) => !seen.has(hash));
    return { changes: fresh, next: { ...state, seen: [...state.seen, ...fresh].slice(-REMEMBERED_PENDING) } };
  }

  async function poll(id: string, context: RpcContext): Promise<unknown[]> {
    for (let conflicts = 0; conflicts < MAX_CONFLICTS; conflicts += 1) {
      const { state, version } = await find(id, context);
      const { changes, next } =
        state.kind === 'pending' ? await pendingChanges(state) : await chainChanges(id, state, context);
      if (next === undefined || (await store.replace(id, next, version))) return changes;
    }
    throw new RpcCallError(-32005, 'the filter is polled from several places at once: poll it from one', {
      retry: 'later',
    });
  }

  function oneAtATime<T>(id: string, work: () => Promise<T>): Promise<T> {
    const next = (busy.get(id) ?? Promise.resolve()).catch(() => undefined).then(work);
    busy.set(id, next);
    const forget = (): void => {
      if (busy.get(id) === next) busy.delete(id);
    };
    next.then(forget, forget);
    return next;
  }

  return new Map<string, LocalMethod>([
    [
      'eth_newFilter',
      async ([filter], context) => {
        parseLogFilter(filter);
        const { blockHash } = (filter ?? {}) as { blockHash?: unknown };
        if (blockHash !== undefined)
          throw new RpcCallError(-32602, 'filter: blockHash is for eth_getLogs', { retry: 'never' });
        return make('logs', (filter ?? {}) as Record<string, unknown>, context);
      },
    ],
    ['eth_newBlockFilter', async (_params, context) => make('blocks', {}, context)],
    ['eth_newPendingTransactionFilter', async (_params, context) => make('pending', {}, context)],
    [
      'eth_getFilterChanges',
      async ([id], context) => {
        await find(id, context);
        return oneAtATime(id as string, () => poll(id as string, context));
      },
    ],
    [
      'eth_getFilterLogs',
      async ([id], context) => {
        const { state } = await find(id, context);
        if (state.kind !== 'logs') throw notFound();
        return rpc.request('eth_getLogs', [state.filter], options(context));
      },
    ],
    [
      'eth_uninstallFilter',
      async ([id], context) => {
        const found = typeof id === 'string' ? await store.get(id) : undefined;
        return (
          found !== undefined && found.state.principal === context.principal && store.delete(id as string)
        );
      },
    ],
  ]);
}
