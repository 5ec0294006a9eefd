import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type E2eStack, startE2eStack } from '../demo/testing/e2e-stack.ts';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';
import { type LoadTarget, runLoadTest, TargetDownError } from './run-load-test.ts';
import { targetOfStack } from './target-of-stack.ts';
import { promisesOf, verdictTable } from './verdict.ts';

/**
 * A load test that cannot fail proves nothing. Between k6 and a real platform stands a proxy that does what a bad
 * build would do; each must turn the verdict red for the right promise, and for that one only.
 */
const START_MS = 120_000;
const RUN_MS = 120_000;
/** A second per hundred people is enough to judge; the full length is `make load`. */
const DURATION = '12s';
/**
 * Promises about time (1, 3) need a machine that has nothing else to do. Where others work as well, a run may miss
 * them without a fault of ours, so they are held against the platform only when asked for: LOAD_STRICT=1.
 */
const TIMED = process.env.LOAD_STRICT === '1' ? [] : [1, 3];
const withoutTimed = (promises: readonly number[]) => promises.filter((promise) => !TIMED.includes(promise));

let platform: E2eStack;
let api: FaultProxy;
let user: FaultProxy;
let target: LoadTarget;
let output: string;

beforeAll(async () => {
  output = mkdtempSync(join(tmpdir(), 'load-'));
  platform = await startE2eStack();
  const real = targetOfStack(platform.access.state);
  [api, user] = await Promise.all([startFaultProxy(real.api), startFaultProxy(real.user)]);
  target = { ...real, api: api.url, user: user.url };
}, START_MS);
afterAll(async () => {
  await Promise.all([api?.close(), user?.close()]);
  await platform?.stop();
  if (output) rmSync(output, { recursive: true, force: true });
}, START_MS);
beforeEach(() => {
  api.set({});
  user.set({});
});

async function run(scenario: string, options: { rate?: number } = {}) {
  const result = await runLoadTest(target, {
    scenario,
    duration: DURATION,
    people: 12,
    outputFolder: output,
    say: () => undefined,
    ...options,
  });
  const verdicts = promisesOf(result.rows);
  return {
    result,
    table: verdictTable(result.rows),
    broken: verdicts.filter(({ kept }) => kept === false).map(({ promise }) => promise),
    kept: verdicts.filter(({ kept }) => kept).map(({ promise }) => promise),
  };
}

describe('the verdict', () => {
  it(
    'keeps all seven promises of a platform that keeps them, and reports it in three forms',
    async () => {
      const { broken, kept, table, result } = await run('peak');
      expect([table, withoutTimed(broken)]).toEqual([table, []]);
      expect([...kept, ...broken].sort()).toEqual([1, 2, 3, 4, 5, 6, 7]);
      for (const file of result.files) expect(existsSync(file)).toBe(true);
      expect(readFileSync(join(output, 'peak.junit.xml'), 'utf8')).toContain(
        'name="promise 4: every transfer is notified',
      );
    },
    RUN_MS,
  );

  it(
    'turns red for promise 5 when one answer in a hundred is an error',
    async () => {
      api.set({ errorEvery: 100 });
      const { broken, table } = await run('peak');
      expect([table, withoutTimed(broken)]).toEqual([table, [5]]);
    },
    RUN_MS,
  );

  it(
    'turns red for promise 3 when every answer takes 600 ms longer',
    async () => {
      user.set({ latencyMs: 600 });
      const { broken, table } = await run('smoke');
      expect([table, broken]).toEqual([table, [3]]);
    },
    RUN_MS,
  );

  it(
    'turns red for promise 4 when a notification is lost on the way to the app',
    async () => {
      user.set({ loseNotification: true });
      const { broken, table } = await run('notifications');
      expect([table, withoutTimed(broken)]).toEqual([table, [4]]);
    },
    RUN_MS,
  );

  it(
    'keeps nothing of what needs traffic when nothing is sent',
    async () => {
      const { broken, table } = await run('peak', { rate: 0 });
      expect([table, broken]).toEqual([table, [1, 2, 3, 4, 5]]);
    },
    RUN_MS,
  );
});

describe('a target that is down', () => {
  it('is said at once, and is not taken for a missed objective', async () => {
    const away = await startFaultProxy('http://127.0.0.1:1');
    await away.close();
    const from = performance.now();
    const asked = runLoadTest(
      { ...target, api: away.url },
      { scenario: 'smoke', people: 1, outputFolder: output, say: () => undefined },
    );
    await expect(asked).rejects.toThrow(TargetDownError);
    await expect(asked).rejects.toThrow(/api at .* does not answer \(ECONNREFUSED\)/);
    expect(performance.now() - from).toBeLessThan(6_000);
    const cli = spawnSync(
      process.execPath,
      [join(import.meta.dirname, 'main.ts'), 'smoke', '--api', away.url, '--user', away.url],
      { encoding: 'utf8' },
    );
    expect(cli.stderr).toContain('The platform does not answer, so nothing was tested');
    expect(cli.status).toBe(3);
  }, 30_000);
});
