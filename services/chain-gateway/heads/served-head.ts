/**
 * The highest block that a strict majority has: more than half of the numbers are at least this high.
 * @returns undefined for no numbers
 */
export function strictMajorityHead(numbers: readonly number[]): number | undefined {
  if (numbers.length === 0) return undefined;
  const descending = [...numbers].sort((a, b) => b - a);
  return descending[Math.floor(descending.length / 2)];
}

/** A head that another replica has served. */
export interface SharedFloor {
  readonly number: number;
  /** Monotonic milliseconds when we first heard of this number. */
  readonly heardAt: number;
}

export interface ServedHeadInput {
  /** Head numbers of the providers that count. */
  readonly heads: readonly number[];
  /** What we served last, and when a provider last confirmed that it has this block (monotonic ms). */
  readonly own: { readonly number: number; readonly confirmedAt: number } | undefined;
  readonly shared: SharedFloor | undefined;
  readonly now: number;
  /** How long a floor that no provider confirms is believed, milliseconds. */
  readonly floorMaxAgeMs: number;
}

/**
 * The head to serve: the strict majority's, but never below what clients have seen, here or through another
 * replica — unless no provider has confirmed that floor for `floorMaxAgeMs`. The bound is what keeps a poisoned
 * value (a provider that dreamt up a block number) from freezing the whole fleet.
 */
export function servedHead(input: ServedHeadInput): number | undefined {
  const { heads, own, shared, now, floorMaxAgeMs } = input;
  const majority = strictMajorityHead(heads);
  if (majority === undefined) return own?.number;
  let head = majority;
  if (own !== undefined && own.number > head && now - own.confirmedAt <= floorMaxAgeMs) head = own.number;
  if (shared !== undefined && shared.number > head) {
    const confirmed = heads.some((number) => number >= shared.number);
    // Unconfirmed, it is believed briefly: our own poll may simply be a moment older than the other replica's.
    if (confirmed || now - shared.heardAt <= Math.min(floorMaxAgeMs, UNCONFIRMED_SHARED_MS))
      head = shared.number;
  }
  return head;
}

/** Longer than any poll interval; shorter than a client's patience. */
export const UNCONFIRMED_SHARED_MS = 3_000;
