import { AppError } from '../../../lib/errors.ts';
import type { Db } from '../shared/database.ts';
import { accountId, assertBalanced, type EntryDraft, keepsBalance, refusesOverdraft } from './rules.ts';
import type { AccountRow, ledgerStore } from './store.ts';

export interface Posted {
  /** Ids of the entries in the order of the drafts; of a draft posted before, its unused number. */
  readonly ids: readonly number[];
  /** False where the event key had been posted before. */
  readonly fresh: readonly boolean[];
  readonly accountOf: (key: EntryDraft['legs'][number]['account']) => AccountRow;
}

/**
 * Posts a batch of balanced entries within `trx`: entries in order, each posting with the balance it leads to.
 * A draft whose event key exists is skipped, so the same batch can be posted any number of times.
 *
 * @throws AppError `insufficient_funds` when an account that must not be overdrawn would be. A reversal may overdraw: what
 *   was spent of a reward that is taken back becomes a debt.
 */
export async function postEntries(
  trx: Db,
  drafts: readonly EntryDraft[],
  now: Date,
  store: Pick<
    typeof ledgerStore,
    'accounts' | 'entryIds' | 'insertEntries' | 'lockBalances' | 'insertPostings' | 'setBalances'
  >,
): Promise<Posted> {
  for (const draft of drafts) assertBalanced(draft);
  const keys = new Map(
    drafts.flatMap((d) => d.legs.map((leg) => [accountId(leg.account), leg.account] as const)),
  );
  const accounts = new Map(
    (await store.accounts(trx, [...keys.values()])).map((row) => [accountId(row), row]),
  );
  const accountOf = (key: EntryDraft['legs'][number]['account']): AccountRow => {
    const row = accounts.get(accountId(key));
    if (!row) throw new Error(`ledger account ${accountId(key)} could not be opened`);
    return row;
  };
  if (drafts.length === 0) return { ids: [], fresh: [], accountOf };

  const ids = await store.entryIds(trx, drafts.length);
  const entries = drafts.map((draft, i) => {
    const { reverses } = draft;
    const reversesId =
      reverses === undefined
        ? null
        : 'entryId' in reverses
          ? reverses.entryId
          : (ids[reverses.draft] as number);
    return { ...draft, id: ids[i] as number, reversesId };
  });
  const inserted = await store.insertEntries(trx, entries, now);

  const kept = new Set<number>();
  for (const { account } of drafts.flatMap((d) => d.legs))
    if (keepsBalance(account.kind)) kept.add(accountOf(account).id);
  const balances = new Map(
    await store.lockBalances(
      trx,
      [...kept].sort((a, b) => a - b),
    ),
  );
  const postings = entries
    .filter((entry) => inserted.has(entry.id))
    .flatMap((entry) =>
      entry.legs.map(({ account, amount }) => {
        const { id } = accountOf(account);
        const before = balances.get(id);
        const after = before === undefined ? null : before + amount;
        if (
          after !== null &&
          after < 0n &&
          amount < 0n &&
          entry.reverses === undefined &&
          refusesOverdraft(account.kind)
        )
          throw new AppError(
            'insufficient_funds',
            `The ${account.kind} account holds ${before}, and ${-amount} was asked of it.`,
          );
        if (after !== null) balances.set(id, after);
        return { entryId: entry.id, accountId: id, assetId: account.assetId, amount, balanceAfter: after };
      }),
    );
  if (postings.length > 0) {
    await store.insertPostings(trx, postings);
    await store.setBalances(trx, balances);
  }
  return { ids, fresh: ids.map((id) => inserted.has(id)), accountOf };
}
