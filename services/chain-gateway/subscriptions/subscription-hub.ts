import type { Random } from '../../../lib/random.ts';
import { RpcCallError } from '../rpc/ethereum-rpc.ts';
import type { ChainFollower, ChainStep } from './chain-follower.ts';
import type { LocalMethod, RpcConnection, RpcContext } from './local-method.ts';
import type { LogFeed } from './log-feed.ts';
import { parseLogFilter } from './log-filter.ts';
import type { PendingFeed } from './pending-feed.ts';

export const SUBSCRIPTION_KINDS = ['newHeads', 'logs', 'newPendingTransactions'] as const;
export type SubscriptionKind = (typeof SUBSCRIPTION_KINDS)[number];

export interface HubLimits {
  readonly maxPerConnection: number;
  /** Bytes a client may leave unread before it is cut off. */
  readonly maxBufferedBytes: number;
}

export interface HubMetrics {
  subscriptions(kind: SubscriptionKind, delta: 1 | -1): void;
  notification(kind: SubscriptionKind): void;
  cutOff(reason: 'slow' | 'gap'): void;
}

export interface SubscriptionHub {
  readonly methods: ReadonlyMap<string, LocalMethod>;
  /** What all subscribers together need from upstream. */
  needs(): { readonly heads: boolean; readonly pending: boolean };
}

/** WebSocket close codes: 1013 "try again later". */
const TRY_AGAIN_LATER = 1013;

interface Subscription {
  readonly id: string;
  readonly kind: SubscriptionKind;
  readonly connection: RpcConnection;
  /** Notifications made before the client was told the subscription's id; undefined once it was. */
  early: string[] | undefined;
  detach: () => void;
}

