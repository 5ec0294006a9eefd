import { createHash } from 'node:crypto';

/** How far the move from the old service is. */
export interface Rollout {
  /** Percent of people whom the new service answers, 0 to 100. */
  readonly percent: number;
  /** Percent of the others whose reads are asked of both, to count the differences. */
  readonly shadowPercent: number;
  /** People who are always served by the new one: ours, testers. */
  readonly always: readonly string[];
}

/** A number in [0, 100) that stays with the person: raising the percentage only ever adds people. */
export function bucketOf(subject: string, purpose: string): number {
  return (createHash('sha256').update(`${purpose}\n${subject}`).digest().readUInt32BE() / 2 ** 32) * 100;
}

/** Who answers a person. */
export function routeOf(subject: string, rollout: Rollout): { serve: 'new' | 'legacy'; shadow: boolean } {
  const served = rollout.always.includes(subject) || bucketOf(subject, 'rollout') < rollout.percent;
  if (served) return { serve: 'new', shadow: false };
  return { serve: 'legacy', shadow: bucketOf(subject, 'shadow') < rollout.shadowPercent };
}

export interface Difference {
  readonly path: string;
  readonly legacy: unknown;
  readonly current: unknown;
}

/** Where two answers differ, by JSON path; the order of lists counts, the order of keys does not. */
export function differences(legacy: unknown, current: unknown, path = ''): Difference[] {
  if (Object.is(legacy, current)) return [];
  const isObject = (v: unknown): v is Record<string, unknown> => typeof v === 'object' && v !== null;
  if (!isObject(legacy) || !isObject(current) || Array.isArray(legacy) !== Array.isArray(current))
    return [{ path: path || '/', legacy, current }];
  const keys = new Set([...Object.keys(legacy), ...Object.keys(current)]);
  return [...keys].sort().flatMap((key) => differences(legacy[key], current[key], `${path}/${key}`));
}

/**
 * Answers from where the person belongs; in shadow the other one is asked as well and the differences counted.
 * The shadow never delays and never fails the answer.
 */
export async function answerWithShadow<T>(
  subject: string,
  rollout: Rollout,
  ask: { legacy: () => Promise<T>; current: () => Promise<T> },
  onShadow: (found: readonly Difference[] | 'failed') => void,
): Promise<T> {
  const { serve, shadow } = routeOf(subject, rollout);
  if (serve === 'new') return ask.current();
  const answer = await ask.legacy();
  if (shadow) {
    ask.current().then(
      (current) => onShadow(differences(answer, current)),
      () => onShadow('failed'),
    );
  }
  return answer;
}
