import type { Clock } from '../../../lib/time.ts';
import type { Db, UserPostgres } from '../shared/database.ts';
import type { accountStore } from './store.ts';

export interface Accounts {
  export(personId: string): Promise<Record<string, unknown>>;
  /** Erases the person. The ledger stays balanced; its entries belong to nobody afterwards. */
  erase(personId: string): Promise<void>;
}

export function createAccounts(deps: {
  postgres: Pick<UserPostgres, 'db' | 'transaction'>;
  store: typeof accountStore;
  clock: Pick<Clock, 'now'>;
  lockPerson: (trx: Db, personId: string) => Promise<void>;
  pinCursor: (trx: Db) => Promise<unknown>;
  walletsOf: (db: Db, personId: string) => Promise<readonly { id: string; personId: string }[]>;
  closeWallet: (trx: Db, wallet: { id: string; personId: string }, reason: string) => Promise<void>;
  /** Further closings before the link to the ledger is cut: points, open awards. */
  closings: readonly ((trx: Db, personId: string) => Promise<void>)[];
  ledgerEntries: (personId: string) => Promise<readonly unknown[]>;
}): Accounts {
  const { postgres, store, clock } = deps;
  return {
    async export(personId) {
      const stored = await store.export(postgres.db, personId);
      return {
        exportedAt: new Date(clock.now()).toISOString(),
        personId,
        ...stored,
        ledger: await deps.ledgerEntries(personId),
      };
    },
    erase: (personId) =>
      postgres.transaction(async (trx) => {
        await deps.lockPerson(trx, personId);
        await deps.pinCursor(trx);
        for (const wallet of await deps.walletsOf(trx, personId))
          await deps.closeWallet(trx, wallet, 'The account was erased.');
        for (const close of deps.closings) await close(trx, personId);
        await store.erase(trx, personId, new Date(clock.now()));
      }),
  };
}
