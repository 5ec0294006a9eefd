import { AppError } from '../../../lib/errors.ts';
import type { Random } from '../../../lib/random.ts';
import type { Clock } from '../../../lib/time.ts';
import type { Db, UserPostgres } from '../shared/database.ts';
import type { WalletRow, walletStore } from './store.ts';

/** More wallets than anybody needs, few enough that one person cannot burden the event matching. */
export const MAX_WALLETS = 50;

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
  /** @throws AppError `not_found` */
  rename(personId: string, address: string, label: string | null): Promise<WalletRow>;
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
      await onLinked(trx, row);
      return row;
    },

    find: (db, address) => store.byAddress(db, address),
    list: (personId) => store.ofPerson(postgres.db, personId),

    async rename(personId, address, label) {
      if ((await store.setLabel(postgres.db, personId, address, label)) === 0) throw missing(address);
      return (await store.get(postgres.db, personId, address)) ?? Promise.reject(missing(address));
    },

    unlink: (personId, address) =>
      postgres.transaction(async (trx) => {
        await store.lockPerson(trx, personId);
        const wallet = await store.get(trx, personId, address);
        if (!wallet) throw missing(address);
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
