import { describe, expect, it } from '@jest/globals';
import { createManualClock } from '../../lib/time.ts';
import { canaryValues, helmArguments } from './canary-helm.ts';
import type { Comparison } from './canary-judge.ts';
import { runCanary } from './canary-run.ts';

const plan = { steps: [5, 50], stepSeconds: 60, everySeconds: 10, patienceSeconds: 120, enough: 100 };
const seen = (canary: [number, number], stable: [number, number] = [0, 10_000]): Comparison[] => [
  {
    objective: { id: 'api-errors', title: 'API', target: 0.999 },
    canary: { bad: canary[0], total: canary[1] },
    stable: { bad: stable[0], total: stable[1] },
  },
];

/** Runs a canary under virtual time; `look` answers what Prometheus would after so many seconds of a step. */
async function play(
  look: (seconds: number, step: number) => Comparison[],
  fail: Partial<Record<'setWeight' | 'promote' | 'rollBack', Error>> = {},
  interruptAfterMs?: number,
) {
  const clock = createManualClock();
  const moves: string[] = [];
  const abort = new AbortController();
  let step = 0;
  const move = (name: 'setWeight' | 'promote' | 'rollBack', text: string) => async () => {
    moves.push(text);
    if (fail[name]) throw fail[name];
  };
  const running = runCanary({
    plan,
    clock,
    signal: abort.signal,
    say: () => undefined,
    compare: async (seconds) => look(seconds, step),
    release: {
      setWeight: async (percent) => {
        step = percent;
        await move('setWeight', `${percent} %`)();
      },
      promote: move('promote', 'promote'),
      rollBack: move('rollBack', 'roll back'),
    },
  });
  let over = false;
  const outcome = running
    .then(
      (value) => value as unknown,
      (error: Error) => error.message,
    )
    .finally(() => {
      over = true;
    });
  for (let ms = 0; !over && ms < 1_000_000; ms += 5_000) {
    if (interruptAfterMs !== undefined && ms >= interruptAfterMs) abort.abort(new Error('SIGINT'));
    await clock.advance(5_000);
  }
  return { moves, outcome: await outcome };
}

describe('a canary', () => {
  it('that keeps its objectives at every step has everything at the end', async () => {
    const { moves, outcome } = await play((seconds) => seen([0, seconds * 10]));
    expect(moves).toEqual(['5 %', '50 %', 'promote']);
    expect(outcome).toEqual({ result: 'promoted' });
  });

  it('that fails is taken away at the first look, long before the step is over', async () => {
    let looks = 0;
    const { moves, outcome } = await play((seconds) => {
      looks++;
      return seen([seconds, seconds * 10]);
    });
    expect(moves).toEqual(['5 %', 'roll back']);
    expect(looks).toBe(1);
    expect(outcome).toMatchObject({ result: 'rolled-back', reason: expect.stringContaining('api-errors') });
  });

  it('that fails only at a larger share is taken away there', async () => {
    const { moves } = await play((seconds, step) => seen([step === 50 ? seconds : 0, seconds * 10]));
    expect(moves).toEqual(['5 %', '50 %', 'roll back']);
  });

  it('without traffic is not promoted: a step waits for events, then gives up', async () => {
    const { moves, outcome } = await play(() => seen([0, 3]));
    expect(moves).toEqual(['5 %', 'roll back']);
    expect(outcome).toMatchObject({ reason: expect.stringContaining('fewer than 100 events in 120 s') });
    const late = await play((seconds) => seen([0, seconds > 90 ? 500 : 3]));
    expect(late.moves).toEqual(['5 %', '50 %', 'promote']);
  });

  it('is taken away when Prometheus is away, but not for one missed look', async () => {
    const away = await play(() => {
      throw new Error('connection refused');
    });
    expect(away.moves).toEqual(['5 %', 'roll back']);
    let looks = 0;
    const blink = await play((seconds) => {
      if (++looks % 3 === 0) throw new Error('connection refused');
      return seen([0, seconds * 10]);
    });
    expect(blink.moves).toEqual(['5 %', '50 %', 'promote']);
  });

  it.each(['setWeight', 'promote'] as const)('is taken away when %s fails', async (name) => {
    const { moves, outcome } = await play((seconds) => seen([0, seconds * 10]), {
      [name]: new Error('timed out'),
    });
    expect(moves.at(-1)).toBe('roll back');
    expect(outcome).toMatchObject({ reason: 'stopped by an error: timed out' });
  });

  it('is taken away when somebody interrupts', async () => {
    const { moves, outcome } = await play((seconds) => seen([0, seconds * 10]), {}, 30_000);
    expect(moves).toEqual(['5 %', 'roll back']);
    expect(outcome).toEqual({ result: 'rolled-back', reason: 'interrupted' });
  });

  it('that cannot even be taken away calls for a person', async () => {
    const { outcome } = await play((seconds) => seen([seconds, seconds]), {
      rollBack: new Error('no cluster'),
    });
    expect(outcome).toContain('taking it away failed as well: no cluster');
  });
});

describe('what helm is asked', () => {
  it('keeps all other values and pins what is tried', () => {
    const values = canaryValues('api', '1.3.0');
    expect(values.weight(5)).toEqual({
      'api.canary.enabled': 'true',
      'api.canary.weight': '5',
      'api.canary.image.tag': '1.3.0',
      'api.canary.image.digest': '',
    });
    expect(values.promote()).toEqual({
      'api.image.tag': '1.3.0',
      'api.image.digest': '',
      'api.canary.enabled': 'false',
    });
    const args = helmArguments(
      {
        ...{
          helm: 'helm',
          release: 'r',
          namespace: 'n',
          chart: 'c',
          part: 'api',
          version: '1.3.0',
          timeout: '5m',
        },
      },
      values.weight(5),
    );
    expect(args.slice(0, 6)).toEqual(['upgrade', 'r', 'c', '--namespace', 'n', '--reuse-values']);
    // A tag such as 1.10 is text and not a number.
    expect(args.join(' ')).toContain('--set-string api.canary.image.tag=1.3.0');
    expect(args.join(' ')).toContain('--set api.canary.weight=5');
  });
});
