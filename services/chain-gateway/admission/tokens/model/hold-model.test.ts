import { describe, expect, it, jest } from '@jest/globals';
import { BUDGETS, explore, type Mishaps, MODEL_GUARDS, type ModelGuard } from './hold-model.ts';

// A second each on a machine that has nothing else to do.
jest.setTimeout(180_000);

/** Together with every order of the steps of three calls on two replicas. */
const WORLDS: readonly [string, Mishaps][] = [
  ['nothing goes wrong', {}],
  ['a crash', { crash: 1 }],
  ['a repeated command and a crash', { repeat: 1, crash: 1 }],
  ['Redis loses its data, and a crash', { loss: 1, crash: 1 }],
  ['a revocation and a crash', { revoke: 1, crash: 1 }],
  ['a lease is taken back, and a crash', { fence: 1, crash: 1 }],
  ['a hold expires early, and a command is repeated', { late: 1, repeat: 1 }],
  ['a lease is taken back, a command is repeated', { fence: 1, repeat: 1 }],
];

/** The least mishaps in which a guard is needed. */
const NEEDED_WHEN: Record<ModelGuard, Mishaps> = {
  epoch: { revoke: 1 },
  idempotent: { repeat: 1 },
  done: { late: 1, repeat: 1 },
  'in-flight': {},
  remaining: {},
  'terminal-once': {},
  'actual-within-held': {},
  'fenced-stays-shut': { fence: 1 },
  'lease-order': { fence: 1 },
  'cumulative-load': {},
  'post-once': { crash: 1 },
  'post-before-drop': { crash: 1 },
  'close-after-holds': { fence: 1, crash: 1 },
  'close-after-posts': { fence: 1, crash: 1 },
  room: { loss: 1, crash: 1 },
  chunk: {},
};

describe('the hold protocol, every order of steps', () => {
  let total = 0;
  it.each(WORLDS)('keeps its promises when %s', (name, mishaps) => {
    for (const [width, budget] of Object.entries(BUDGETS)) {
      const { states, broken } = explore(budget, mishaps);
      total += states;
      process.stdout.write(`  ${name}, ${width} budget: ${states} states\n`);
      expect(broken).toBeUndefined();
    }
  });

  it('was explored in earnest', () => {
    expect(total).toBeGreaterThan(10_000);
  });

  it.each(MODEL_GUARDS)('needs the guard "%s"', (guard: ModelGuard) => {
    const without = new Set([guard]);
    const broken = Object.values(BUDGETS).some(
      (budget) => explore(budget, NEEDED_WHEN[guard], without).broken !== undefined,
    );
    expect(broken).toBe(true);
  });
});
