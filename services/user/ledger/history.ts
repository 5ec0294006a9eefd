import type { Logger } from '../../../lib/log.ts';
import type { Gateway, IndexedTransfer } from '../gateway/client.ts';
import type { Db, UserPostgres } from '../shared/database.ts';
import type { Ledger, MatchedWallet, Opening } from './service.ts';

/** Transfers posted one by one; older ones are summed into one opening entry per token. */
export const MAX_SINGLE_TRANSFERS = 2_000;
const PAGE = 500;

interface HistoryWallet extends MatchedWallet {
  readonly chainId: number;
}

/**
 * Brings what a wallet did before it was linked into the ledger.
 *
 * The pages are read outside any transaction. That is exact nevertheless: whatever happens on the chain after the link
 * has a higher number in the event log, and is either applied by the consumer or waits in `ledger_deferred`; both meet
 * here by the key of the transfer, and the same key is posted once.
 */
export function createHistoryReader(deps: {
  postgres: Pick<UserPostgres, 'db' | 'transaction'>;
  gateway: Pick<Gateway, 'transfers'>;
  ledger: Pick<Ledger, 'applyHistory'>;
  claim: (db: Db) => Promise<HistoryWallet | undefined>;
  pinCursor: (trx: Db) => Promise<unknown>;
  markDone: (trx: Db, walletId: string) => Promise<void>;
  log: Logger;
}): { readNext(signal: AbortSignal): Promise<boolean> } {
  const { postgres, gateway, ledger, claim, pinCursor, markDone, log } = deps;

  const read = async (wallet: HistoryWallet, signal: AbortSignal) => {
    const single: IndexedTransfer[] = [];
    const sums = new Map<string, Opening>();
    let cursor: string | undefined;
    do {
      signal.throwIfAborted();
      const page = await gateway.transfers({
        chainId: wallet.chainId,
        address: wallet.address,
        cursor,
        limit: PAGE,
      });
      for (const transfer of page.transfers) {
        if (single.length < MAX_SINGLE_TRANSFERS) {
          single.push(transfer);
          continue;
        }
        const known = sums.get(transfer.token);
        const effect =
          (transfer.to === wallet.address ? transfer.amount : 0n) -
          (transfer.from === wallet.address ? transfer.amount : 0n);
        sums.set(transfer.token, {
          chainId: wallet.chainId,
          token: transfer.token,
          amount: (known?.amount ?? 0n) + effect,
          upToBlock: known?.upToBlock ?? transfer.blockNumber,
          at: known?.at ?? transfer.blockTime,
        });
      }
      cursor = page.next;
    } while (cursor !== undefined);
    single.sort((a, b) => a.blockNumber - b.blockNumber || a.logIndex - b.logIndex);
    return { single, openings: [...sums.values()] };
  };

  return {
    /** @returns false when no wallet waits. */
    async readNext(signal) {
      const wallet = await claim(postgres.db);
      if (!wallet) return false;
      const { single, openings } = await read(wallet, signal);
      const done = await postgres.transaction(async (trx) => {
        // The consumer stands still, so nothing can be put aside for this wallet while we take it out.
        await pinCursor(trx);
        const again = await claim(trx);
        if (again?.id !== wallet.id) return false;
        await ledger.applyHistory(trx, wallet, single, openings);
        await markDone(trx, wallet.id);
        return true;
      });
      if (done)
        log.info(
          { transfers: single.length, openings: openings.length },
          'the history of a linked wallet is in the ledger',
        );
      return true;
    },
  };
}
