import type { Clock } from '../../../lib/time.ts';
import { type Signer, SignerUnavailableError, signTransaction } from '../signers/signer.ts';
import {
  decideLane,
  firstFees,
  type LaneAction,
  type LaneTiming,
  type LaneView,
  type StuckKind,
} from './decide-lane.ts';
import type { Fees } from './fees.ts';
import type {
  Allowance,
  Inclusion,
  Intent,
  Lane,
  LaneChain,
  LaneStore,
  OpenSlot,
  Receipt,
  SavedAttempt,
  SendOutcome,
} from './lane-types.ts';

/** What a lane tells the outside; for metrics and logs only. */
export interface LaneObserver {
  stuck(kind: StuckKind, nonce: number): void;
  balance(wei: bigint): void;
  sent(outcome: SendOutcome['kind']): void;
  signed(kind: 'send' | 'bump' | 'cancel' | 'fill'): void;
  /** @param ageMs since the transaction was accepted; undefined for a no-op. */
  included(inclusion: Inclusion, ageMs: number | undefined): void;
  paused(reason: string | null): void;
  drifted(from: number, to: number): void;
}

export interface LaneEngineDeps {
  readonly store: LaneStore;
  readonly chain: LaneChain;
  readonly signer: Signer;
  readonly clock: Pick<Clock, 'now'>;
  readonly timing: LaneTiming;
  /** Highest fee per gas that this signer ever offers, wei. */
  readonly feeCap: bigint;
  /** Below this balance the lane takes no new work, wei. */
  readonly minimumBalance?: bigint;
  /** What the policy lets it spend per period. */
  readonly allowance?: Allowance | undefined;
  /** How often a transaction whose nonce was taken elsewhere is tried again before it ends as `replaced`. */
  readonly maxRequeues: number;
  readonly observer?: Partial<LaneObserver>;
  /** How bytes are signed; only the simulator has another way. */
  readonly sign?: typeof signTransaction;
  /**
   * Called when the chain has executed nonces that the database never gave out: somebody else used the key, or the
   * database was restored from a backup. It must record whichever of our waiting transactions they were.
   */
  readonly recoverDrift?: (lane: Lane, from: number, to: number) => Promise<void>;
}

/** Gas of a transfer without data (yellow paper, G_transaction). */
const NO_OP_GAS = 21_000n;
/** Broadcasts at once; enough to fill a lane quickly, few enough to keep their order roughly. */
const SEND_CONCURRENCY = 16;

export interface LaneEngine {
  readonly address: string;
  /**
   * Looks at the lane once and does what is due. Never two at a time for one lane in one process; two processes at
   * once are harmless (the database decides who signs) but wasteful.
   * @param options.evenIdle looks at the chain although nothing is under way: finds gaps and keys used elsewhere.
   * @returns how many nonces are still open, so that an idle lane can rest.
   */
  tick(options?: { evenIdle?: boolean }): Promise<{ open: number; signed: number }>;
}

