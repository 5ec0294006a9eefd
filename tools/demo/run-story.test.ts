import { describe, expect, it } from '@jest/globals';
import { createCleanup } from './cleanup.ts';
import { DemoFailure } from './demo-failure.ts';
import { createTableReport, jsonReport } from './report.ts';
import { chooseSteps, runStory, type StepReport, UnknownStepError } from './run-story.ts';
import type { StackAccess } from './stack-access.ts';
import { createStory, type Step } from './story.ts';

const stack = {
  url: () => 'http://127.0.0.1:1',
  logOf: (service: string) => (service === 'user' ? '/logs/user.log' : undefined),
  state: { files: { logs: '/logs' } },
} as unknown as StackAccess;

function step(
  id: string,
  needs: string[] = [],
  run: Step['run'] = async () => ({ did: `did ${id}`, look: id }),
): Step {
  return { id, title: `Title of ${id}`, needs, run };
}

async function tell(steps: Step[], signal = new AbortController().signal) {
  const story = createStory({ stack, signal, cleanup: createCleanup() });
  return runStory(chooseSteps(steps, undefined), story, {
    onStart: () => undefined,
    onDone: () => undefined,
  });
}

describe('runStory', () => {
  it('skips what needs a failed step and runs the rest', async () => {
    const broken = step('broken', [], () =>
      Promise.reject(new DemoFailure({ expected: 'a row', seen: { rows: 0 }, service: 'user' })),
    );
    const reports = await tell([step('a'), broken, step('dependent', ['broken']), step('free', ['a'])]);
    expect(reports.map((report) => report.status)).toEqual(['passed', 'failed', 'skipped', 'passed']);
    expect(reports[1]?.failure).toEqual({ expected: 'a row', seen: '{"rows":0}', log: '/logs/user.log' });
  });

  it('points at all logs when it does not know whose to read', async () => {
    const [report] = await tell([
      step('a', [], () => Promise.reject(new DemoFailure({ expected: 'x', seen: 'y' }))),
    ]);
    expect(report?.failure?.log).toBe('/logs');
  });

  it('shows a mistake in a step as one, with its stack', async () => {
    const [report] = await tell([
      step('buggy', [], () => Promise.reject(new TypeError('x is not a function'))),
    ]);
    expect(report?.failure?.seen).toMatch(/TypeError: x is not a function[\s\S]*run-story\.test/);
  });

  it('stops when aborted', async () => {
    const abort = new AbortController();
    const stopping = step('stopping', [], () => {
      abort.abort(new Error('interrupted'));
      return Promise.reject(new Error('whatever'));
    });
    await expect(tell([stopping, step('later')], abort.signal)).rejects.toThrow('interrupted');
  });
});

describe('chooseSteps', () => {
  const all = [step('a'), step('b', ['a']), step('c', ['b']), step('d')];
  const ids = (only?: string[]) =>
    chooseSteps(all, only).map((chosen) => `${chosen.number}${chosen.step.id}`);

  it('takes all, or the named ones with all that they need', () => {
    expect(ids()).toEqual(['1a', '2b', '3c', '4d']);
    expect(ids(['c'])).toEqual(['1a', '2b', '3c']);
    expect(ids(['4', '1'])).toEqual(['1a', '4d']);
  });

  it('names the steps there are', () => {
    expect(() => ids(['9'])).toThrow(UnknownStepError);
    expect(() => ids(['9'])).toThrow('there is no step "9"; the steps are 1 a, 2 b, 3 c, 4 d');
  });
});

describe('report', () => {
  const reports: StepReport[] = [
    {
      number: 1,
      id: 'a',
      title: 'Sign in',
      status: 'passed',
      ms: 1234,
      did: 'signed in',
      look: 'http://x/v1/me',
    },
    {
      number: 2,
      id: 'b',
      title: 'Receive',
      status: 'failed',
      ms: 10,
      failure: { expected: 'one row', seen: 'two rows', log: '/logs/user.log' },
    },
    { number: 3, id: 'c', title: 'Look', status: 'skipped', ms: 0, did: 'needs b' },
  ];

  it('prints a line per step, and all that helps with a failure', () => {
    let text = '';
    const table = createTableReport({ write: (more) => (text += more), isTerminal: false, useColour: false });
    for (const report of reports) {
      table.onStart(report);
      table.onDone(report);
    }
    table.finish({ reports, ms: 2000, cleanupFailures: ['postgres: no answer'] });
    expect(text).toMatch(/1 {2}✓ Sign in +1\.2 s {2}http:\/\/x\/v1\/me\n +signed in\n/);
    expect(text).toMatch(
      /2 {2}✗ Receive[\s\S]*expected one row\n +saw +two rows\n +read +\/logs\/user\.log\n/,
    );
    expect(text).toMatch(/3 {2}– Look +skipped/);
    expect(text).toMatch(
      /1 passed, 1 failed, 1 skipped in 2\.0 s\n +could not be put back: postgres: no answer/,
    );
  });

  it('says "not ok" in JSON for a failed or skipped step and for what could not be put back', () => {
    const ok = (some: StepReport[], cleanupFailures: string[] = []) =>
      JSON.parse(jsonReport({ reports: some, ms: 1, cleanupFailures })).ok;
    expect(ok(reports.slice(0, 1))).toBe(true);
    expect(ok(reports.slice(0, 1), ['x'])).toBe(false);
    expect(ok(reports.slice(1, 2))).toBe(false);
    expect(ok(reports.slice(2))).toBe(false);
  });
});
