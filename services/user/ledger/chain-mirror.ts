import type { ChainEvent, Stage } from '../gateway/schemas.ts';
import type { Db } from '../shared/database.ts';
import { postEntries } from './posting.ts';
import { type AccountKey, type EntryDraft, effectOn, erc20Asset, stepFor } from './rules.ts';
import type { ChainLogRow, ledgerStore } from './store.ts';

/** A fungible transfer at one stage, from the event log or from the history. */
export interface StagedTransfer {
  readonly key: string;
  readonly stage: Stage;
  readonly chainId: number;
  readonly token: string;
  readonly from: string;
  readonly to: string;
  readonly amount: bigint;
  readonly blockNumber: number;
  readonly blockTime: Date;
  readonly logIndex: number;
  readonly transactionHash: string;
}

/** A wallet as the ledger knows it: opaque numbers, and the address to tell the direction. */
export interface LedgerWallet {
  readonly id: string;
  readonly address: string;
  readonly owner: string;
}

/** Reads a `transfer.erc20` event; undefined for every other type. */
export function transferOf(event: ChainEvent): StagedTransfer | undefined {
  if (event.type !== 'transfer.erc20') return undefined;
  const { from, to, amount } = event.data;
  return {
    key: event.key,
    stage: event.stage,
    chainId: event.chainId,
    token: event.contract.address,
    from: String(from),
    to: String(to),
    amount: BigInt(String(amount)),
    blockNumber: event.blockNumber,
    blockTime: event.blockTime,
    logIndex: event.logIndex,
    transactionHash: event.transactionHash,
  };
}

/** One transfer seen from one wallet. */
export interface Movement {
  readonly transfer: StagedTransfer;
  readonly wallet: LedgerWallet;
}

interface State {
  row: ChainLogRow | undefined;
  /** Index of the draft of this batch that posted it, while its entry has no id yet. */
  draft: number | undefined;
}

/**
 * Mirrors transfers into the ledger, within `trx`: each (transfer, wallet) is one balanced entry between the wallet
 * and the rest of the chain, so that a transfer between two of our wallets is two entries that know nothing of each other.
 * The order of `movements` is the order of the running balance.
 *
 * @returns how many entries were posted, by kind.
 */
export async function mirrorTransfers(
  trx: Db,
  movements: readonly Movement[],
  now: Date,
  store: typeof ledgerStore,
): Promise<ReadonlyMap<string, number>> {
  const relevant = movements.filter(({ transfer, wallet }) => effectOn(wallet.address, transfer) !== 0n);
  const counts = new Map<string, number>();
  if (relevant.length === 0) return counts;

  const pairs = relevant.map(({ transfer, wallet }) => ({ key: transfer.key, walletId: wallet.id }));
  const id = (p: { key: string; walletId: string }): string => `${p.key}|${p.walletId}`;
  const states = new Map<string, State>();
  for (const row of await store.chainLog(trx, uniqueBy(pairs, id)))
    states.set(id(row), { row, draft: undefined });

  const drafts: EntryDraft[] = [];
  const changed = new Map<string, Movement>();
  for (const movement of relevant) {
    const { transfer, wallet } = movement;
    const pair = { key: transfer.key, walletId: wallet.id };
    const state = states.get(id(pair)) ?? { row: undefined, draft: undefined };
    states.set(id(pair), state);
    const step = stepFor(state.row, transfer.stage);
    if (step.do === 'nothing') continue;
    const effect = effectOn(wallet.address, transfer);
    const base = { ...pair, stage: transfer.stage, epoch: state.row?.epoch ?? 0, amount: effect.toString() };
    if (step.do === 'post') {
      state.row = { ...base, epoch: step.epoch, entryId: null, accountId: null };
      state.draft = drafts.push(movementDraft(movement, effect, step.epoch)) - 1;
    } else if (
      step.do === 'reverse' &&
      state.row &&
      (state.row.entryId !== null || state.draft !== undefined)
    ) {
      drafts.push(reversalDraft(movement, effect, state));
      state.row = { ...state.row, stage: 'reverted' };
    } else {
      state.row = { ...(state.row ?? { ...base, entryId: null, accountId: null }), stage: transfer.stage };
    }
    changed.set(id(pair), movement);
  }

  const posted = await postEntries(trx, drafts, now, store);
  drafts.forEach((draft, i) => {
    if (posted.fresh[i]) counts.set(draft.kind, (counts.get(draft.kind) ?? 0) + 1);
  });
  const log = [...changed].map(([key, movement]) => {
    const { row, draft } = states.get(key) as State;
    const known = row as ChainLogRow;
    if (draft === undefined) return known;
    return {
      ...known,
      entryId: posted.ids[draft] as number,
      accountId: posted.accountOf(walletAccount(movement)).id,
    };
  });
  if (log.length > 0) await store.upsertChainLog(trx, log);
  return counts;
}

function uniqueBy<T>(items: readonly T[], key: (item: T) => string): T[] {
  return [...new Map(items.map((item) => [key(item), item])).values()];
}

const walletAccount = ({ transfer, wallet }: Movement): AccountKey => ({
  kind: 'wallet',
  owner: wallet.owner,
  reference: wallet.id,
  assetId: erc20Asset(transfer.chainId, transfer.token),
});

const chainAccount = ({ transfer }: Movement): AccountKey => ({
  kind: 'chain',
  owner: null,
  reference: '',
  assetId: erc20Asset(transfer.chainId, transfer.token),
});

function movementDraft(movement: Movement, effect: bigint, epoch: number): EntryDraft {
  const { transfer, wallet } = movement;
  return {
    eventKey: `${transfer.key}:${wallet.id}#${epoch}`,
    kind: effect > 0n ? 'transfer.in' : 'transfer.out',
    occurredAt: transfer.blockTime,
    chainId: transfer.chainId,
    blockNumber: transfer.blockNumber,
    logIndex: transfer.logIndex,
    transactionHash: transfer.transactionHash,
    counterparty: effect > 0n ? transfer.from : transfer.to,
    legs: [
      { account: walletAccount(movement), amount: effect },
      { account: chainAccount(movement), amount: -effect },
    ],
  };
}

function reversalDraft(movement: Movement, effect: bigint, state: State): EntryDraft {
  const posted = movementDraft(movement, effect, state.row?.epoch ?? 0);
  return {
    ...posted,
    eventKey: `${posted.eventKey}:reverted`,
    kind: 'reversal',
    reason: 'The chain was reorganised; this transfer is not part of it any more.',
    reverses: state.draft === undefined ? { entryId: state.row?.entryId as number } : { draft: state.draft },
    legs: posted.legs.map(({ account, amount }) => ({ account, amount: -amount })),
  };
}
