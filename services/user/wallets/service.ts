import { AppError } from '../../../lib/errors.ts';
import type { Random } from '../../../lib/random.ts';
import type { Clock } from '../../../lib/time.ts';
import type { Db, UserPostgres } from '../shared/database.ts';
import type { WalletRow, WatchedRow, walletStore } from './store.ts';

/** More wallets than anybody needs, few enough that one person cannot burden the event matching. */
export const MAX_WALLETS = 50;
/** The same for addresses that are only looked at. */
export const MAX_WATCHED = 50;

export interface WalletOverview {
  readonly linked: readonly (WalletRow & { readonly primary: boolean })[];
  readonly watched: readonly WatchedRow[];
}

export interface WalletChange {
  readonly label?: string | null | undefined;
  readonly primary?: true | undefined;
}

/** A wallet whose control was proved by a signature. */
export interface ProvedWallet {
  readonly address: string;
  readonly chainId: number;
  readonly kind: 'eoa' | 'contract';
}

export interface Wallets {
  /** Links a proved wallet. The caller holds the person's row. @throws AppError `already_linked`, `conflict` */
  link(trx: Db, personId: string, proved: ProvedWallet, label: string | null): Promise<WalletRow>;
  find(db: Db, address: string): Promise<WalletRow | undefined>;
  list(personId: string): Promise<WalletRow[]>;
  /** Everything the app shows: proved wallets in the order of linking with the primary one marked, then watched ones. */
  overview(personId: string): Promise<WalletOverview>;
  /** @throws AppError `not_found`; `invalid_argument` when an unproved wallet is to be primary */
  change(personId: string, address: string, change: WalletChange): Promise<void>;
  /** Looks at an address without proof. @throws AppError `conflict` when there are too many */
  watch(personId: string, address: string, label: string | null): Promise<void>;
  /** @throws AppError `not_found`, `conflict` when it is the only way to sign in */
  unlink(personId: string, address: string): Promise<void>;
}

export function createWallets(deps: {
  postgres: Pick<UserPostgres, 'db' | 'transaction'>;
  store: typeof walletStore;
  clock: Pick<Clock, 'now'>;
  random: Random;
  /** Where the event log stands, held still until the transaction ends. */
  pinCursor: (trx: Db) => Promise<{ seq: number; blockNumber: number }>;
  /** True when the person can sign in without any wallet. */
  hasOtherWayIn: (trx: Db, personId: string) => Promise<boolean>;
  /** Runs in the linking and unlinking transactions: ledger, notices, analytics. */
  onLinked: (trx: Db, wallet: WalletRow) => Promise<void>;
  onUnlinked: (trx: Db, wallet: WalletRow) => Promise<void>;
}): Wallets {
  const { postgres, store, clock, random, pinCursor, hasOtherWayIn, onLinked, onUnlinked } = deps;
  const missing = (address: string): AppError =>
    new AppError('not_found', `The wallet ${address} is not linked to this person.`);

  return {
    async link(trx, personId, proved, label) {
      await store.lockPerson(trx, personId);
      const known = await store.byAddress(trx, proved.address);
      if (known?.personId === personId) return known;
      if (known)
        throw new AppError(
          'already_linked',
          'The wallet is linked to another person; it has to be unlinked there first.',
        );
      if ((await store.ofPerson(trx, personId)).length >= MAX_WALLETS)
        throw new AppError('conflict', `A person can link ${MAX_WALLETS} wallets; unlink one first.`);
      const cursor = await pinCursor(trx);
      const row: WalletRow = {
        id: random.uuid(),
        address: proved.address,
        personId,
        chainId: proved.chainId,
        label,
        kind: proved.kind,
        linkedAt: new Date(clock.now()),
        linkedSeq: cursor.seq,
        linkedBlock: cursor.blockNumber,
        historyState: 'waiting',
      };
      await store.insert(trx, row);
      // Proved now: it is more than looked at, and keeps the name it had.
      const watched = (await store.watchedBy(trx, personId)).find((w) => w.address === proved.address);
      if (watched) {
        await store.unwatch(trx, personId, proved.address);
        if (label === null && watched.label !== null)
          await store.setLabel(trx, personId, proved.address, watched.label);
      }
      await onLinked(trx, row);
      return row;
    },

    find: (db, address) => store.byAddress(db, address),
    list: (personId) => store.ofPerson(postgres.db, personId),

    async overview(personId) {
      const { db } = postgres;
      const [linked, primary, watched] = await Promise.all([
        store.ofPerson(db, personId),
        store.primaryOf(db, personId),
        store.watchedBy(db, personId),
      ]);
      return {
        linked: linked.map((row) => ({ ...row, primary: row.address === primary?.address })),
        watched,
      };
    },

    change: (personId, address, { label, primary }) =>
      postgres.transaction(async (trx) => {
        await store.lockPerson(trx, personId);
        const linked = await store.get(trx, personId, address);
        if (!linked) {
          if (!(await store.watchedBy(trx, personId)).some((w) => w.address === address))
            throw missing(address);
          if (primary)
            throw new AppError('invalid_argument', 'A watched wallet cannot be the primary one.', {
              errors: [
                { pointer: '/primary', rule: 'proof', detail: 'link the wallet by a signature first' },
              ],
            });
        }
        if (label !== undefined) {
          if (linked) await store.setLabel(trx, personId, address, label);
          else await store.setWatchedLabel(trx, personId, address, label);
        }
        if (primary) await store.choosePrimary(trx, personId, address, new Date(clock.now()));
      }),

    watch: (personId, address, label) =>
      postgres.transaction(async (trx) => {
        await store.lockPerson(trx, personId);
        // A proved wallet is watched already; watching it again must not take its proof away.
        if (await store.get(trx, personId, address)) return;
        const watched = await store.watchedBy(trx, personId);
        if (watched.length >= MAX_WATCHED && !watched.some((w) => w.address === address))
          throw new AppError('conflict', `A person can watch ${MAX_WATCHED} wallets; remove one first.`);
        await store.watch(trx, personId, { address, label, createdAt: new Date(clock.now()) });
      }),

    unlink: (personId, address) =>
      postgres.transaction(async (trx) => {
        await store.lockPerson(trx, personId);
        const wallet = await store.get(trx, personId, address);
        if (!wallet) {
          if ((await store.unwatch(trx, personId, address)) === 0) throw missing(address);
          return;
        }
        const wallets = await store.ofPerson(trx, personId);
        if (wallets.length === 1 && !(await hasOtherWayIn(trx, personId)))
          throw new AppError(
            'conflict',
            'This is the only way to sign in; link another wallet or confirm an e-mail address first.',
          );
        await pinCursor(trx);
        await onUnlinked(trx, wallet);
        await store.remove(trx, wallet.id);
      }),
  };
}
