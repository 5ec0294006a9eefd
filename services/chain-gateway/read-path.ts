import type { Logger } from '../../lib/log.ts';
import type { Metrics } from '../../lib/metrics.ts';
import type { Random } from '../../lib/random.ts';
import type { Clock } from '../../lib/time.ts';
import { sampledContext } from '../../lib/tracing/tracer.ts';
import { scopeRefusal } from './admission/check-scope.ts';
import type { CallLimiter } from './admission/limits/call-limiter.ts';
import { unlimitedPrincipal } from './admission/principal.ts';
import { type CallCache, createCallCache } from './cache/call-cache.ts';
import type { SharedCache } from './cache/shared-cache.ts';
import { type CostBook, createCostBook } from './cost/cost-book.ts';
import { createExplainer, type Explainer } from './explain/explainer.ts';
import { createTrace } from './explain/trace.ts';
import { traceAttempt } from './explain/trace-attempt.ts';
import { type ChainView, type ChainViewControl, createChainView } from './heads/chain-view.ts';
import { createHeadPoller, type HeadPoller } from './heads/head-poller.ts';
import type { UpstreamTransport } from './providers/attempt.ts';
import { createExtraCallBudget } from './providers/budget.ts';
import { type CapacityQueue, createCapacityQueue } from './providers/capacity-queue.ts';
import { watchOwnLag } from './providers/own-lag.ts';
import { createProvider, type Provider } from './providers/provider.ts';
import type { ProviderConfig } from './providers/provider-config.ts';
import { createProviderPool, type ProviderPool } from './providers/provider-pool.ts';
import { type CallPath, createCallPath, type RpcCall } from './rpc/call-path.ts';
import { createCoalescer } from './rpc/coalescer.ts';
import { createEngine } from './rpc/engine.ts';
import { type EthereumRpc, RpcCallError } from './rpc/ethereum-rpc.ts';
import { createFrontDoor, type FrontDoor } from './rpc/front-door.ts';
import { createHedgePolicy, HEDGE_RATIO } from './rpc/hedge-policy.ts';
import { createLocalMethods, type LocalMethods } from './rpc/local-methods.ts';
import { createLogSplitter } from './rpc/log-splitter.ts';
import { createMulticaller, MULTICALL3_ADDRESS, type MulticallMode } from './rpc/multicall.ts';
import type { RpcOutcome } from './rpc/outcome.ts';
import { createPaidCalls } from './rpc/paid-calls.ts';
import { createRawTransactions } from './rpc/raw-transactions.ts';
import { createRpcMetrics } from './rpc-metrics.ts';

export interface ReadPathOptions {
  readonly chainId: number;
  readonly providers: readonly ProviderConfig[];
  readonly callTimeoutMs: number;
  readonly headPollMs: number;
  readonly maxLagBlocks: number;
  readonly headFloorMaxAgeMs: number;
  readonly cacheBytes: number;
  readonly maxBatch: number;
  /** A function is asked each time: a feature flag. */
  readonly hedging: boolean | (() => boolean);
  /** Longest time a call waits for room in the providers' rate limits. */
  readonly queueMaxWaitMs: number;
  /** Aggregation of eth_calls by Multicall3; the address differs on development chains. */
  readonly multicall?: { readonly mode: MulticallMode; readonly address: string };
  /** Requests whose path is remembered; 0 switches explaining off. */
  readonly explainCapacity: number;
  /** Methods that are refused by default and allowed here. */
  readonly extraMethods: readonly string[];
  readonly version: string;
}

export interface ReadPathDeps {
  readonly options: ReadPathOptions;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Opens the wire to a provider. */
  readonly transport: (provider: ProviderConfig) => UpstreamTransport;
  /** Runs a function after the calls of this tick. */
  readonly defer: (fn: () => void) => void;
  readonly shared?: SharedCache;
  /** Rate limits of clients; without them every call is let in. */
  readonly limiter?: CallLimiter | undefined;
}

/** The read path of one chain with everything it is made of. */
export interface ReadPath {
  /** For the gateway's own parts: transactions, indexer, events. */
  readonly rpc: EthereumRpc;
  /** For JSON-RPC clients, whatever the transport. */
  readonly door: FrontDoor;
  readonly path: CallPath;
  readonly view: ChainView & Pick<ChainViewControl, 'heard'>;
  readonly pool: ProviderPool;
  readonly heads: HeadPoller;
  /** Calls that wait for room at providers. */
  readonly queue: CapacityQueue;
  readonly cache: CallCache;
  readonly cost: CostBook;
  readonly explainer: Explainer | undefined;
  readonly local: LocalMethods;
  /** Starts following the chain; resolves after every provider was asked once, at the latest after `maxWaitMs`. */
  start(maxWaitMs: number): Promise<void>;
  /** Uses another set of providers from now on; those that stay keep what was learned about them. */
  reconfigure(providers: readonly ProviderConfig[]): void;
  /** True when at least one provider is in good standing and the head is known. */
  ready(): boolean;
  close(): Promise<void>;
}

