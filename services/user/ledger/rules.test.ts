import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Stage } from '../gateway/schemas.ts';
import { STAGES } from '../gateway/schemas.ts';
import { type Applied, assertBalanced, effectOn, stepFor } from './rules.ts';
import { buildStatements, statementCsv } from './statement.ts';

/** Plays a history of stages and counts what is on the books. */
function play(stages: readonly Stage[]): { posted: number; reversed: number; state: Applied | undefined } {
  let state: Applied | undefined;
  let posted = 0;
  let reversed = 0;
  for (const stage of stages) {
    const step = stepFor(state, stage);
    if (step.do === 'post') {
      posted++;
      state = { stage, epoch: step.epoch };
    } else if (step.do === 'reverse') {
      reversed++;
      state = { stage: 'reverted', epoch: state?.epoch ?? 0 };
    } else if (step.do !== 'nothing') state = { stage, epoch: state?.epoch ?? 0 };
  }
  return { posted, reversed, state };
}

const stage = fc.constantFrom(...STAGES);

describe('the life of an event in the ledger', () => {
  it('is on the books at most once, and exactly when the chain has it', () => {
    fc.assert(
      fc.property(fc.array(stage, { maxLength: 30 }), (stages) => {
        const { posted, reversed, state } = play(stages);
        const onBooks = posted - reversed;
        const last = stages.at(-1);
        expect(onBooks).toBe(last === undefined || last === 'reverted' ? 0 : 1);
        expect(state?.stage === 'reverted' || state === undefined).toBe(onBooks === 0);
      }),
    );
  });

  it('does not care how often each stage is told', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(stage, fc.integer({ min: 1, max: 3 })), { maxLength: 15 }), (told) => {
        const once = play(told.map(([s]) => s));
        const often = play(told.flatMap(([s, n]) => Array<Stage>(n).fill(s)));
        expect(often).toEqual(once);
      }),
    );
  });
});

describe('entries', () => {
  it('have an effect on both sides that cancels out', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: 2n ** 200n }), (amount) => {
        const t = { from: 'a', to: 'b', amount };
        expect(effectOn('a', t) + effectOn('b', t)).toBe(0n);
        expect(effectOn('c', t)).toBe(0n);
        expect(effectOn('a', { from: 'a', to: 'a', amount })).toBe(0n);
      }),
    );
  });

  it('are refused when they do not sum to zero in each asset', () => {
    const account = (assetId: string) => ({ kind: 'wallet' as const, owner: null, reference: '', assetId });
    const draft = (legs: [string, bigint][]) => ({
      eventKey: 'k',
      kind: 'x',
      occurredAt: new Date(0),
      legs: legs.map(([asset, amount]) => ({ account: account(asset), amount })),
    });
    expect(() =>
      assertBalanced(
        draft([
          ['a', 5n],
          ['a', -5n],
        ]),
      ),
    ).not.toThrow();
    expect(() =>
      assertBalanced(
        draft([
          ['a', 5n],
          ['b', -5n],
        ]),
      ),
    ).toThrow('sum to zero');
    expect(() =>
      assertBalanced(
        draft([
          ['a', 0n],
          ['a', 0n],
        ]),
      ),
    ).toThrow('empty leg');
  });
});

describe('statements', () => {
  it('open with what was before, close with the sum of everything, and run in between', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({ at: fc.integer({ min: 0, max: 100 }), amount: fc.bigInt({ min: -50n, max: 50n }) }),
          { maxLength: 40 },
        ),
        fc.integer({ min: 0, max: 100 }),
        (moves, from) => {
          const rows = moves
            .sort((a, b) => a.at - b.at)
            .map((m, i) => ({
              entryId: i,
              occurredAt: new Date(m.at),
              kind: 'k',
              assetId: 'a',
              symbol: 'A',
              decimals: 0,
              amount: String(m.amount),
              transactionHash: null,
              counterparty: null,
            }));
          const [s] = buildStatements(rows, new Date(from));
          if (!s) return;
          const sum = moves.reduce((t, m) => t + m.amount, 0n);
          expect(s.closing).toBe(sum);
          expect(s.opening + s.lines.reduce((t, l) => t + l.amount, 0n)).toBe(sum);
          expect(
            s.lines.every((l, i) => l.balance === (s.lines[i - 1]?.balance ?? s.opening) + l.amount),
          ).toBe(true);
        },
      ),
    );
  });

  it('cannot smuggle a formula into a spreadsheet', () => {
    const csv = statementCsv([
      { assetId: 'a', symbol: '=HYPERLINK("x")', decimals: 0, opening: -5n, closing: 0n, lines: [] },
    ]);
    expect(csv).toContain(`"'=HYPERLINK(""x"")"`);
    expect(csv).toContain(',-5,');
  });
});
