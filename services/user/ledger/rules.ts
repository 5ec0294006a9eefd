import type { Stage } from '../gateway/schemas.ts';

/** What has been done for one event of one wallet (or one inbox) so far. */
export interface Applied {
  readonly stage: Stage;
  /** How often the event came back after a reorganisation: the same block can become canonical again. */
  readonly epoch: number;
}

/** What a new stage of an event asks for. */
export type Step =
  | { readonly do: 'post'; readonly epoch: number }
  | { readonly do: 'stage' }
  | { readonly do: 'reverse' }
  /** Remember that it was taken back, so that a late reader of old pages cannot post it. */
  | { readonly do: 'tombstone' }
  | { readonly do: 'nothing' };

const RANK: Record<Exclude<Stage, 'reverted'>, number> = { pending: 0, confirmed: 1, finalized: 2 };

/**
 * The life of an event: posted once, its stage only rises, a reversal takes it back once, and the same block may
 * come back after that. Replays and stages that arrive twice change nothing.
 */
export function stepFor(applied: Applied | undefined, incoming: Stage): Step {
  if (!applied) return incoming === 'reverted' ? { do: 'tombstone' } : { do: 'post', epoch: 0 };
  if (incoming === 'reverted') return applied.stage === 'reverted' ? { do: 'nothing' } : { do: 'reverse' };
  if (applied.stage === 'reverted') return { do: 'post', epoch: applied.epoch + 1 };
  return RANK[incoming] > RANK[applied.stage] ? { do: 'stage' } : { do: 'nothing' };
}

/** What a transfer does to one wallet's holding; zero when it goes out and comes in at once. */
export function effectOn(wallet: string, transfer: { from: string; to: string; amount: bigint }): bigint {
  return (transfer.to === wallet ? transfer.amount : 0n) - (transfer.from === wallet ? transfer.amount : 0n);
}

/** The name of a fungible token as CAIP-19 has it. */
export const erc20Asset = (chainId: number, token: string): string =>
  `eip155:${chainId}/erc20:${token.toLowerCase()}`;

export type AccountKind = 'wallet' | 'chain' | 'points' | 'budget' | 'issued' | 'payable';

/** Names an account; it is opened when it is first posted to. */
export interface AccountKey {
  readonly kind: AccountKind;
  readonly owner: string | null;
  readonly reference: string;
  readonly assetId: string;
}

export interface EntryDraft {
  /** The same key is posted once, whoever tries how often. */
  readonly eventKey: string;
  readonly kind: string;
  /** Index of an earlier draft of the same batch, or the id of a stored entry, that this one takes back. */
  readonly reverses?: { readonly draft: number } | { readonly entryId: number };
  readonly reason?: string;
  readonly occurredAt: Date;
  readonly chainId?: number;
  readonly blockNumber?: number;
  readonly logIndex?: number;
  readonly transactionHash?: string;
  readonly counterparty?: string;
  readonly legs: readonly { readonly account: AccountKey; readonly amount: bigint }[];
}

/** Accounts whose running balance is kept. The rest of the world has one too, but nobody asks, and its row would be hot. */
export const keepsBalance = (kind: AccountKind): boolean => kind !== 'chain' && kind !== 'issued';

/** Accounts that may never be overdrawn. A wallet mirrors the chain, which is always right; it is reconciled instead. */
export const refusesOverdraft = (kind: AccountKind): boolean =>
  kind === 'points' || kind === 'budget' || kind === 'payable';

/**
 * @throws Error when the legs do not sum to zero in each asset: a bug of the caller, caught before the database does.
 */
export function assertBalanced(draft: EntryDraft): void {
  const sums = new Map<string, bigint>();
  for (const { account, amount } of draft.legs) {
    if (amount === 0n) throw new Error(`entry ${draft.eventKey} has an empty leg`);
    sums.set(account.assetId, (sums.get(account.assetId) ?? 0n) + amount);
  }
  for (const [asset, sum] of sums) {
    if (sum !== 0n) throw new Error(`entry ${draft.eventKey} does not sum to zero in ${asset}`);
  }
}

export const accountId = (key: AccountKey): string =>
  `${key.kind}|${key.owner ?? ''}|${key.reference}|${key.assetId}`;