const INTERNAL = unlimitedPrincipal('internal', 'internal');
/** Extra calls for retries: a fifth of the calls, and a reserve that covers a burst in flight on a dying provider. */
const RETRY_BUDGET = { ratio: 0.2, perSecond: 10, reserve: 1_000 } as const;
const HEDGE_BUDGET = { ratio: HEDGE_RATIO, perSecond: 0.1, reserve: 50 } as const;
/** An old provider's connections are closed this long after a reload, when its last calls are done. */
const RETIRE_MS = 30_000;
/** One result may take this share of the cache. */
const MAX_ENTRY_SHARE = 1 / 16;

export function createReadPath(deps: ReadPathDeps): ReadPath {
  const { options, clock, random, log, metrics } = deps;
  const { limiter } = deps;
  const { chainId } = options;
  const rpcMetrics = createRpcMetrics(metrics);
  const view = createChainView({ chainId, clock, floorMaxAgeMs: options.headFloorMaxAgeMs });
  const cost = createCostBook({ clock });
  const explainer =
    options.explainCapacity > 0 ? createExplainer({ clock, capacity: options.explainCapacity }) : undefined;

  const ownLag = watchOwnLag(clock);
  const open = (config: ProviderConfig): Provider =>
    createProvider({
      config,
      transport: deps.transport(config),
      clock,
      defer: deps.defer,
      ownLagMs: ownLag.ms,
      onBreaker(provider, state) {
        rpcMetrics.breaker(provider, state);
        pool.invalidate();
        log.warn({ provider, state }, `breaker ${state}`);
        if (state !== 'open') engine.wake();
      },
    });
  const pool: ProviderPool = createProviderPool({ chainId, clock, providers: options.providers.map(open) });

  const queue = createCapacityQueue({
    clock,
    rate: () => pool.totalRate(),
    typicalMs: () => pool.typicalMs(),
    rationed: () => pool.rationed(),
    maxWaitMs: options.queueMaxWaitMs,
    onLeft: (priority, waitedMs, refusal) => rpcMetrics.leftQueue(priority, waitedMs, refusal?.reason),
  });
  rpcMetrics.watchQueue(queue);
  const engine = createEngine({
    pool,
    clock,
    random,
    retryBudget: createExtraCallBudget({ clock, ...RETRY_BUDGET }),
    hedging: createHedgePolicy({
      enabled: options.hedging,
      budget: createExtraCallBudget({ clock, ...HEDGE_BUDGET }),
    }),
    queue,
    onAttempt(record) {
      rpcMetrics.attempt(record);
      cost.charge(record);
      traceAttempt(record, clock);
    },
  });
  const heads = createHeadPoller({
    pool,
    view,
    clock,
    log,
    intervalMs: options.headPollMs,
    maxLagBlocks: options.maxLagBlocks,
    onStateChange: () => engine.wake(),
    onPolled: () => rpcMetrics.heads(view, pool),
  });
  const local = createLocalMethods({ view, clock, version: options.version, chainId });
  const cache = createCallCache({
    view,
    clock,
    maxBytes: options.cacheBytes,
    maxEntryBytes: options.cacheBytes * MAX_ENTRY_SHARE,
  });
  rpcMetrics.watchCache(cache);
  const paid = createPaidCalls({
    coalescer: createCoalescer(clock, options.callTimeoutMs),
    clock,
    newCallId: () => random.uuid(),
    callTimeoutMs: options.callTimeoutMs,
  });
  const path = createCallPath({
    clock,
    view,
    local,
    cache,
    shared: deps.shared,
    paid,
    engine,
    logs: createLogSplitter({
      engine,
      maxRange: () => maxLogRange(pool),
      onTooLarge: (id, blocks, message) =>
        pool
          .providers()
          .find((provider) => provider.id === id)
          ?.logRange.onRefused(blocks, message),
    }),
    multicall: createMulticaller({
      engine,
      ...(options.multicall ?? { mode: 'known', address: MULTICALL3_ADDRESS }),
      clock,
      defer: deps.defer,
    }),
    writes: createRawTransactions({
      engine,
      paid,
      clock,
      onSent(hash) {
        for (const method of ['eth_getTransactionByHash', 'eth_getTransactionReceipt'])
          cache.forget(`${method}["${hash}"]`);
        heads.poke();
      },
    }),
    extraMethods: new Set(options.extraMethods),
    pokeHeads: () => heads.poke(),
    onSaved: (call, units) => cost.saved(call.method, units),
  });
  const onDone = (call: RpcCall, outcome: RpcOutcome, ms: number): void => {
    if (call.admitted > 0) limiter?.settle(call);
    rpcMetrics.call(call, outcome, ms);
  };
  const onInternalError = (error: unknown, method: string): void =>
    log.error({ err: error, method }, 'a call failed in our own code');
  const door = createFrontDoor({
    path,
    clock,
    explainer,
    maxBatch: options.maxBatch,
    onDone,
    onInvalid: (code) => rpcMetrics.invalid(code),
    admit(call) {
      const refusal = call.who.check?.() ?? scopeRefusal(call.who.scope, chainId, call.method);
      return refusal ?? limiter?.admit(call);
    },
    onInternalError,
  });

  const rpc: EthereumRpc = {
    async request(method, params, requestOptions = {}) {
      requestOptions.signal?.throwIfAborted();
      const now = clock.monotonic();
      const call: RpcCall = {
        method,
        params,
        requestId: requestOptions.requestId ?? '',
        principal: requestOptions.principal ?? INTERNAL.id,
        who: INTERNAL,
        priority: requestOptions.priority ?? 'standard',
        startedAt: now,
        deadlineAt: now + (requestOptions.deadlineMs ?? options.callTimeoutMs),
        trace:
          explainer === undefined || (requestOptions.requestId ?? sampledContext()) === undefined
            ? undefined
            : createTrace(method, now),
        cache: 'bypass',
        provider: undefined,
        attempts: 0,
        units: 0,
        admitted: 0,
      };
      if (call.trace !== undefined && call.requestId !== '')
        explainer?.add(call.requestId, call.principal, [call.trace]);
      const outcome = await abortable(path.execute(call), requestOptions.signal);
      onDone(call, outcome, clock.monotonic() - now);
      if (call.trace !== undefined) {
        call.trace.tookMs = clock.monotonic() - now;
        call.trace.outcome = outcome.ok ? call.cache : `error ${outcome.code}: ${outcome.message}`;
      }
      if (outcome.ok) return JSON.parse(outcome.result) as unknown;
      throw new RpcCallError(outcome.code, outcome.message, {
        ...(outcome.data === undefined ? {} : { data: JSON.parse(outcome.data) as unknown }),
        retry: outcome.retry,
        ...(outcome.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: outcome.retryAfterSeconds }),
      });
    },
  };

  return {
    rpc,
    door,
    path,
    view,
    pool,
    heads,
    queue,
    cache,
    cost,
    explainer,
    local,
    async start(maxWaitMs) {
      heads.start();
      await Promise.race([heads.firstRound(), clock.sleep(maxWaitMs)]);
    },
    reconfigure(configs) {
      const before = new Map(pool.providers().map((provider) => [provider.id, provider]));
      const next = configs.map((config) => {
        const known = before.get(config.id);
        if (known === undefined || JSON.stringify(known.config) !== JSON.stringify(config))
          return open(config);
        before.delete(config.id);
        return known;
      });
      pool.replace(next);
      heads.sync();
      // Calls in flight on a removed provider finish on its connections.
      for (const gone of before.values()) clock.setTimeout(() => void gone.close(), RETIRE_MS);
    },
    ready: () => view.head() !== undefined && pool.ranking().some(({ excluded }) => excluded === undefined),
    async close() {
      heads.stop();
      ownLag.stop();
      await Promise.all(pool.providers().map((provider) => provider.close()));
    },
  };
}

/** The widest log range that some usable provider takes in one piece; undefined when one has no limit. */
function maxLogRange(pool: ProviderPool): number | undefined {
  let widest: number | undefined;
  for (const { provider, excluded } of pool.ranking()) {
    if (excluded !== undefined) continue;
    const limit = least(provider.config.limits.maxLogRange, provider.logRange.limit());
    if (limit === undefined) return undefined;
    widest = Math.max(widest ?? 0, limit);
  }
  return widest;
}

const least = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined ? b : b === undefined ? a : Math.min(a, b);

function abortable(
  outcome: RpcOutcome | Promise<RpcOutcome>,
  signal: AbortSignal | undefined,
): RpcOutcome | Promise<RpcOutcome> {
  if (signal === undefined || !(outcome instanceof Promise)) return outcome;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    void outcome.then((done) => {
      signal.removeEventListener('abort', onAbort);
      resolve(done);
    });
  });
}