/** All subscriptions of all clients over one source each of heads, logs and pending transactions. */
export function createSubscriptionHub(deps: {
  follower: ChainFollower;
  logs: LogFeed;
  pending: PendingFeed;
  random: Random;
  limits: HubLimits;
  metrics: HubMetrics;
  onNeedsChanged: () => void;
}): SubscriptionHub {
  const { follower, logs, pending, random, limits, metrics, onNeedsChanged } = deps;
  const byConnection = new Map<RpcConnection, Map<string, Subscription>>();
  const heads = new Set<Subscription>();
  let stopFollowing: (() => void) | undefined;

  function cutOff(subscription: Subscription, reason: 'slow' | 'gap', text: string): void {
    metrics.cutOff(reason);
    drop(subscription.connection);
    subscription.connection.close(TRY_AGAIN_LATER, text);
  }

  function notify(subscription: Subscription, resultJson: string): void {
    const text = `{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"${subscription.id}","result":${resultJson}}}`;
    if (subscription.early !== undefined) {
      subscription.early.push(text);
      return;
    }
    const unread = subscription.connection.bufferedBytes();
    if (unread > limits.maxBufferedBytes) {
      cutOff(
        subscription,
        'slow',
        `slow consumer: ${unread} bytes unread, at most ${limits.maxBufferedBytes}`,
      );
      return;
    }
    metrics.notification(subscription.kind);
    subscription.connection.send(text);
  }

  function onStep(step: ChainStep): void {
    logs.onStep(step);
    if (step.type === 'added') {
      for (const subscription of [...heads]) notify(subscription, step.block.json);
      return;
    }
    if (step.type !== 'gap') return;
    // What cannot be told whole is not told in part: the client must know that it has to look for itself.
    for (const subscriptions of [...byConnection.values()]) {
      const following = [...subscriptions.values()].find(({ kind }) => kind !== 'newPendingTransactions');
      if (following === undefined) continue;
      cutOff(
        following,
        'gap',
        `blocks ${step.from} to ${step.to} were missed: read them, then subscribe again`,
      );
    }
  }

  /** Follows the chain while anyone needs it, and tells upstream what is needed. */
  function settle(): void {
    const following = heads.size + logs.size > 0;
    if (following && stopFollowing === undefined) stopFollowing = follower.listen(onStep);
    if (!following && stopFollowing !== undefined) {
      stopFollowing();
      stopFollowing = undefined;
    }
    onNeedsChanged();
  }

  function detach(subscription: Subscription): void {
    subscription.detach();
    heads.delete(subscription);
    metrics.subscriptions(subscription.kind, -1);
  }

  function drop(connection: RpcConnection): void {
    const subscriptions = byConnection.get(connection);
    if (subscriptions === undefined) return;
    byConnection.delete(connection);
    for (const subscription of subscriptions.values()) detach(subscription);
    settle();
  }

  function requireConnection(context: RpcContext): RpcConnection {
    if (context.connection === undefined) {
      throw new RpcCallError(-32601, 'eth_subscribe needs a WebSocket: connect to the same path with ws://', {
        retry: 'never',
      });
    }
    return context.connection;
  }

  async function attach(subscription: Subscription, filter: unknown): Promise<void> {
    if (subscription.kind === 'newPendingTransactions') {
      if (filter !== undefined && typeof filter !== 'boolean') {
        throw new RpcCallError(
          -32602,
          'newPendingTransactions: the second parameter is true for whole transactions',
          { retry: 'never' },
        );
      }
      subscription.detach = pending.add({
        full: filter === true,
        onTransaction: (json) => notify(subscription, json),
      });
      return;
    }
    const wanted = subscription.kind === 'logs' ? parseLogFilter(filter) : undefined;
    // Following starts first, so that nothing is missed between this head and the first notification.
    stopFollowing ??= follower.listen(onStep);
    const from = await follower.ready();
    if (wanted === undefined) heads.add(subscription);
    else {
      subscription.detach = logs.add(
        { filter: wanted, onLog: (json) => notify(subscription, json) },
        (follower.tip() ?? from).number,
      );
    }
  }

  const subscribe: LocalMethod = async ([kind, filter], context) => {
    const connection = requireConnection(context);
    if (!SUBSCRIPTION_KINDS.includes(kind as SubscriptionKind)) {
      throw new RpcCallError(
        -32602,
        `eth_subscribe: ${JSON.stringify(kind)} is none of ${SUBSCRIPTION_KINDS.join(', ')}`,
        { retry: 'never' },
      );
    }
    let mine = byConnection.get(connection);
    if (mine === undefined) {
      mine = new Map();
      byConnection.set(connection, mine);
      connection.onClose(() => drop(connection));
    }
    if (mine.size >= limits.maxPerConnection) {
      throw new RpcCallError(-32005, `at most ${limits.maxPerConnection} subscriptions per connection`, {
        retry: 'never',
      });
    }
    const subscription: Subscription = {
      id: `0x${Buffer.from(random.bytes(16)).toString('hex')}`,
      kind: kind as SubscriptionKind,
      connection,
      early: [],
      detach: () => undefined,
    };
    mine.set(subscription.id, subscription);
    metrics.subscriptions(subscription.kind, 1);
    try {
      await attach(subscription, filter);
    } catch (error) {
      if (mine.delete(subscription.id)) detach(subscription);
      settle();
      throw error;
    }
    // The client may have gone while the head was read.
    if (byConnection.get(connection) !== mine) {
      subscription.detach();
      heads.delete(subscription);
    }
    settle();
    const release = (): void => {
      const early = subscription.early ?? [];
      subscription.early = undefined;
      for (const text of early) {
        metrics.notification(subscription.kind);
        connection.send(text);
      }
    };
    if (context.afterAnswer === undefined) setImmediate(release);
    else context.afterAnswer(release);
    return subscription.id;
  };

  const unsubscribe: LocalMethod = async ([id], context) => {
    const connection = requireConnection(context);
    const mine = byConnection.get(connection);
    const subscription = typeof id === 'string' ? mine?.get(id) : undefined;
    if (subscription === undefined)
      throw new RpcCallError(-32000, 'subscription not found', { retry: 'never' });
    mine?.delete(subscription.id);
    detach(subscription);
    settle();
    return true;
  };

  return {
    methods: new Map([
      ['eth_subscribe', subscribe],
      ['eth_unsubscribe', unsubscribe],
    ]),
    needs: () => ({ heads: heads.size + logs.size > 0, pending: pending.size > 0 }),
  };
}
