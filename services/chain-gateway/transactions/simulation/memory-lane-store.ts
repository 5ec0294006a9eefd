import type {
  Attempt,
  IncludedSlot,
  Intent,
  Lane,
  LaneStore,
  NewAttempt,
  Outcome,
  SavedAttempt,
} from '../lane-types.ts';
import { isLegalMove, type TransactionState } from '../states.ts';

/** A transaction as the model's database has it. */
export interface ModelTransaction {
  readonly intent: Intent;
  state: TransactionState;
  signer: string | null;
  nonce: number | null;
  outcome: Outcome | null;
  cancelRequested: boolean;
  speedUps: number;
  requeues: number;
}

interface ModelSlot {
  readonly nonce: number;
  readonly transactionId: string | null;
  state: 'open' | 'included' | 'settled' | 'foreign';
  includedHash: string | null;
  blockNumber: number | null;
  blockHash: string | null;
  outcome: Outcome | null;
  foreignSeenBlock: number | null;
  attempts: Attempt[];
}

interface ModelLane {
  nextNonce: number;
  pausedReason: string | null;
  readonly slots: Map<number, ModelSlot>;
}

/** Breaks the run when something happened that must never happen. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

export interface MemoryLaneStore extends LaneStore {
  readonly transactions: Map<string, ModelTransaction>;
  addLane(signer: string, nextNonce: number): void;
  accept(intent: Intent): void;
  /** What preparation does: gives a queued transaction to a signer. */
  prepare(id: string, signer: string): void;
  cancel(id: string): void;
  laneOf(signer: string): ModelLane;
  /** The database as it was, for a restore from backup. */
  backup(): () => void;
}

const INVALID_LIMIT = 3;

