/** One named number of a decision, with where it comes from. */
export interface Term {
  readonly name: string;
  readonly value: string;
  readonly why: string;
}

/** At most three significant decimals, no trailing zeros: numbers people read. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? 'unlimited' : String(value);
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return String(Number(value.toFixed(digits)));
}

export const pods = (count: number): string =>
  Number.isFinite(count) ? `${count} ${count === 1 ? 'pod' : 'pods'}` : 'unlimited';

/** Collects the terms of a decision in the order in which they were found. */
export function createTrace(): {
  add(name: string, value: string, why: string): void;
  readonly terms: Term[];
} {
  const terms: Term[] = [];
  return {
    terms,
    add: (name, value, why) => void terms.push({ name, value: value.slice(0, 64), why: why.slice(0, 512) }),
  };
}

/** A decision as a table for people: `kubectl describe`, the logs of `what-if` and the golden tests read like this. */
export function formatDecision(decision: {
  action: string;
  from: number;
  replicas: number;
  summary: string;
  terms: readonly Term[];
}): string {
  const nameWidth = Math.max(...decision.terms.map((term) => term.name.length), 0);
  const valueWidth = Math.max(...decision.terms.map((term) => term.value.length), 0);
  return [
    `${decision.action} ${decision.from} → ${decision.replicas}: ${decision.summary}`,
    ...decision.terms.map((term) =>
      `  ${term.name.padEnd(nameWidth)}  ${term.value.padEnd(valueWidth)}  ${term.why}`.trimEnd(),
    ),
  ].join('\n');
}
