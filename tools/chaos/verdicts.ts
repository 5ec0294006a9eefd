import type { PromiseNumber } from '../../lib/slo/objective.ts';
import type { Probe } from './probes.ts';

/** What became of one promise under one fault. */
export interface Cell {
  readonly promise: PromiseNumber;
  /**
   * kept: never broken · recovered: broken while the fault lasted, as it may be, and kept again in time ·
   * broken: broken where it must not be, or not recovered in time · unmeasured: nobody looked.
   */
  readonly verdict: 'kept' | 'recovered' | 'broken' | 'unmeasured';
  /** Share of good looks from the fault to the end of the recovery. */
  readonly good: number;
  readonly looks: number;
  /** From the end of the fault to the last bad look; 0 when there was none after it. */
  readonly recoveryMs: number;
  /** What the first bad look saw. */
  readonly detail: string;
}

export interface CellInput {
  readonly promise: PromiseNumber;
  readonly probes: readonly Probe[];
  readonly from: number;
  readonly clearedAt: number;
  readonly until: number;
  /** The promise may suffer while the fault lasts. */
  readonly tolerated: boolean;
  /** It must be kept again this long after the fault is over. */
  readonly recoverWithinMs: number;
}

/** So many looks may go wrong by chance on a busy machine without a promise being broken: one, or one in fifty. */
const CHANCE_SHARE = 0.02;
const byChance = (bad: number, looks: number): boolean => bad <= Math.max(1, CHANCE_SHARE * looks);
/** A look that ended so shortly after the end of the fault had begun in it. */
const GRACE_MS = 1_000;

/** Judges the looks at one promise. */
export function cellOf(input: CellInput): Cell {
  const { promise, from, clearedAt, until, tolerated, recoverWithinMs } = input;
  const looks = input.probes.filter(
    (probe) => probe.promise === promise && probe.at >= from && probe.at <= until,
  );
  const bad = looks.filter(({ good }) => !good);
  const after = bad.filter(({ at }) => at > clearedAt + GRACE_MS);
  // Single bad looks that come long after good ones are chance, not the fault.
  const late = looks.filter(({ at }) => at > clearedAt + recoverWithinMs);
  const lateBad = late.filter(({ good }) => !good).length;
  const recovered = byChance(lateBad, late.length);
  const good = looks.length === 0 ? 0 : 1 - bad.length / looks.length;
  const base = {
    promise,
    good,
    looks: looks.length,
    recoveryMs: Math.max(0, (after.at(-1)?.at ?? clearedAt) - clearedAt),
    detail: bad[0]?.detail ?? '',
  };
  if (looks.length === 0) return { ...base, verdict: 'unmeasured' };
  if (byChance(bad.length, looks.length)) return { ...base, verdict: 'kept' };
  if (!tolerated || !recovered) return { ...base, verdict: 'broken' };
  return { ...base, verdict: 'recovered' };
}
