import type { Condition } from '../api.ts';

type NewCondition = Omit<Condition, 'lastTransitionTime'>;

/** Kubernetes times have whole seconds. */
export const kubeTime = (ms: number): string =>
  new Date(Math.floor(ms / 1000) * 1000).toISOString().replace('.000Z', 'Z');

/** Sets conditions by type; `lastTransitionTime` moves only when the status changes. Sorted, so that equal is equal. */
export function setConditions(
  present: readonly Condition[] | undefined,
  changes: readonly NewCondition[],
  now: number,
): Condition[] {
  const byType = new Map((present ?? []).map((condition) => [condition.type, condition]));
  for (const change of changes) {
    const old = byType.get(change.type);
    const lastTransitionTime = old?.status === change.status ? old.lastTransitionTime : kubeTime(now);
    byType.set(change.type, { ...change, lastTransitionTime });
  }
  return [...byType.values()].sort((a, b) => a.type.localeCompare(b.type));
}

export const findCondition = (list: readonly Condition[] | undefined, type: string): Condition | undefined =>
  list?.find((condition) => condition.type === type);
