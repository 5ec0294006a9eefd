import type { Clock } from '../../../lib/time.ts';
import type { RpcPriority } from '../rpc/ethereum-rpc.ts';
import type {
  AttemptDone,
  AttemptRequest,
  AttemptResult,
  RunningAttempt,
  UpstreamTransport,
} from './attempt.ts';
import { type Breaker, createBreaker } from './breaker.ts';
import { type ConcurrencyLimit, createConcurrencyLimit } from './concurrency-limit.ts';
import { createDispatcher, type Dispatcher } from './dispatcher.ts';
import { createHealth, type Health } from './health.ts';
import { createLearnedLogRange, type LearnedLogRange } from './learned-log-range.ts';
import { GUARANTEED, PRIORITY_CLASSES } from './priority-classes.ts';
import { matchesMethod, type ProviderConfig } from './provider-config.ts';
import { createRateLimit, type RateLimit } from './rate-limit.ts';

/** How long a method that the provider said it lacks is not offered to it again, milliseconds. */
const UNSUPPORTED_FOR_MS = 600_000;
/** A provider with calls under way that answered nothing for this long has stopped answering, whatever its timeouts say. */
const STALL_MS = 1_000;
/** With several calls under way their common silence says more: this many usual answer times are enough, within bounds. */
const STALL_MEDIANS = 20;
const SHORTEST_STALL_MS = 150;
const SEVERAL = 4;
/** A silence is looked at twice: when our own process was held up, the answers are already in the sockets. */
const SECOND_LOOK_MS = 25;
/** Methods remembered as unsupported; the names come from clients, so the memory is bounded. */
const MAX_UNSUPPORTED = 200;

/** What the head poller last saw of a provider. */
export interface ProviderHead {
  readonly number: number;
  readonly hash: string;
  readonly parentHash: string;
  /** Block timestamp, seconds since the epoch. */
  readonly timestamp: number;
  /** Monotonic milliseconds when it was seen. */
  readonly seenAt: number;
}

/** Why a provider gets no regular traffic; undefined when it does. */
export type Exclusion =
  | 'cordoned'
  | 'wrong-chain'
  | 'unauthorized'
  | 'unhealthy'
  | 'unresponsive'
  | 'lagging'
  | 'forked'
  | 'breaker-open'
  | 'unverified';

/** One provider at run time: its configuration and everything learned about it. */
export interface Provider {
  readonly id: string;
  readonly config: ProviderConfig;
  readonly breaker: Breaker;
  readonly health: Health;
  readonly rateLimit: RateLimit;
  readonly logRange: LearnedLogRange;
  readonly dispatcher: Dispatcher;
  head: ProviderHead | undefined;
  safe: number | undefined;
  finalized: number | undefined;
  /** The chain id it answered; undefined until it did. */
  chainId: number | undefined;
  cordonedBy: string | undefined;
  lagging: boolean;
  forked: boolean;
  inFlight: number;
  /** How many calls it takes at once, learned from its answer times. */
  readonly concurrency: ConcurrencyLimit;
  /** True when one more call of this class may be started now. */
  hasRoom(priority: RpcPriority): boolean;
  /** Sends without asking breaker or limits; the caller has done that. Outcomes are recorded by the engine. */
  send(request: AttemptRequest, done: AttemptDone, priority?: RpcPriority): RunningAttempt;
  /** True when it has calls under way and has answered none of anybody's for too long. */
  stalled(): boolean;
  /** When to look at a silence (again), milliseconds from now. */
  stallCheckMs(): number;
  supports(method: string): boolean;
  markUnsupported(method: string): void;
  unitsFor(method: string, standard: number): number;
  exclusion(expectedChainId: number): Exclusion | undefined;
  close(): Promise<void>;
}