export function createLaneEngine(deps: LaneEngineDeps): LaneEngine {
  const { store, chain, signer, clock, timing, observer = {}, sign = signTransaction } = deps;
  const key = [chain.chainId, signer.address] as const;

  const signFor = async (intent: Intent | undefined, nonce: number, fees: Fees, gasLimit: bigint) =>
    sign(signer, {
      chainId: chain.chainId,
      nonce,
      to: intent?.to ?? signer.address,
      data: intent?.data ?? '0x',
      value: intent?.value ?? 0n,
      gasLimit,
      accessList: intent?.accessList,
      ...fees,
    });

  /** Receipts of nonces that look spent: newest attempt first, since it usually wins. */
  async function findReceipts(slots: readonly OpenSlot[]): Promise<Map<string, Receipt>> {
    const found = new Map<string, Receipt>();
    await Promise.all(
      slots.map(async (slot) => {
        for (const attempt of [...slot.attempts].reverse()) {
          const receipt = await chain.receipt(attempt.hash);
          if (receipt) {
            found.set(attempt.hash, receipt);
            return;
          }
        }
      }),
    );
    return found;
  }

  async function observe(slots: readonly OpenSlot[]): Promise<LaneView> {
    const [head, nonceLatest, balance, fees] = await Promise.all([
      chain.head(),
      chain.nonce(signer.address, 'latest'),
      chain.balance(signer.address),
      chain.fees(),
    ]);
    const spent = slots.filter((slot) => slot.nonce < nonceLatest);
    const receipts = await findReceipts(spent);
    const doubtful = spent.some(
      (slot) => slot.foreignSeenBlock !== null && !slot.attempts.some((a) => receipts.has(a.hash)),
    );
    const nonceFinalized = doubtful ? await chain.nonce(signer.address, 'finalized') : undefined;
    return {
      now: clock.now(),
      head,
      nonceLatest,
      nonceFinalized,
      balance,
      nextBaseFee: fees.nextBaseFee,
      suggest: fees.suggest,
      receipts,
      feeCap: deps.feeCap,
      minimumBalance: deps.minimumBalance ?? 0n,
      maxRequeues: deps.maxRequeues,
    };
  }

  async function broadcast(
    lane: Lane,
    items: readonly { nonce: number; hash: string; raw: string }[],
  ): Promise<void> {
    for (let i = 0; i < items.length; i += SEND_CONCURRENCY) {
      const results = await Promise.all(
        items
          .slice(i, i + SEND_CONCURRENCY)
          .map(async ({ nonce, hash, raw }) => ({ nonce, hash, outcome: await chain.send(raw) })),
      );
      for (const { outcome } of results) observer.sent?.(outcome.kind);
      await store.recordBroadcasts(lane, results);
    }
  }

  async function replace(
    lane: Lane,
    action: Extract<LaneAction, { do: 'replace' }>,
  ): Promise<SavedAttempt | undefined> {
    const { slot, kind, fees } = action;
    const last = slot.attempts.at(-1);
    if (!last) return undefined;
    const isNoOp = kind === 'cancel' || slot.intent === undefined;
    const gasLimit = isNoOp ? NO_OP_GAS : last.gasLimit;
    const signed = await signFor(isNoOp ? undefined : slot.intent, slot.nonce, fees, gasLimit);
    const saved = await store.saveReplacement(lane, slot.nonce, {
      kind,
      number: last.number + 1,
      signed,
      fees,
      gasLimit,
    });
    if (!saved) return undefined;
    observer.signed?.(kind);
    return { nonce: slot.nonce, transactionId: slot.intent?.id ?? null, ...signed };
  }

  /** A nonce that nobody holds blocks all above it: spend it on nothing. */
  async function fillGaps(lane: Lane, view: LaneView): Promise<SavedAttempt[]> {
    if (view.nonceLatest >= lane.nextNonce) return [];
    const filled: SavedAttempt[] = [];
    for (const nonce of await store.missingNonces(...key, view.nonceLatest, lane.nextNonce)) {
      observer.stuck?.('gap', nonce);
      const fees = firstFees(view, 'fast', null);
      const signed = await signFor(undefined, nonce, fees, NO_OP_GAS);
      if (await store.saveFill(lane, nonce, { kind: 'fill', signed, fees, gasLimit: NO_OP_GAS })) {
        observer.signed?.('fill');
        filled.push({ nonce, transactionId: null, ...signed });
      }
    }
    return filled;
  }

  async function signNew(
    lane: Lane,
    view: LaneView,
    waiting: number,
    limit: number,
  ): Promise<SavedAttempt[]> {
    // With nothing of ours under way, what the mempool holds for this key is somebody else's: do not compete with it.
    const pending = waiting === 0 ? await chain.nonce(signer.address, 'pending') : 0;
    const saved = await store.signPrepared(lane, {
      minNonce: Math.max(view.nonceLatest, pending),
      limit,
      allowance: deps.allowance,
      sign: async (intent, nonce) => {
        const fees = firstFees(view, intent.urgency, intent.maxFeeCap);
        return {
          signed: await signFor(intent, nonce, fees, intent.gasLimit),
          fees,
          gasLimit: intent.gasLimit,
        };
      },
    });
    for (const _ of saved) observer.signed?.('send');
    return saved;
  }

  async function pause(lane: Lane, reason: string | null): Promise<void> {
    if (lane.pausedReason === reason) return;
    await store.pause(lane, reason);
    observer.paused?.(reason);
  }

  async function apply(
    lane: Lane,
    slots: readonly OpenSlot[],
    actions: readonly LaneAction[],
  ): Promise<string | null> {
    const inclusions = actions.flatMap((action) => (action.do === 'include' ? [action.inclusion] : []));
    if (inclusions.length > 0) await store.recordInclusions(lane, inclusions);
    for (const inclusion of inclusions) {
      const intent = slots.find((slot) => slot.nonce === inclusion.nonce)?.intent;
      observer.included?.(inclusion, intent && clock.now() - intent.createdAt);
    }
    const sends: { nonce: number; hash: string; raw: string }[] = [];
    let pausedReason = lane.pausedReason;
    for (const action of actions) {
      if (action.do === 'stuck') observer.stuck?.(action.kind, action.nonce);
      else if (action.do === 'noteForeign')
        await store.noteForeign(lane, action.nonce, action.seen ? (await chain.head()).number : null);
      else if (action.do === 'releaseForeign') await store.releaseForeign(lane, action.nonce, action.next);
      else if (action.do === 'pause') {
        await pause(lane, action.reason);
        pausedReason = action.reason;
      } else if (action.do === 'replace') {
        const saved = await replace(lane, action);
        if (saved) sends.push(saved);
      } else if (action.do === 'broadcast') {
        sends.push({ nonce: action.nonce, hash: action.attempt.hash, raw: action.attempt.raw });
      }
    }
    await broadcast(lane, sends);
    return pausedReason;
  }

  async function look(evenIdle: boolean): Promise<{ open: number; signed: number }> {
    let lane = await store.lane(...key);
    const [slots, prepared] = await Promise.all([store.openSlots(...key), store.preparedCount(...key)]);
    if (!evenIdle && slots.length === 0 && prepared === 0) return { open: 0, signed: 0 };
    const view = await observe(slots);
    observer.balance?.(view.balance);
    if (view.nonceLatest > lane.nextNonce) {
      observer.drifted?.(lane.nextNonce, view.nonceLatest);
      await deps.recoverDrift?.(lane, lane.nextNonce, view.nonceLatest);
      lane = await store.lane(...key);
    }
    try {
      const pausedReason = await apply(lane, slots, decideLane(slots, lane.pausedReason, view, timing));
      await broadcast(lane, await fillGaps(lane, view));
      const waiting = slots.filter((slot) => slot.nonce >= view.nonceLatest).length;
      const room = timing.maxInFlight - waiting;
      let signed: SavedAttempt[] = [];
      if (room > 0 && prepared > 0 && (pausedReason === null || pausedReason === 'signer_away')) {
        signed = await signNew(lane, view, waiting, room);
        await broadcast(lane, signed);
      }
      if (pausedReason === 'signer_away') await pause({ ...lane, pausedReason }, null);
      return { open: waiting + signed.length, signed: signed.length };
    } catch (error) {
      if (!(error instanceof SignerUnavailableError)) throw error;
      await pause(lane, 'signer_away');
      return { open: slots.length, signed: 0 };
    }
  }

  // The lane's own loop and the reconciler take turns.
  let turn: Promise<unknown> = Promise.resolve();
  return {
    address: signer.address,
    tick({ evenIdle = false } = {}) {
      const result = turn.then(() => look(evenIdle));
      turn = result.catch(() => undefined);
      return result;
    },
  };
}
