/** One variable: its values, its parents, and for each combination of parent values the chance of its first value. */
interface Variable {
  readonly values: readonly [string, string];
  readonly parents: readonly string[];
  /** Parent values joined by `,` → P(first value). */
  readonly chance: Readonly<Record<string, number>>;
}

/** Invented numbers in a plausible shape; an example service, not medicine. In topological order. */
export const NETWORK: Readonly<Record<string, Variable>> = {
  exercise: { values: ['high', 'low'], parents: [], chance: { '': 0.4 } },
  stress: { values: ['high', 'low'], parents: [], chance: { '': 0.35 } },
  sleep: {
    values: ['good', 'poor'],
    parents: ['exercise', 'stress'],
    chance: { 'high,high': 0.55, 'high,low': 0.9, 'low,high': 0.2, 'low,low': 0.6 },
  },
  bloodPressure: {
    values: ['raised', 'normal'],
    parents: ['exercise', 'stress'],
    chance: { 'high,high': 0.3, 'high,low': 0.08, 'low,high': 0.55, 'low,low': 0.25 },
  },
  heartRisk: {
    values: ['elevated', 'usual'],
    parents: ['sleep', 'bloodPressure'],
    chance: { 'good,raised': 0.3, 'good,normal': 0.05, 'poor,raised': 0.5, 'poor,normal': 0.15 },
  },
};

export class InferenceError extends Error {
  override readonly name = 'InferenceError';
}

const variableOf = (name: string): Variable => {
  const variable = NETWORK[name];
  if (!variable)
    throw new InferenceError(`unknown variable ${name}; known: ${Object.keys(NETWORK).join(', ')}`);
  return variable;
};

/** Exact posteriors by enumeration of the joint distribution (2^5 worlds). @throws InferenceError */
export function infer(
  evidence: Readonly<Record<string, string>>,
  query: readonly string[],
): { variable: string; probabilities: Record<string, number> }[] {
  for (const [name, value] of Object.entries(evidence)) {
    const { values } = variableOf(name);
    if (!(values as readonly string[]).includes(value))
      throw new InferenceError(`${name} has no value ${value}; it is ${values.join(' or ')}`);
  }
  const names = Object.keys(NETWORK);
  const asked = query.length > 0 ? query : names.filter((name) => !(name in evidence));
  const weights = new Map(asked.map((name) => [name, variableOf(name).values.map(() => 0)]));
  let total = 0;
  const walk = (index: number, world: Record<string, string>, weight: number): void => {
    const name = names[index];
    if (name === undefined) {
      total += weight;
      for (const [variable, sums] of weights) {
        const at = variableOf(variable).values.indexOf(world[variable] ?? '');
        sums[at] = (sums[at] ?? 0) + weight;
      }
      return;
    }
    const { values, parents, chance } = variableOf(name);
    const first = chance[parents.map((parent) => world[parent]).join(',')] ?? 0;
    for (const value of name in evidence ? [evidence[name] as string] : values)
      walk(index + 1, { ...world, [name]: value }, weight * (value === values[0] ? first : 1 - first));
  };
  walk(0, {}, 1);
  return [...weights].map(([variable, sums]) => ({
    variable,
    probabilities: Object.fromEntries(
      variableOf(variable).values.map((value, i) => [value, (sums[i] ?? 0) / total]),
    ),
  }));
}
