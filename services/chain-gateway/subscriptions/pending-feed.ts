import type { Clock, Timer } from '../../../lib/time.ts';
import type { EthereumRpc } from '../rpc/ethereum-rpc.ts';

/** Hashes remembered so that none is told twice; a busy mempool turns over in minutes. */
const REMEMBERED_HASHES = 50_000;

export interface PendingListener {
  /** True: the listener wants whole transactions where the source has them. */
  readonly full: boolean;
  onTransaction(json: string): void;
}

export interface PendingFeed {
  add(listener: PendingListener): () => void;
  /** A hash heard from a provider's own subscription. */
  onHash(hash: string): void;
  /** True while a provider's subscription feeds this: polling rests. */
  setPushed(pushed: boolean): void;
  readonly size: number;
}

/** Transactions in the pending block; an answer without a list counts as an empty one. */
export async function readPendingTransactions(
  rpc: EthereumRpc,
): Promise<{ hash: string; transaction: unknown }[]> {
  const block = (await rpc.request('eth_getBlockByNumber', ['pending', true], {
    principal: 'subscriptions',
    priority: 'background',
  })) as {
    transactions?: unknown;
  } | null;
  if (!Array.isArray(block?.transactions)) return [];
  return block.transactions.flatMap((transaction: unknown) => {
    const hash =
      typeof transaction === 'string' ? transaction : (transaction as { hash?: unknown } | null)?.hash;
    return typeof hash === 'string' ? [{ hash: hash.toLowerCase(), transaction }] : [];
  });
}

/**
 * Pending transactions, each told once. Pushed by a provider's WebSocket where there is one; otherwise the pending
 * block is polled, which shows what a node would mine next and not its whole mempool.
 */
export function createPendingFeed(deps: {
  rpc: EthereumRpc;
  clock: Clock;
  pollMs: number;
  onFailure: (error: unknown) => void;
}): PendingFeed {
  const { rpc, clock, pollMs, onFailure } = deps;
  const listeners = new Set<PendingListener>();
  const seen = new Set<string>();
  let timer: Timer | undefined;
  let pushed = false;
  let primed = false;

  /** False when it was told before. */
  function remember(hash: string): boolean {
    if (seen.has(hash)) return false;
    seen.add(hash);
    if (seen.size > REMEMBERED_HASHES) seen.delete(seen.values().next().value as string);
    return true;
  }

  async function tellFull(hash: string): Promise<void> {
    const wanting = [...listeners].filter((listener) => listener.full);
    if (wanting.length === 0) return;
    const transaction = await rpc.request('eth_getTransactionByHash', [hash], {
      principal: 'subscriptions',
      priority: 'background',
    });
    // Gone from the mempool before it could be read: there is nothing to show.
    if (transaction === null) return;
    const json = JSON.stringify(transaction);
    for (const listener of wanting) listener.onTransaction(json);
  }

  async function poll(): Promise<void> {
    for (const { hash, transaction } of await readPendingTransactions(rpc)) {
      if (!remember(hash) || !primed) continue;
      const hashJson = JSON.stringify(hash);
      const fullJson = typeof transaction === 'string' ? undefined : JSON.stringify(transaction);
      for (const listener of [...listeners]) {
        if (!listener.full) listener.onTransaction(hashJson);
        else if (fullJson !== undefined) listener.onTransaction(fullJson);
      }
    }
    primed = true;
  }

  function schedule(afterMs: number): void {
    timer?.cancel();
    timer = undefined;
    if (listeners.size === 0 || pushed) return;
    timer = clock.setTimeout(() => {
      poll()
        .catch(onFailure)
        .finally(() => schedule(pollMs));
    }, afterMs);
  }

  return {
    get size() {
      return listeners.size;
    },
    add(listener) {
      listeners.add(listener);
      if (listeners.size === 1) schedule(0);
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        schedule(0);
        seen.clear();
        primed = false;
      };
    },
    onHash(hash) {
      if (!remember(hash.toLowerCase())) return;
      const json = JSON.stringify(hash);
      for (const listener of [...listeners]) if (!listener.full) listener.onTransaction(json);
      tellFull(hash).catch(onFailure);
    },
    setPushed(next) {
      if (pushed === next) return;
      pushed = next;
      // Polling again after a push: everything pushed is in `seen`, so what was missed is told now.
      if (next) primed = true;
      schedule(0);
    },
  };
}
