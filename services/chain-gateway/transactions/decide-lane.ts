import { capFees, type Fees, replacementFees, type Urgency } from './fees.ts';
import type { Attempt, Head, Inclusion, OpenSlot, Receipt } from './lane-types.ts';

/** Times in milliseconds. The defaults fit a chain with blocks every 2 to 12 s. */
export interface LaneTiming {
  /** Signed and unfinished nonces at most; nodes keep about 64 per account without a gap. */
  readonly maxInFlight: number;
  /** The same bytes are sent again this long after the last time: cures eviction and lost mempools. */
  readonly rebroadcastMs: number;
  /** After an answer that said nothing (timeout). */
  readonly retryUnknownMs: number;
  /** A transaction that is next in line for this long, while blocks come, gets a better offer. */
  readonly bumpAfterMs: Readonly<Record<Urgency, number>>;
  /** Without a new block for this long the chain is stalled: nothing we send would help, so nothing is bumped. */
  readonly headStallMs: number;
}

export const DEFAULT_LANE_TIMING: LaneTiming = {
  maxInFlight: 64,
  rebroadcastMs: 8_000,
  retryUnknownMs: 1_000,
  bumpAfterMs: { slow: 120_000, standard: 45_000, fast: 24_000 },
  headStallMs: 60_000,
};

/** Everything a decision about one lane rests on. */
export interface LaneView {
  readonly now: number;
  readonly head: Head;
  readonly nonceLatest: number;
  /** Known only when a nonce looks spent by somebody else. */
  readonly nonceFinalized: number | undefined;
  readonly balance: bigint;
  readonly nextBaseFee: bigint;
  suggest(urgency: Urgency): Fees;
  /** Receipts that were found, by transaction hash. */
  readonly receipts: ReadonlyMap<string, Receipt>;
  readonly feeCap: bigint;
  /** Below this the lane finishes what it has and takes nothing new, wei. */
  readonly minimumBalance: bigint;
  readonly maxRequeues: number;
}

export type StuckKind = 'head_stalled' | 'gap' | 'out_of_funds' | 'evicted' | 'underpriced';

export type LaneAction =
  | { readonly do: 'include'; readonly inclusion: Inclusion }
  | { readonly do: 'broadcast'; readonly nonce: number; readonly attempt: Attempt }
  | { readonly do: 'replace'; readonly slot: OpenSlot; readonly kind: 'bump' | 'cancel'; readonly fees: Fees }
  | { readonly do: 'noteForeign'; readonly nonce: number; readonly seen: boolean }
  | { readonly do: 'releaseForeign'; readonly nonce: number; readonly next: 'queued' | 'replaced' }
  | { readonly do: 'pause'; readonly reason: string | null }
  | { readonly do: 'stuck'; readonly kind: StuckKind; readonly nonce: number };

export const outcomeOf = (attempt: Attempt, receipt: Receipt): Inclusion['outcome'] =>
  attempt.kind === 'cancel' ? 'cancelled' : receipt.success ? 'success' : 'reverted';

/** The most an attempt can cost: its gas at its fee cap, and the value it carries. */
export const worstCost = (attempt: Attempt, value: bigint): bigint =>
  attempt.gasLimit * attempt.maxFeePerGas + value;

const newest = (slot: OpenSlot): Attempt | undefined => slot.attempts.at(-1);

/** What to do about a nonce that the chain says is spent. */
function decideSpent(slot: OpenSlot, view: LaneView): LaneAction[] {
  for (const attempt of slot.attempts) {
    const receipt = view.receipts.get(attempt.hash);
    if (receipt)
      return [
        { do: 'include', inclusion: { nonce: slot.nonce, receipt, outcome: outcomeOf(attempt, receipt) } },
      ];
  }
  // No receipt of ours: a provider that lags, or the key was used elsewhere. Only a final block settles which, because
  // giving the transaction a new nonce while an old attempt could still execute would be executing it twice.
  if (slot.foreignSeenBlock === null) return [{ do: 'noteForeign', nonce: slot.nonce, seen: true }];
  const final =
    view.nonceFinalized !== undefined &&
    view.nonceFinalized > slot.nonce &&
    view.head.number > slot.foreignSeenBlock;
  if (!final) return [];
  const next =
    slot.intent && slot.intent.requeues < view.maxRequeues && !slot.intent.cancelRequested
      ? 'queued'
      : 'replaced';
  return [{ do: 'releaseForeign', nonce: slot.nonce, next }];
}