export function createProvider(deps: {
  config: ProviderConfig;
  transport: UpstreamTransport;
  clock: Clock;
  defer: (fn: () => void) => void;
  onBreaker?: (provider: string, state: string) => void;
  /** How late our own process is, milliseconds: not the provider's slowness. */
  ownLagMs?: () => number;
}): Provider {
  const { config, transport, clock } = deps;
  const dispatcher = createDispatcher({ transport, clock, defer: deps.defer, maxJoin: config.maxJoin });
  const unsupported = new Map<string, number>();
  const inFlightBy: Record<RpcPriority, number> = { internal: 0, interactive: 0, standard: 0, background: 0 };
  /** When the silence began: the first send since the last answer. Undefined while nothing is awaited. */
  let silentSince: number | undefined;
  /** Set by a silence, cleared by the next answer: a provider that went silent is not used again on suspicion. */
  let unresponsive = false;
  let suspectedAt: number | undefined;

  const onAnswer = (result: AttemptResult): void => {
    if (result.kind === 'fault' && result.fault === 'timeout') {
      if (stalled()) unresponsive = true;
      return;
    }
    unresponsive = false;
    suspectedAt = undefined;
    silentSince = provider.inFlight > 0 ? clock.monotonic() : undefined;
  };
  const stalled = (): boolean => {
    if (unresponsive) return true;
    if (provider.inFlight === 0 || silentSince === undefined) return false;
    const now = clock.monotonic();
    if (now - silentSince < stallMs()) return false;
    suspectedAt ??= now;
    unresponsive = now - suspectedAt >= SECOND_LOOK_MS;
    return unresponsive;
  };
  const stallMs = (): number => {
    const median = provider.health.latency.quantile(0.5);
    if (provider.inFlight < SEVERAL || median === undefined) return STALL_MS;
    return Math.min(STALL_MS, Math.max(SHORTEST_STALL_MS, median * STALL_MEDIANS));
  };

  const provider: Provider = {
    id: config.id,
    config,
    breaker: createBreaker(clock, (state) => deps.onBreaker?.(config.id, state)),
    health: createHealth(clock),
    rateLimit: createRateLimit(clock, config.limits.callsPerSecond),
    logRange: createLearnedLogRange(clock),
    dispatcher,
    head: undefined,
    safe: undefined,
    finalized: undefined,
    chainId: undefined,
    cordonedBy: config.cordoned ? 'providers file' : undefined,
    lagging: false,
    forked: false,
    inFlight: 0,
    concurrency: createConcurrencyLimit(clock, config.limits.maxInFlight),
    hasRoom(priority) {
      const limit = provider.concurrency.limit();
      if (provider.inFlight >= limit) return false;
      const { headroom } = PRIORITY_CLASSES[priority];
      return (
        provider.inFlight < limit * headroom ||
        inFlightBy[priority] < Math.max(1, limit * GUARANTEED[priority])
      );
    },
    send(request, done, priority = 'internal') {
      if (provider.inFlight === 0 || silentSince === undefined) silentSince = clock.monotonic();
      provider.inFlight++;
      inFlightBy[priority]++;
      const together = provider.inFlight;
      const sentAt = clock.monotonic();
      let open = true;
      const over = (): void => {
        if (open) {
          provider.inFlight--;
          inFlightBy[priority]--;
        }
        open = false;
      };
      const running = dispatcher.send(request, (result: AttemptResult) => {
        over();
        if (result.kind !== 'fault' || result.fault === 'timeout') {
          const ms = clock.monotonic() - sentAt - (deps.ownLagMs?.() ?? 0);
          provider.concurrency.onAnswer(request.method, Math.max(0, ms), together);
        }
        onAnswer(result);
        done(result);
      });
      return {
        cancel() {
          over();
          running.cancel();
        },
      };
    },
    stalled,
    stallCheckMs: () => (suspectedAt === undefined ? stallMs() : SECOND_LOOK_MS + 1),
    supports(method) {
      const { allow, deny } = config.methods;
      if (deny.length > 0 && matchesMethod(deny, method)) return false;
      if (allow.length > 0 && !matchesMethod(allow, method)) return false;
      if (unsupported.size === 0) return true;
      const until = unsupported.get(method);
      return until === undefined || clock.monotonic() >= until;
    },
    markUnsupported(method) {
      if (unsupported.size >= MAX_UNSUPPORTED) unsupported.clear();
      unsupported.set(method, clock.monotonic() + UNSUPPORTED_FOR_MS);
    },
    unitsFor: (method, standard) => config.units[method] ?? standard,
    exclusion(expectedChainId) {
      if (provider.cordonedBy !== undefined) return 'cordoned';
      if (provider.chainId !== undefined && provider.chainId !== expectedChainId) return 'wrong-chain';
      if (provider.health.unauthorized()) return 'unauthorized';
      if (provider.breaker.state === 'open') return 'breaker-open';
      if (!provider.health.healthy()) return 'unhealthy';
      if (stalled()) return 'unresponsive';
      if (provider.chainId === undefined) return 'unverified';
      if (provider.lagging) return 'lagging';
      if (provider.forked) return 'forked';
      return undefined;
    },
    close: () => transport.close(),
  };
  return provider;
}
