/**
 * The life of a transaction: one table of states and legal moves. The database holds the same table
 * (`transaction_moves`) and refuses every other move by trigger; a test compares the two.
 */
export const TRANSACTION_STATES = [
  'queued', // accepted and saved; nothing decided yet
  'prepared', // simulated, gas estimated, signer chosen
  'signed', // nonce taken and the signed bytes saved; perhaps broadcast, not yet known to be
  'submitted', // at least one provider has it
  'included', // a canonical block has it; see `outcome`
  'confirmed', // that block is N deep
  'finalized', // that block is final and the call succeeded (end)
  'rejected', // refused before anything was signed (end)
  'failed', // executed and reverted, and the block is final (end)
  'cancelled', // withdrawn before signing, or its nonce was spent by a no-op in a final block (end)
  'replaced', // its nonce was spent by a transaction that is not ours, and it may not be sent again (end)
] as const;

export type TransactionState = (typeof TRANSACTION_STATES)[number];

/** From each state, where it may go, and what takes it there. */
export const LEGAL_MOVES: Readonly<Record<TransactionState, readonly TransactionState[]>> = {
  queued: ['prepared', 'rejected', 'cancelled', 'included'], // included: found on the chain after a restore from backup
  prepared: ['signed', 'queued', 'rejected', 'cancelled', 'included'],
  signed: ['submitted', 'included', 'queued', 'replaced'],
  submitted: ['included', 'queued', 'replaced'],
  included: ['confirmed', 'submitted'], // submitted: a reorg took the block away
  confirmed: ['finalized', 'failed', 'cancelled', 'submitted', 'included'], // included: same block, chain shrank
  finalized: [],
  rejected: [],
  failed: [],
  cancelled: [],
  replaced: [],
};

export const FINAL_STATES: ReadonlySet<TransactionState> = new Set(
  TRANSACTION_STATES.filter((state) => LEGAL_MOVES[state].length === 0),
);

export const isFinal = (state: TransactionState): boolean => FINAL_STATES.has(state);

export const isLegalMove = (from: TransactionState, to: TransactionState): boolean =>
  LEGAL_MOVES[from].includes(to);

/** Every legal move as a pair; what the database's table must hold. */
export function legalMovePairs(): [TransactionState, TransactionState][] {
  return TRANSACTION_STATES.flatMap((from) =>
    LEGAL_MOVES[from].map((to): [TransactionState, TransactionState] => [from, to]),
  );
}
