import type { RpcPriority } from '../rpc/ethereum-rpc.ts';

/** Highest first. */
export const PRIORITIES: readonly RpcPriority[] = ['internal', 'interactive', 'standard', 'background'];

export interface PriorityClass {
  /**
   * Share of contended capacity relative to the other classes that wait. It is the bound on starvation: while all four
   * wait, background still gets 1 of 85 units, and 1 of 17 beside interactive alone.
   */
  readonly weight: number;
  /**
   * Part of a provider's concurrency up to which calls of this class are started. What is above stays free for higher
   * classes, so that a person does not wait for a batch job's call to end first.
   */
  readonly headroom: number;
  /** Longest wait in the queue relative to QUEUE_MAX_WAIT_MS: those nobody waits for may wait longer. */
  readonly patience: number;
}

export const PRIORITY_CLASSES: Readonly<Record<RpcPriority, PriorityClass>> = {
  internal: { weight: 64, headroom: 1, patience: 10 },
  interactive: { weight: 16, headroom: 1, patience: 1 },
  standard: { weight: 4, headroom: 0.9, patience: 1 },
  background: { weight: 1, headroom: 0.7, patience: 10 },
};

/** Share of a provider's concurrency that a class may always use for itself, however much others have under way. */
export const GUARANTEED: Readonly<Record<RpcPriority, number>> = (() => {
  const total = PRIORITIES.reduce((sum, name) => sum + PRIORITY_CLASSES[name].weight, 0);
  return Object.fromEntries(
    PRIORITIES.map((name) => [name, PRIORITY_CLASSES[name].weight / total]),
  ) as Record<RpcPriority, number>;
})();