/** A better offer, when one is due and the cap leaves room. */
function decideReplacement(
  slot: OpenSlot,
  last: Attempt,
  view: LaneView,
  timing: LaneTiming,
  isNext: boolean,
): LaneAction | undefined {
  const { intent } = slot;
  const cap = intent?.maxFeeCap && intent.maxFeeCap < view.feeCap ? intent.maxFeeCap : view.feeCap;
  const urgency = intent?.urgency ?? 'fast';
  const wantsCancel = intent?.cancelRequested === true && !slot.attempts.some((a) => a.kind === 'cancel');
  const wantsSpeed = (intent?.speedUps ?? 0) > slot.attempts.filter((a) => a.kind === 'bump').length;
  const stalled = view.now - view.head.timeMs > timing.headStallMs;
  const age = view.now - last.createdAt;
  const tooCheap = last.maxFeePerGas < view.nextBaseFee;
  const due = !stalled && age > timing.bumpAfterMs[urgency] && (isNext || tooCheap);
  if (!wantsCancel && !wantsSpeed && !due) return undefined;
  // A cancellation must win: it may spend up to the signer's cap even when the request had a lower one.
  const fees = replacementFees(
    last,
    view.suggest(wantsCancel || wantsSpeed ? 'fast' : urgency),
    wantsCancel ? view.feeCap : cap,
  );
  if (!fees) return undefined;
  const kind = wantsCancel || last.kind === 'cancel' ? 'cancel' : 'bump';
  return { do: 'replace', slot, kind, fees };
}

function decideWaiting(slot: OpenSlot, view: LaneView, timing: LaneTiming, isNext: boolean): LaneAction[] {
  const last = newest(slot);
  if (!last) return [];
  const actions: LaneAction[] = [];
  const replacement = decideReplacement(slot, last, view, timing, isNext);
  if (replacement) {
    if (last.maxFeePerGas < view.nextBaseFee)
      actions.push({ do: 'stuck', kind: 'underpriced', nonce: slot.nonce });
    actions.push(replacement);
    return actions;
  }
  if (last.lastBroadcastAt === null) return [{ do: 'broadcast', nonce: slot.nonce, attempt: last }];
  const since = view.now - last.lastBroadcastAt;
  const wait = last.acceptedAt === null ? timing.retryUnknownMs : timing.rebroadcastMs;
  if (since >= wait) actions.push({ do: 'broadcast', nonce: slot.nonce, attempt: last });
  return actions;
}

/** Pure: what to do about every open nonce of one lane, in nonce order. */
export function decideLane(
  slots: readonly OpenSlot[],
  pausedReason: string | null,
  view: LaneView,
  timing: LaneTiming,
): LaneAction[] {
  const actions: LaneAction[] = [];
  const waiting = slots.filter((slot) => slot.nonce >= view.nonceLatest);
  for (const slot of slots) {
    if (slot.nonce < view.nonceLatest) actions.push(...decideSpent(slot, view));
  }
  const [first] = waiting;
  const stalled = view.now - view.head.timeMs > timing.headStallMs;
  if (stalled && first) actions.push({ do: 'stuck', kind: 'head_stalled', nonce: first.nonce });
  if (first) {
    const last = newest(first);
    const short =
      last !== undefined &&
      view.balance < worstCost(last, first.intent && last.kind !== 'cancel' ? first.intent.value : 0n);
    if (short && pausedReason === null) {
      actions.push(
        { do: 'stuck', kind: 'out_of_funds', nonce: first.nonce },
        { do: 'pause', reason: 'out_of_funds' },
      );
    }
    if (!short && pausedReason === 'out_of_funds') actions.push({ do: 'pause', reason: null });
  } else if (pausedReason === 'out_of_funds' && view.balance > 0n) {
    actions.push({ do: 'pause', reason: null });
  }
  const low = view.balance < view.minimumBalance;
  if (low && pausedReason === null) actions.push({ do: 'pause', reason: 'below_minimum_balance' });
  if (!low && pausedReason === 'below_minimum_balance') actions.push({ do: 'pause', reason: null });
  for (const slot of waiting) {
    // It was a provider's mistake: whoever said it again later must not find half of a verdict here.
    if (slot.foreignSeenBlock !== null) actions.push({ do: 'noteForeign', nonce: slot.nonce, seen: false });
    actions.push(...decideWaiting(slot, view, timing, slot.nonce === view.nonceLatest));
  }
  return actions;
}

/** Fees of a first attempt: the suggestion within the caps. */
export function firstFees(
  view: Pick<LaneView, 'suggest' | 'feeCap'>,
  urgency: Urgency,
  ownCap: bigint | null,
): Fees {
  const cap = ownCap !== null && ownCap < view.feeCap ? ownCap : view.feeCap;
  return capFees(view.suggest(urgency), cap);
}
