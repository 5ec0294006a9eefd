import type { SignedTransaction } from '../signers/signer.ts';
import type { Fees, Urgency } from './fees.ts';

/** What executing a nonce did. `cancelled`: a no-op of ours took the place of the transaction. */
export type Outcome = 'success' | 'reverted' | 'cancelled';

export type AttemptKind = 'send' | 'bump' | 'cancel' | 'fill' | 'adopted';

/** One signed byte string, saved before it went anywhere. */
export interface Attempt extends Fees {
  readonly number: number;
  readonly kind: AttemptKind;
  readonly hash: string;
  readonly raw: string;
  readonly gasLimit: bigint;
  /** Epoch ms. */
  readonly createdAt: number;
  readonly broadcasts: number;
  readonly lastBroadcastAt: number | null;
  readonly acceptedAt: number | null;
  readonly lastError: string | null;
}

/** What a transaction wants done; all that signing needs besides nonce and fees. */
export interface Intent {
  readonly id: string;
  readonly to: string;
  readonly data: string;
  readonly value: bigint;
  readonly gasLimit: bigint;
  readonly accessList?: readonly { address: string; storageKeys: readonly string[] }[] | undefined;
  readonly urgency: Urgency;
  /** The requester's own cap on the fee per gas, wei. */
  readonly maxFeeCap: bigint | null;
  readonly cancelRequested: boolean;
  /** How many faster attempts were asked for. */
  readonly speedUps: number;
  readonly requeues: number;
  readonly createdAt: number;
}

/** A nonce that was given out and is in no canonical block yet, as far as we know. */
export interface OpenSlot {
  readonly nonce: number;
  /** Undefined for a nonce that only fills a gap. */
  readonly intent: Intent | undefined;
  readonly attempts: readonly Attempt[];
  /** Height at which the nonce was first seen spent by somebody else. */
  readonly foreignSeenBlock: number | null;
}

export interface Lane {
  readonly chainId: number;
  readonly signer: string;
  readonly nextNonce: number;
  readonly pausedReason: string | null;
}

export interface Receipt {
  readonly hash: string;
  readonly blockNumber: number;
  readonly blockHash: string;
  readonly success: boolean;
  readonly gasUsed: bigint;
  readonly effectiveGasPrice: bigint;
}

export interface Head {
  readonly number: number;
  readonly hash: string;
  /** Epoch ms. */
  readonly timeMs: number;
}

/** What became of a broadcast. `unknown` means unknown: the bytes may be out there. */
export type SendOutcome =
  | { readonly kind: 'accepted' | 'already_known' }
  | {
      readonly kind: 'nonce_too_low' | 'underpriced' | 'insufficient_funds' | 'invalid' | 'unknown';
      readonly message: string;
    };

/** The chain as the lanes see it. Every method may reject when no provider answers; `send` never does. */
export interface LaneChain {
  readonly chainId: number;
  head(): Promise<Head>;
  finalizedNumber(): Promise<number>;
  /** How many transactions of `address` the tagged block has executed, which is the next nonce there. */
  nonce(address: string, tag: 'latest' | 'pending' | 'finalized'): Promise<number>;
  balance(address: string): Promise<bigint>;
  receipt(hash: string): Promise<Receipt | null>;
  /** Hash of the canonical block at a height, null when there is none. */
  blockHash(number: number): Promise<string | null>;
  fees(): Promise<{ suggest(urgency: Urgency): Fees; nextBaseFee: bigint }>;
  send(raw: string): Promise<SendOutcome>;
}

export interface Inclusion {
  readonly nonce: number;
  readonly receipt: Receipt;
  readonly outcome: Outcome;
}

export interface IncludedSlot {
  readonly signer: string;
  readonly nonce: number;
  readonly transactionId: string | null;
  readonly hash: string;
}

/** Most wei that a signer may commit itself to in a rolling period. */
export interface Allowance {
  readonly wei: bigint;
  readonly periodSeconds: number;
}

export type SignNext = (
  intent: Intent,
  nonce: number,
) => Promise<{ signed: SignedTransaction; fees: Fees; gasLimit: bigint }>;

/**
 * The saved truth of the lanes. Each method is one database transaction that also writes the trail. There are two:
 * Postgres (lane-store.ts) and memory (for the seeded simulator), checked against the same invariants.
 */
export interface LaneStore {
  lane(chainId: number, signer: string): Promise<Lane>;
  openSlots(chainId: number, signer: string): Promise<OpenSlot[]>;
  preparedCount(chainId: number, signer: string): Promise<number>;
  /** Nonces in [from, to) that were never given out here. */
  missingNonces(chainId: number, signer: string, from: number, to: number): Promise<number[]>;
  /** Takes up to `limit` prepared transactions, gives each the next nonce (at least `minNonce`), signs and saves; all or nothing. */
  signPrepared(
    lane: Lane,
    options: { minNonce: number; limit: number; sign: SignNext; allowance?: Allowance | undefined },
  ): Promise<SavedAttempt[]>;
  /** Saves a replacement for an open slot; false when the slot is no longer open or somebody was faster. */
  saveReplacement(lane: Lane, nonce: number, attempt: NewAttempt & { number: number }): Promise<boolean>;
  /** Saves a slot without a transaction, to close a gap; false when the nonce was given out meanwhile. */
  saveFill(lane: Lane, nonce: number, attempt: NewAttempt): Promise<boolean>;
  recordBroadcasts(
    lane: Lane,
    results: readonly { nonce: number; hash: string; outcome: SendOutcome }[],
  ): Promise<void>;
  recordInclusions(lane: Lane, inclusions: readonly Inclusion[]): Promise<void>;
  /** Remembers since when a nonce looks spent by somebody else; null when it does no longer. */
  noteForeign(lane: Lane, nonce: number, seenAtBlock: number | null): Promise<void>;
  /** The nonce was spent by somebody else, finally: its transaction goes back to the queue, or ends as `replaced`. */
  releaseForeign(lane: Lane, nonce: number, next: 'queued' | 'replaced'): Promise<void>;
  pause(lane: Lane, reason: string | null): Promise<void>;
  includedBlocks(chainId: number): Promise<{ number: number; hash: string }[]>;
  includedSlots(chainId: number, number: number, hash: string): Promise<IncludedSlot[]>;
  confirm(chainId: number, number: number, hash: string, confirmations: number): Promise<void>;
  finalize(chainId: number, number: number, hash: string, slots: readonly IncludedSlot[]): Promise<void>;
  /** The block is not canonical any more (or never had these): the slots are open again. */
  uninclude(chainId: number, number: number, hash: string, slots: readonly IncludedSlot[]): Promise<void>;
}

export interface NewAttempt {
  readonly kind: AttemptKind;
  readonly signed: SignedTransaction;
  readonly fees: Fees;
  readonly gasLimit: bigint;
}

export interface SavedAttempt {
  readonly nonce: number;
  readonly transactionId: string | null;
  readonly hash: string;
  readonly raw: string;
}
