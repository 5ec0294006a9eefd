import type { Logger } from '../../../lib/log.ts';
import type { Clock, Timer } from '../../../lib/time.ts';
import type { AttemptResult } from '../providers/attempt.ts';
import type { Provider } from '../providers/provider.ts';
import type { ProviderPool } from '../providers/provider-pool.ts';
import { classifyUpstreamError } from '../rpc/classify.ts';
import { blockRefOf } from './block-ref.ts';
import { createCanonicalChain } from './canonical-chain.ts';
import type { BlockRef, ChainViewControl } from './chain-view.ts';

export interface HeadPollerDeps {
  readonly pool: ProviderPool;
  readonly view: ChainViewControl;
  readonly clock: Clock;
  readonly log: Logger;
  /** Milliseconds between polls of a healthy provider. */
  readonly intervalMs: number;
  /** A provider this many blocks behind the best gets no regular traffic. */
  readonly maxLagBlocks: number;
  /** The provider recovered or fell out. */
  readonly onStateChange: () => void;
  readonly onPolled: () => void;
}

export interface HeadPoller {
  start(): void;
  stop(): void;
  /** Asks all providers now: somebody has seen a newer block. */
  poke(): void;
  /** Resolves when every provider has been asked once (answered or not). */
  firstRound(): Promise<void>;
  /** Providers were added or removed. */
  sync(): void;
}

/** A provider that is out is asked this often: how fast it comes back to life is decided here. */
const PROBE_OUT_MS = 150;
/** Patient, because a machine that is short of CPU must not take all of its providers for dead. */
const POLL_TIMEOUT_MS = 2_000;
/** Finality moves slowly. */
const FINALITY_EVERY_MS = 4_000;
/** A chain id is checked again this often: URLs get repointed. */
const CHAIN_ID_EVERY_MS = 60_000;
/** Lag at which a lagging provider is used again. The gap to the limit keeps it from flapping. */
const LAG_TO_RETURN = 1;
/** Polls at least this far apart however often somebody pokes, milliseconds. */
const POKE_GAP_MS = 20;
/** A head older than this many poll intervals does not count towards the majority. */
const STALE_POLLS = 12;
/** Among providers that are all out, one that missed this many polls has no say about the head. */
const SILENT_POLLS = 4;

interface Follow {
  readonly provider: Provider;
  timer: Timer | undefined;
  polling: boolean;
  again: boolean;
  polledAt: number;
  finalityAt: number;
  chainIdAt: number;
  stopped: boolean;
}

