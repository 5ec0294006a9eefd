import type { BurstRow, HourRow, UrgencyRow } from '../store/operations-store.ts';

/** One way to spend less, with the numbers it rests on. */
export interface Suggestion {
  readonly kind: 'urgency' | 'batching' | 'timing';
  readonly text: string;
  /** Wei that it would have saved in the period. */
  readonly savesWei: string;
}

/** What each urgency promises, seconds until inclusion in 95 of 100 cases; a cheaper one that keeps the promise of a dearer one will do. */
const PROMISE_SECONDS = { slow: 300, standard: 60, fast: 30 } as const;
const ORDER = ['slow', 'standard', 'fast'] as const;
/** Fewer than this prove nothing. */
const ENOUGH = 20;
/** Gas that every transaction costs before it does anything (yellow paper, G_transaction). */
const INTRINSIC_GAS = 21_000n;
/** A shared call costs about this much itself. */
const BATCHED_CALL_GAS = 3_000n;

/** Pure: suggestions from what was measured, the largest saving first. */
export function suggestSavings(measured: {
  urgencies: readonly UrgencyRow[];
  bursts: readonly BurstRow[];
  hours: readonly HourRow[];
}): Suggestion[] {
  const found = [...cheaperUrgency(measured.urgencies), ...batching(measured), ...timing(measured)];
  return found
    .filter((s) => BigInt(s.savesWei) > 0n)
    .sort((a, b) => (BigInt(a.savesWei) > BigInt(b.savesWei) ? -1 : 1));
}

function cheaperUrgency(rows: readonly UrgencyRow[]): Suggestion[] {
  return rows.flatMap((dear) => {
    const cheaper = rows
      .filter(
        (row) => row.purpose === dear.purpose && ORDER.indexOf(row.urgency) < ORDER.indexOf(dear.urgency),
      )
      .filter(
        (row) =>
          row.transactions >= ENOUGH &&
          row.p95 <= PROMISE_SECONDS[dear.urgency] &&
          BigInt(row.gas_price) < BigInt(dear.gas_price),
      )
      .sort((a, b) => ORDER.indexOf(a.urgency) - ORDER.indexOf(b.urgency))[0];
    if (!cheaper) return [];
    const savesWei = (BigInt(dear.gas_price) - BigInt(cheaper.gas_price)) * BigInt(dear.gas_used);
    const text = `${dear.purpose}: ${cheaper.urgency} was included within ${Math.round(cheaper.p95)} s in 95 of 100 cases, inside the ${PROMISE_SECONDS[dear.urgency]} s of ${dear.urgency}; ask for ${cheaper.urgency}`;
    return [{ kind: 'urgency' as const, text, savesWei: savesWei.toString() }];
  });
}

function averagePrice(rows: readonly { gas_price: string; transactions: number }[]): bigint {
  const count = rows.reduce((sum, row) => sum + row.transactions, 0);
  return count === 0
    ? 0n
    : rows.reduce((sum, row) => sum + BigInt(row.gas_price) * BigInt(row.transactions), 0n) / BigInt(count);
}

function batching({
  bursts,
  hours,
}: {
  bursts: readonly BurstRow[];
  hours: readonly HourRow[];
}): Suggestion[] {
  const price = averagePrice(hours);
  return bursts.map((burst) => {
    const savedGas = (INTRINSIC_GAS - BATCHED_CALL_GAS) * BigInt(burst.calls - burst.bursts);
    const text = `${burst.purpose}: ${burst.calls} calls of ${burst.contract}.${burst.function} came in ${burst.bursts} bursts of five or more a minute; one batched transaction per burst would carry them`;
    return { kind: 'batching', text, savesWei: (savedGas * price).toString() };
  });
}

function timing({
  hours,
  urgencies,
}: {
  hours: readonly HourRow[];
  urgencies: readonly UrgencyRow[];
}): Suggestion[] {
  const solid = hours.filter((row) => row.transactions >= ENOUGH);
  const slow = urgencies.filter((row) => row.urgency === 'slow');
  const average = averagePrice(solid);
  const cheapest = [...solid].sort((a, b) => (BigInt(a.gas_price) < BigInt(b.gas_price) ? -1 : 1))[0];
  // Worth a sentence from a tenth on, and only for work that may wait.
  if (!cheapest || slow.length === 0 || BigInt(cheapest.gas_price) * 10n > average * 9n) return [];
  const gas = slow.reduce((sum, row) => sum + BigInt(row.gas_used), 0n);
  const text = `gas is cheapest around ${String(cheapest.hour).padStart(2, '0')}:00 UTC; slow transactions can be sent then`;
  return [{ kind: 'timing', text, savesWei: ((average - BigInt(cheapest.gas_price)) * gas).toString() }];
}
