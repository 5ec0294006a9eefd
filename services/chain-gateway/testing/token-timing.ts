import { LEDGER_TIMING, type LedgerTiming } from '../admission/tokens/ledger-worker.ts';

/** The same as in production, sooner. */
export const TEST_TIMING: LedgerTiming = {
  ...LEDGER_TIMING,
  postMs: 10,
  reconcileMs: 100,
  loadGraceMs: 500,
};
