import type { Logger } from '../../../lib/log.ts';
import type { Metrics } from '../../../lib/metrics.ts';
import type { Random } from '../../../lib/random.ts';
import type { Clock } from '../../../lib/time.ts';
import type { EthereumRpc } from '../rpc/ethereum-rpc.ts';
import { createChainFollower } from './chain-follower.ts';
import { createMemoryFilterStore, type FilterStore } from './filter-store.ts';
import { createFilters, type FilterLimits } from './filters.ts';
import type { LocalMethod } from './local-method.ts';
import { createLogFeed } from './log-feed.ts';
import { createPendingFeed } from './pending-feed.ts';
import { createSubscriptionHub, type HubLimits } from './subscription-hub.ts';
import { createUpstreamSocket } from './upstream-socket.ts';
import type { WebSocketLimits, WebSocketMetrics } from './ws-server.ts';

export interface SubscriptionLimits extends HubLimits, FilterLimits, WebSocketLimits {
  /** How often the head is looked at when no provider pushes heads. */
  readonly headPollMs: number;
  readonly pendingPollMs: number;
  /** Blocks told one by one to subscribers after an outage. */
  readonly maxBackfill: number;
}

export const DEFAULT_SUBSCRIPTION_LIMITS: SubscriptionLimits = {
  headPollMs: 500,
  pendingPollMs: 1_000,
  // An hour of mainnet, half an hour of a two-second chain.
  maxBackfill: 1_024,
  maxPerConnection: 100,
  maxBufferedBytes: 4 * 1024 * 1024,
  maxBlocksBehind: 1_024,
  // What geth gives a filter that nobody polls.
  ttlMs: 5 * 60_000,
  maxFilters: 10_000,
  maxConnections: 5_000,
  maxMessageBytes: 1024 * 1024,
  maxInFlight: 64,
  heartbeatMs: 30_000,
};

export interface Subscriptions {
  /** `eth_subscribe`, `eth_newFilter` and their families, for the JSON-RPC front door. */
  readonly localMethods: ReadonlyMap<string, LocalMethod>;
  /** For the WebSocket server. */
  readonly webSocketMetrics: WebSocketMetrics;
  /** The provider whose WebSocket pushes heads just now, undefined while polling. */
  pushedBy(): string | undefined;
  close(): void;
}

/** Subscriptions and filters of one chain, over any number of providers. */
export function createSubscriptions(deps: {
  rpc: EthereumRpc;
  clock: Clock;
  random: Random;
  log: Pick<Logger, 'info' | 'warn'>;
  metrics: Metrics;
  chainId: number;
  /** Called when the served head moves; without it the head is polled. */
  onServedHead?: (listener: () => void) => () => void;
  /** A provider pushed a head: the head tracker may want to look at once. */
  nudgeHeads?: () => void;
  /** WebSocket URLs of the providers, ranked, best first. */
  webSocketUrls?: () => readonly string[];
  filterStore?: FilterStore;
  limits?: Partial<SubscriptionLimits>;
}): Subscriptions {
  const { rpc, clock, random, log, metrics, nudgeHeads } = deps;
  const limits: SubscriptionLimits = { ...DEFAULT_SUBSCRIPTION_LIMITS, ...deps.limits };
  const chain = String(deps.chainId);

  const active = metrics.gauge({
    name: 'gateway_subscriptions',
    help: 'Active subscriptions by kind.',
    labels: ['chain', 'kind'],
  });
  const notifications = metrics.counter({
    name: 'gateway_subscription_notifications_total',
    help: 'Notifications sent to subscribers.',
    labels: ['chain', 'kind'],
  });
  const cutOffs = metrics.counter({
    name: 'gateway_subscription_cutoffs_total',
    help: 'Clients disconnected because they were too slow or blocks were missed.',
    labels: ['chain', 'reason'],
  });
  const failures = metrics.counter({
    name: 'gateway_subscription_source_failures_total',
    help: 'Failed reads of what subscriptions and filters are fed from; each is retried.',
    labels: ['chain', 'source'],
  });
  const sockets = metrics.gauge({
    name: 'gateway_websocket_connections',
    help: 'Open WebSocket connections of clients.',
    labels: ['chain'],
  });
  const refusals = metrics.counter({
    name: 'gateway_websocket_refused_total',
    help: 'WebSocket upgrades refused.',
    labels: ['chain', 'reason'],
  });

  const onFailure =
    (source: 'heads' | 'logs' | 'pending') =>
    (error: unknown): void => {
      failures.inc({ chain, source });
      log.info(
        { source, reason: error instanceof Error ? error.message : String(error) },
        'a subscription source could not be read; it is retried',
      );
    };

  const follower = createChainFollower({
    rpc,
    clock,
    pollMs: limits.headPollMs,
    maxBackfill: limits.maxBackfill,
    onFailure: onFailure('heads'),
  });
  const logs = createLogFeed({ rpc, clock, onFailure: onFailure('logs') });
  const pending = createPendingFeed({
    rpc,
    clock,
    pollMs: limits.pendingPollMs,
    onFailure: onFailure('pending'),
  });
  const upstream = createUpstreamSocket({
    urls: deps.webSocketUrls ?? (() => []),
    clock,
    log,
    onHead: () => {
      nudgeHeads?.();
      follower.nudge();
    },
    onPending: (hash) => pending.onHash(hash),
    onPendingPushed: (pushed) => pending.setPushed(pushed),
  });
  const hub = createSubscriptionHub({
    follower,
    logs,
    pending,
    random,
    limits,
    metrics: {
      subscriptions: (kind, delta) => active.inc({ chain, kind }, delta),
      notification: (kind) => notifications.inc({ chain, kind }),
      cutOff: (reason) => cutOffs.inc({ chain, reason }),
    },
    onNeedsChanged: () => {
      if (deps.webSocketUrls !== undefined) upstream.want(hub.needs());
    },
  });
  const stopListening = deps.onServedHead?.(() => follower.nudge());
  const store =
    deps.filterStore ??
    createMemoryFilterStore({ clock, maxFilters: limits.maxFilters, ttlMs: limits.ttlMs });

  return {
    localMethods: new Map([...hub.methods, ...createFilters({ rpc, store, random, limits })]),
    webSocketMetrics: {
      connections: (delta) => sockets.inc({ chain }, delta),
      refused: (reason) => refusals.inc({ chain, reason }),
    },
    pushedBy: () => upstream.connectedTo(),
    close() {
      stopListening?.();
      upstream.close();
    },
  };
}