/** Keeps asking every provider for its head: feeds health, the served head, the canonical chain and recovery. */
export function createHeadPoller(deps: HeadPollerDeps): HeadPoller {
  const { pool, view, clock, log } = deps;
  const follows = new Map<Provider, Follow>();
  const canonical = createCanonicalChain({ view, pool, fetchBlock, log, staleAfterMs: 3 * deps.intervalMs });
  let running = false;

  function ask(provider: Provider, method: string, params: string): Promise<AttemptResult> {
    return new Promise((resolve) => {
      const startedAt = clock.monotonic();
      provider.send(
        {
          method,
          params,
          timeoutMs: Math.min(POLL_TIMEOUT_MS, provider.config.attemptTimeoutMs),
          alone: true,
        },
        (result) => {
          record(provider, method, result, clock.monotonic() - startedAt);
          resolve(result);
        },
      );
    });
  }

  function record(provider: Provider, method: string, result: AttemptResult, ms: number): void {
    const before = provider.exclusion(pool.chainId);
    if (result.kind === 'result') {
      provider.breaker.onSuccess();
      provider.health.onSuccess(ms);
    } else if (result.kind === 'error') {
      const kind = classifyUpstreamError(method, result.code, result.message);
      if (kind === 'rate-limited') provider.rateLimit.onRefused(result.retryAfterMs);
      else if (kind === 'unauthorized') provider.health.onUnauthorized();
      else if (kind === 'server' || kind === 'timeout') {
        provider.breaker.onFault();
        provider.health.onFault();
      }
    } else if (result.fault === 'rate-limited') provider.rateLimit.onRefused(result.retryAfterMs);
    else if (result.fault === 'unauthorized') provider.health.onUnauthorized();
    else {
      provider.breaker.onFault();
      provider.health.onFault();
    }
    if (provider.exclusion(pool.chainId) !== before) {
      pool.invalidate();
      deps.onStateChange();
    }
  }

  async function fetchBlock(provider: Provider, number: number): Promise<BlockRef | undefined> {
    const result = await ask(provider, 'eth_getBlockByNumber', `["0x${number.toString(16)}",false]`);
    return result.kind === 'result' ? blockRefOf(result.result) : undefined;
  }

  async function checkChainId(follow: Follow): Promise<boolean> {
    const { provider } = follow;
    const result = await ask(provider, 'eth_chainId', '[]');
    if (result.kind !== 'result') return provider.chainId !== undefined;
    let id = Number.NaN;
    try {
      id = Number(JSON.parse(result.result));
    } catch {
      // An answer that is no number is a wrong chain as much as a wrong number is.
    }
    const before = provider.chainId;
    provider.chainId = id;
    follow.chainIdAt = clock.monotonic();
    if (before !== id) {
      pool.invalidate();
      deps.onStateChange();
      if (id !== pool.chainId)
        log.error(
          { provider: provider.id, expected: pool.chainId, answered: id },
          'provider serves another chain; it will not be used',
        );
    }
    return true;
  }

  async function pollOnce(follow: Follow): Promise<void> {
    const { provider } = follow;
    if (clock.monotonic() - follow.chainIdAt >= CHAIN_ID_EVERY_MS && !(await checkChainId(follow))) return;
    if (provider.chainId !== pool.chainId) {
      follow.chainIdAt = Number.NEGATIVE_INFINITY;
      provider.head = undefined;
      return;
    }
    const result = await ask(provider, 'eth_getBlockByNumber', '["latest",false]');
    if (result.kind !== 'result') return;
    const block = blockRefOf(result.result);
    if (block === undefined) return;
    const moved = provider.head?.hash !== block.hash;
    provider.head = { ...block, seenAt: clock.monotonic() };
    if (moved) pool.invalidate();
    if (clock.monotonic() - follow.finalityAt >= FINALITY_EVERY_MS) {
      follow.finalityAt = clock.monotonic();
      const [safe, finalized] = await Promise.all([
        ask(provider, 'eth_getBlockByNumber', '["safe",false]'),
        ask(provider, 'eth_getBlockByNumber', '["finalized",false]'),
      ]);
      if (safe.kind === 'result') provider.safe = blockRefOf(safe.result)?.number;
      if (finalized.kind === 'result') provider.finalized = blockRefOf(finalized.result)?.number;
    }
    judge();
    await canonical.follow();
    // The canonical chain has caught up before clients are told of the new head: its hashes guard the cache.
    publish();
  }

  function counted(): Provider[] {
    const freshEnough = clock.monotonic() - Math.max(10_000, deps.intervalMs * STALE_POLLS);
    const seen = pool
      .providers()
      .filter((provider) => provider.head !== undefined && provider.head.seenAt >= freshEnough);
    const good = seen.filter((provider) => provider.exclusion(pool.chainId) === undefined);
    if (good.length > 0) return good;
    const rest = seen.filter(
      (provider) => provider.chainId === pool.chainId && provider.cordonedBy === undefined,
    );
    // Nobody is in good standing: those that still answer say where the head is, not those that fell silent before.
    const newest = Math.max(...rest.map((provider) => provider.head?.seenAt ?? 0));
    return rest.filter(
      (provider) =>
        newest - (provider.head?.seenAt ?? 0) <= SILENT_POLLS * Math.max(deps.intervalMs, PROBE_OUT_MS),
    );
  }

  function judge(): void {
    const seen = pool
      .providers()
      .filter((provider) => provider.head !== undefined && provider.chainId === pool.chainId);
    const best = plausibleBest(seen.map((provider) => (provider.head as { number: number }).number));
    for (const provider of seen) {
      const lag = best - (provider.head as { number: number }).number;
      const before = provider.lagging;
      if (lag > deps.maxLagBlocks) provider.lagging = true;
      else if (lag <= LAG_TO_RETURN) provider.lagging = false;
      if (provider.lagging !== before) {
        pool.invalidate();
        deps.onStateChange();
        log.warn(
          { provider: provider.id, lag },
          provider.lagging ? 'provider lags behind' : 'provider has caught up',
        );
      }
    }
  }

  function publish(): void {
    const providers = counted();
    view.update({
      heads: providers.map((provider) => (provider.head as { number: number }).number),
      safe: providers.flatMap((provider) => provider.safe ?? []),
      finalized: providers.flatMap((provider) => provider.finalized ?? []),
    });
    deps.onPolled();
  }

  const schedule = (follow: Follow): void => {
    if (!running || follow.stopped) return;
    follow.timer?.cancel();
    const out =
      follow.provider.chainId === undefined ||
      follow.provider.breaker.state !== 'closed' ||
      !follow.provider.health.healthy();
    const wait = follow.again
      ? POKE_GAP_MS
      : out
        ? Math.min(PROBE_OUT_MS, deps.intervalMs)
        : Math.max(deps.intervalMs, follow.provider.rateLimit.pausedMs());
    follow.again = false;
    follow.timer = clock.setTimeout(() => poll(follow), wait);
  };

  const poll = (follow: Follow): Promise<void> => {
    if (follow.polling) {
      follow.again = true;
      return Promise.resolve();
    }
    follow.timer?.cancel();
    follow.polling = true;
    follow.polledAt = clock.monotonic();
    return pollOnce(follow)
      .catch((error: unknown) =>
        log.error({ err: error, provider: follow.provider.id }, 'head poll failed in our own code'),
      )
      .finally(() => {
        follow.polling = false;
        schedule(follow);
      });
  };

  const sync = (): void => {
    for (const [provider, follow] of follows) {
      if (pool.providers().includes(provider)) continue;
      follow.stopped = true;
      follow.timer?.cancel();
      follows.delete(provider);
    }
    for (const provider of pool.providers()) {
      if (follows.has(provider)) continue;
      const follow: Follow = {
        provider,
        timer: undefined,
        polling: false,
        again: false,
        polledAt: Number.NEGATIVE_INFINITY,
        finalityAt: Number.NEGATIVE_INFINITY,
        chainIdAt: Number.NEGATIVE_INFINITY,
        stopped: false,
      };
      follows.set(provider, follow);
      if (running) firstPolls.push(poll(follow));
    }
  };
  let firstPolls: Promise<void>[] = [];

  return {
    start() {
      running = true;
      firstPolls = [];
      sync();
      for (const follow of follows.values())
        if (follow.polledAt === Number.NEGATIVE_INFINITY) firstPolls.push(poll(follow));
    },
    stop() {
      running = false;
      for (const follow of follows.values()) follow.timer?.cancel();
    },
    poke() {
      const now = clock.monotonic();
      for (const follow of follows.values()) {
        if (now - follow.polledAt < POKE_GAP_MS || follow.polling) {
          if (!follow.polling && !follow.again) {
            follow.again = true;
            schedule(follow);
          } else follow.again = true;
        } else void poll(follow);
      }
    },
    firstRound: () => Promise.all(firstPolls).then(() => undefined),
    sync,
  };
}

/** Blocks by which one provider may be ahead of all others and still be believed without a witness. */
const MAX_LEAD = 256;

/** The best head that is plausible: one that is absurdly far ahead of everybody else needs a second witness. */
export function plausibleBest(numbers: readonly number[]): number {
  const descending = [...numbers].sort((a, b) => b - a);
  for (let i = 0; i + 1 < descending.length; i++) {
    if ((descending[i] as number) - (descending[i + 1] as number) <= MAX_LEAD) return descending[i] as number;
  }
  // All far apart (a node that is still syncing, say): a lone pair cannot be told apart, the higher one wins.
  return descending[0] ?? 0;
}
