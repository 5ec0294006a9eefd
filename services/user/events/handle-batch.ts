import type { ChainEvent } from '../gateway/schemas.ts';
import type { Db } from '../shared/database.ts';
import type { BatchHandler } from './consumer.ts';

/** The chain's own coin; it has no contract to ask. */
const NATIVE_COIN = { symbol: 'ETH', decimals: 18 } as const;

interface Matched {
  readonly id: string;
  readonly address: string;
  readonly personId: string;
  readonly historyState: 'waiting' | 'done';
}

/**
 * What an event of the chain does here: ledger entries, then inbox rows with their deliveries, then whoever else listens;
 * all within the one transaction that moves the cursor.
 */
export function createBatchHandler<N>(deps: {
  walletsByAddress: (trx: Db, addresses: readonly string[]) => Promise<readonly Matched[]>;
  addressesOf: (event: ChainEvent) => readonly string[];
  /** Adds what an event does not say itself, such as the owner of an identity. */
  enrich: (trx: Db, events: readonly ChainEvent[]) => Promise<readonly ChainEvent[]>;
  tokenOf: (trx: Db, chainId: number, token: string) => Promise<{ symbol: string; decimals: number }>;
  applyToLedger: (
    trx: Db,
    events: readonly ChainEvent[],
    wallets: ReadonlyMap<string, Matched>,
  ) => Promise<void>;
  noticesOf: (event: ChainEvent, personOf: (address: string) => string | undefined) => readonly N[];
  notify: (trx: Db, notices: readonly N[]) => Promise<unknown>;
  /** Further listeners: rewards, analytics. */
  also: readonly ((trx: Db, notices: readonly N[]) => Promise<void>)[];
}): BatchHandler {
  return async (trx, raw) => {
    const events = await deps.enrich(trx, raw);
    const addresses = new Set(events.flatMap((event) => deps.addressesOf(event)));
    const wallets = new Map((await deps.walletsByAddress(trx, [...addresses])).map((w) => [w.address, w]));
    if (wallets.size === 0) return;
    const relevant: ChainEvent[] = [];
    for (const event of events) {
      if (!deps.addressesOf(event).some((address) => wallets.has(address))) continue;
      if (event.type === 'transfer.native') {
        relevant.push({ ...event, data: { ...event.data, ...NATIVE_COIN } });
        continue;
      }
      if (event.type !== 'transfer.erc20') {
        relevant.push(event);
        continue;
      }
      const { symbol, decimals } = await deps.tokenOf(trx, event.chainId, event.contract.address);
      relevant.push({ ...event, data: { ...event.data, symbol, decimals } });
    }
    await deps.applyToLedger(trx, relevant, wallets);
    const notices = relevant.flatMap((event) =>
      deps.noticesOf(event, (address) => wallets.get(address)?.personId),
    );
    await deps.notify(trx, notices);
    for (const listener of deps.also) await listener(trx, notices);
  };
}
