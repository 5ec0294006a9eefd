import { AppError } from '../../../lib/errors.ts';
import type { Clock } from '../../../lib/time.ts';
import { type ChainEvent, chainEventSchema } from '../gateway/schemas.ts';
import type { Db, UserPostgres } from '../shared/database.ts';
import {
  type LedgerWallet,
  type Movement,
  mirrorTransfers,
  type StagedTransfer,
  transferOf,
} from './chain-mirror.ts';
import { postEntries } from './posting.ts';
import { type EntryDraft, erc20Asset } from './rules.ts';
import type { EntryRow, ledgerStore } from './store.ts';

/** A linked wallet as events are matched with it. */
export interface MatchedWallet {
  readonly id: string;
  readonly address: string;
  readonly personId: string;
  readonly historyState: 'waiting' | 'done';
}

export interface BalanceLine {
  readonly walletId: string | null;
  readonly kind: string;
  readonly assetId: string;
  readonly symbol: string;
  readonly decimals: number;
  /** Everything that is in the ledger, pending included. */
  readonly balance: bigint;
  /** The part that the chain has not confirmed yet; negative when it leaves. */
  readonly pending: bigint;
}

export interface Ledger {
  /** Mirrors a batch of events within the consumer's transaction. */
  applyEvents(
    trx: Db,
    events: readonly ChainEvent[],
    wallets: ReadonlyMap<string, MatchedWallet>,
  ): Promise<void>;
  /** Posts what a wallet did before it was linked, then what waited for that. */
  applyHistory(
    trx: Db,
    wallet: MatchedWallet,
    history: readonly StagedTransfer[],
    openings: readonly Opening[],
  ): Promise<void>;
  /** Closes a wallet's accounts: what it holds is not the person's any more as far as we can know. */
  closeWallet(trx: Db, wallet: Pick<MatchedWallet, 'id' | 'personId'>, reason: string): Promise<void>;
  /** Posts entries made elsewhere in the service (rewards, adjustments). */
  post(trx: Db, drafts: readonly EntryDraft[]): ReturnType<typeof postEntries>;
  balances(personId: string): Promise<BalanceLine[]>;
  entries(
    personId: string,
    filter: { before?: number; from?: Date; to?: Date; limit: number },
  ): Promise<EntryRow[]>;
}

/** The sum of transfers that are too old to be posted one by one. */
export interface Opening {
  readonly chainId: number;
  readonly token: string;
  readonly amount: bigint;
  readonly upToBlock: number;
  readonly at: Date;
}

export function createLedger(deps: {
  postgres: Pick<UserPostgres, 'db'>;
  store: typeof ledgerStore;
  clock: Pick<Clock, 'now'>;
  ledgerIds: (db: Db, personIds: readonly string[]) => Promise<ReadonlyMap<string, string>>;
  /** Learns symbol and decimals of a token the first time it is met. */
  ensureAsset: (trx: Db, chainId: number, token: string) => Promise<unknown>;
  onPosted: (kind: string, count: number) => void;
}): Ledger {
  const { postgres, store, clock, ledgerIds, ensureAsset, onPosted } = deps;
  const now = (): Date => new Date(clock.now());

  const mirror = async (trx: Db, movements: readonly Movement[]): Promise<void> => {
    const tokens = new Map(movements.map(({ transfer: t }) => [erc20Asset(t.chainId, t.token), t]));
    for (const { chainId, token } of tokens.values()) await ensureAsset(trx, chainId, token);
    const counts = await mirrorTransfers(trx, movements, now(), store);
    for (const [kind, count] of counts) onPosted(kind, count);
  };
  const ownerOf = async (db: Db, personId: string): Promise<string | undefined> =>
    (await ledgerIds(db, [personId])).get(personId);

  return {
    async applyEvents(trx, events, wallets) {
      const owners = await ledgerIds(trx, [...new Set([...wallets.values()].map((w) => w.personId))]);
      const movements: Movement[] = [];
      for (const event of events) {
        const transfer = transferOf(event);
        if (!transfer) continue;
        for (const address of new Set([transfer.from, transfer.to])) {
          const wallet = wallets.get(address);
          const owner = wallet && owners.get(wallet.personId);
          if (!wallet || owner === undefined) continue;
          if (wallet.historyState === 'waiting') await store.defer(trx, wallet.id, event);
          else movements.push({ transfer, wallet: { id: wallet.id, address: wallet.address, owner } });
        }
      }
      await mirror(trx, movements);
    },

    async applyHistory(trx, wallet, history, openings) {
      const owner = await ownerOf(trx, wallet.personId);
      if (owner === undefined) return;
      const mine: LedgerWallet = { id: wallet.id, address: wallet.address, owner };
      const drafts = openings
        .filter((o) => o.amount !== 0n)
        .map((o): EntryDraft => {
          const assetId = erc20Asset(o.chainId, o.token);
          return {
            eventKey: `opening:${wallet.id}:${assetId}`,
            kind: 'opening',
            reason: 'The sum of all transfers up to this block, from before the wallet was linked.',
            occurredAt: o.at,
            chainId: o.chainId,
            blockNumber: o.upToBlock,
            legs: [
              { account: { kind: 'wallet', owner, reference: wallet.id, assetId }, amount: o.amount },
              { account: { kind: 'chain', owner: null, reference: '', assetId }, amount: -o.amount },
            ],
          };
        });
      for (const o of openings) await ensureAsset(trx, o.chainId, o.token);
      await postEntries(trx, drafts, now(), store);
      if (drafts.length > 0) onPosted('opening', drafts.length);
      const waiting = (await store.takeDeferred(trx, wallet.id)).map((json) => chainEventSchema.parse(json));
      const deferred = waiting.map(transferOf).filter((t) => t !== undefined);
      await mirror(
        trx,
        [...history, ...deferred].map((transfer) => ({ transfer, wallet: mine })),
      );
    },

    async closeWallet(trx, wallet, reason) {
      const owner = await ownerOf(trx, wallet.personId);
      if (owner === undefined) return;
      const accounts = await store.accountsOfReference(trx, owner, wallet.id);
      const drafts = accounts
        .filter((account) => BigInt(account.balance) !== 0n)
        .map((account): EntryDraft => {
          const amount = -BigInt(account.balance);
          return {
            eventKey: `close:${wallet.id}:${account.assetId}`,
            kind: 'closing',
            reason,
            occurredAt: now(),
            legs: [
              { account, amount },
              {
                account: { kind: 'chain', owner: null, reference: '', assetId: account.assetId },
                amount: -amount,
              },
            ],
          };
        });
      await postEntries(trx, drafts, now(), store);
      await store.deleteDeferred(trx, wallet.id);
    },

    post: async (trx, drafts) => {
      const posted = await postEntries(trx, drafts, now(), store);
      drafts.forEach((draft, i) => {
        if (posted.fresh[i]) onPosted(draft.kind, 1);
      });
      return posted;
    },

    async balances(personId) {
      const owner = await ownerOf(postgres.db, personId);
      if (owner === undefined) return [];
      return (await store.balancesOf(postgres.db, owner)).map((row) => ({
        walletId: row.kind === 'wallet' ? row.reference : null,
        kind: row.kind,
        assetId: row.assetId,
        symbol: row.symbol,
        decimals: row.decimals,
        balance: BigInt(row.balance),
        pending: BigInt(row.pending),
      }));
    },

    async entries(personId, filter) {
      const owner = await ownerOf(postgres.db, personId);
      if (owner === undefined) throw new AppError('not_found', 'There is no such person.');
      return store.entriesOf(postgres.db, owner, filter);
    },
  };
}