/** {@link LaneStore} in memory, with the rules that Postgres enforces by constraints enforced by exceptions. */
export function createMemoryLaneStore(clock: { now(): number }): MemoryLaneStore {
  let transactions = new Map<string, ModelTransaction>();
  let lanes = new Map<string, ModelLane>();
  const hashes = new Set<string>();

  const laneOf = (signer: string): ModelLane => {
    const lane = lanes.get(signer);
    if (!lane) throw new InvariantError(`no lane for ${signer}`);
    return lane;
  };
  const find = (id: string): ModelTransaction => {
    const tx = transactions.get(id);
    if (!tx) throw new InvariantError(`no transaction ${id}`);
    return tx;
  };
  const move = (tx: ModelTransaction, to: TransactionState): void => {
    if (tx.state === to) return;
    if (!isLegalMove(tx.state, to))
      throw new InvariantError(`${tx.intent.id} may not move from ${tx.state} to ${to}`);
    tx.state = to;
  };
  const live = (tx: ModelTransaction): Intent => ({
    ...tx.intent,
    cancelRequested: tx.cancelRequested,
    speedUps: tx.speedUps,
    requeues: tx.requeues,
  });
  const save = (slot: ModelSlot, next: NewAttempt & { number: number }): void => {
    if (hashes.has(next.signed.hash)) throw new InvariantError(`${next.signed.hash} was signed twice`);
    hashes.add(next.signed.hash);
    slot.attempts.push({
      number: next.number,
      kind: next.kind,
      hash: next.signed.hash,
      raw: next.signed.raw,
      gasLimit: next.gasLimit,
      ...next.fees,
      createdAt: clock.now(),
      broadcasts: 0,
      lastBroadcastAt: null,
      acceptedAt: null,
      lastError: null,
    });
  };
  const newSlot = (lane: ModelLane, nonce: number, transactionId: string | null): ModelSlot => {
    if (lane.slots.has(nonce)) throw new InvariantError(`nonce ${nonce} was given out twice`);
    const slot: ModelSlot = {
      nonce,
      transactionId,
      state: 'open',
      includedHash: null,
      blockNumber: null,
      blockHash: null,
      outcome: null,
      foreignSeenBlock: null,
      attempts: [],
    };
    lane.slots.set(nonce, slot);
    return slot;
  };
  const included = function* (number: number, hash: string): Generator<[string, ModelSlot]> {
    for (const [signer, lane] of lanes) {
      for (const slot of lane.slots.values()) {
        if (slot.state === 'included' && slot.blockNumber === number && slot.blockHash === hash)
          yield [signer, slot];
      }
    }
  };

  return {
    get transactions() {
      return transactions;
    },
    laneOf,
    addLane: (signer, nextNonce) =>
      void lanes.set(signer, { nextNonce, pausedReason: null, slots: new Map() }),
    accept: (intent) =>
      void transactions.set(intent.id, {
        intent,
        state: 'queued',
        signer: null,
        nonce: null,
        outcome: null,
        cancelRequested: false,
        speedUps: 0,
        requeues: 0,
      }),
    prepare(id, signer) {
      const tx = find(id);
      move(tx, 'prepared');
      tx.signer = signer;
    },
    cancel(id) {
      const tx = find(id);
      if (tx.state === 'queued' || tx.state === 'prepared') move(tx, 'cancelled');
      else if (tx.state === 'signed' || tx.state === 'submitted') tx.cancelRequested = true;
    },
    backup() {
      const copy = structuredClone({ transactions, lanes });
      return () => {
        ({ transactions, lanes } = structuredClone(copy));
      };
    },

    async lane(chainId, signer) {
      const { nextNonce, pausedReason } = laneOf(signer);
      return { chainId, signer, nextNonce, pausedReason };
    },
    async openSlots(_chainId, signer) {
      return [...laneOf(signer).slots.values()]
        .filter((slot) => slot.state === 'open')
        .sort((a, b) => a.nonce - b.nonce)
        .map((slot) => ({
          nonce: slot.nonce,
          intent: slot.transactionId === null ? undefined : live(find(slot.transactionId)),
          attempts: [...slot.attempts],
          foreignSeenBlock: slot.foreignSeenBlock,
        }));
    },
    async preparedCount(_chainId, signer) {
      let count = 0;
      for (const tx of transactions.values()) if (tx.state === 'prepared' && tx.signer === signer) count += 1;
      return count;
    },
    async missingNonces(_chainId, signer, from, to) {
      const { slots } = laneOf(signer);
      const missing: number[] = [];
      for (let nonce = from; nonce < to; nonce++) if (!slots.has(nonce)) missing.push(nonce);
      return missing;
    },
    async signPrepared({ signer }, { minNonce, limit, sign }) {
      const lane = laneOf(signer);
      const taken = [...transactions.values()]
        .filter((tx) => tx.state === 'prepared' && tx.signer === signer)
        .slice(0, limit);
      if (taken.length === 0) return [];
      const first = Math.max(lane.nextNonce, minNonce);
      // All signatures before the first write: all or nothing, as in one database transaction.
      const signed = [];
      for (const [i, tx] of taken.entries())
        signed.push({ tx, nonce: first + i, ...(await sign(live(tx), first + i)) });
      return signed.map(({ tx, nonce, signed: bytes, fees, gasLimit }): SavedAttempt => {
        save(newSlot(lane, nonce, tx.intent.id), { kind: 'send', number: 1, signed: bytes, fees, gasLimit });
        move(tx, 'signed');
        tx.nonce = nonce;
        lane.nextNonce = nonce + 1;
        return { nonce, transactionId: tx.intent.id, ...bytes };
      });
    },
    async saveReplacement({ signer }: Lane, nonce, attempt) {
      const slot = laneOf(signer).slots.get(nonce);
      if (slot?.state !== 'open' || slot.attempts.at(-1)?.number !== attempt.number - 1) return false;
      save(slot, attempt);
      return true;
    },
    async saveFill({ signer }, nonce, attempt) {
      const lane = laneOf(signer);
      if (nonce >= lane.nextNonce || lane.slots.has(nonce)) return false;
      save(newSlot(lane, nonce, null), { ...attempt, number: 1 });
      return true;
    },
    async recordBroadcasts({ signer }, results) {
      const lane = laneOf(signer);
      for (const { nonce, hash, outcome } of results) {
        const slot = lane.slots.get(nonce);
        const index = slot?.attempts.findIndex((attempt) => attempt.hash === hash) ?? -1;
        const known = slot?.attempts[index];
        if (!slot || !known) continue;
        const ok = outcome.kind === 'accepted' || outcome.kind === 'already_known';
        const next = {
          ...known,
          broadcasts: known.broadcasts + 1,
          lastBroadcastAt: clock.now(),
          acceptedAt: ok ? (known.acceptedAt ?? clock.now()) : known.acceptedAt,
          lastError: 'message' in outcome ? outcome.message : null,
        };
        slot.attempts[index] = next;
        if (slot.transactionId === null) continue;
        const tx = find(slot.transactionId);
        if (ok && tx.state === 'signed') move(tx, 'submitted');
        if (
          outcome.kind === 'invalid' &&
          next.broadcasts >= INVALID_LIMIT &&
          next.acceptedAt === null &&
          tx.state === 'signed'
        )
          tx.cancelRequested = true;
      }
    },
    async recordInclusions({ signer }, inclusions) {
      const lane = laneOf(signer);
      for (const { nonce, receipt, outcome } of inclusions) {
        const slot = lane.slots.get(nonce);
        if (slot?.state !== 'open') continue;
        Object.assign(slot, {
          state: 'included',
          includedHash: receipt.hash,
          blockNumber: receipt.blockNumber,
          blockHash: receipt.blockHash,
          outcome,
          foreignSeenBlock: null,
        });
        if (slot.transactionId === null) continue;
        const tx = find(slot.transactionId);
        move(tx, 'included');
        tx.outcome = outcome;
      }
    },
    async noteForeign({ signer }, nonce, seenAtBlock) {
      const slot = laneOf(signer).slots.get(nonce);
      if (slot?.state === 'open') slot.foreignSeenBlock = seenAtBlock;
    },
    async releaseForeign({ signer }, nonce, next) {
      const slot = laneOf(signer).slots.get(nonce);
      if (slot?.state !== 'open') return;
      slot.state = 'foreign';
      if (slot.transactionId === null) return;
      const tx = find(slot.transactionId);
      move(tx, next);
      if (next === 'queued') {
        tx.requeues += 1;
        tx.signer = null;
        tx.nonce = null;
      }
    },
    async pause({ signer }, reason) {
      laneOf(signer).pausedReason = reason;
    },
    async includedBlocks() {
      const found = new Map<string, { number: number; hash: string }>();
      for (const lane of lanes.values()) {
        for (const slot of lane.slots.values()) {
          if (slot.state !== 'included' || slot.blockNumber === null || slot.blockHash === null) continue;
          found.set(slot.blockHash, { number: slot.blockNumber, hash: slot.blockHash });
        }
      }
      return [...found.values()].sort((a, b) => a.number - b.number);
    },
    async includedSlots(_chainId, number, hash) {
      return [...included(number, hash)].map(
        ([signer, slot]): IncludedSlot => ({
          signer,
          nonce: slot.nonce,
          transactionId: slot.transactionId,
          hash: slot.includedHash ?? '',
        }),
      );
    },
    async confirm(_chainId, number, hash) {
      for (const [, slot] of included(number, hash)) {
        if (slot.transactionId === null) continue;
        const tx = find(slot.transactionId);
        if (tx.state === 'included') move(tx, 'confirmed');
      }
    },
    async finalize(_chainId, number, hash, slots) {
      const wanted = new Set(slots.map((slot) => `${slot.signer}:${slot.nonce}`));
      for (const [signer, slot] of [...included(number, hash)]) {
        if (!wanted.has(`${signer}:${slot.nonce}`)) continue;
        slot.state = 'settled';
        if (slot.transactionId === null) continue;
        const tx = find(slot.transactionId);
        move(tx, tx.outcome === 'success' ? 'finalized' : tx.outcome === 'reverted' ? 'failed' : 'cancelled');
      }
    },
    async uninclude(_chainId, number, hash, slots) {
      const wanted = new Set(slots.map((slot) => `${slot.signer}:${slot.nonce}`));
      for (const [signer, slot] of [...included(number, hash)]) {
        if (!wanted.has(`${signer}:${slot.nonce}`)) continue;
        Object.assign(slot, {
          state: 'open',
          includedHash: null,
          blockNumber: null,
          blockHash: null,
          outcome: null,
        });
        slot.attempts = slot.attempts.map((attempt) => ({
          ...attempt,
          acceptedAt: null,
          lastBroadcastAt: null,
        }));
        if (slot.transactionId === null) continue;
        const tx = find(slot.transactionId);
        move(tx, 'submitted');
        tx.outcome = null;
      }
    },
  };
}
