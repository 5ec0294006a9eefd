import { execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { OBJECTIVES } from '../../lib/slo/objectives.ts';
import { isServiceReady } from '../stack/plan.ts';
import { eventually } from './eventually.ts';
import { STEPS } from './steps.ts';
import { type E2eStack, startE2eStack } from './testing/e2e-stack.ts';

const START_MS = 120_000;
const STORY_MS = 120_000;

describe('the demo', () => {
  let platform: E2eStack;
  const main = join(import.meta.dirname, 'main.ts');

  async function demo(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    try {
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [main, ...args], {
        env: { ...process.env, STATE_DIR: platform.stateDir },
      });
      return { code: 0, stdout, stderr };
    } catch (error) {
      return error as { code: number; stdout: string; stderr: string };
    }
  }

  beforeAll(async () => {
    platform = await startE2eStack();
  }, START_MS);
  afterAll(() => platform?.stop(), START_MS);

  it(
    'passes every step, and leaves everything ready',
    async () => {
      const { code, stdout, stderr } = await demo('--json');
      const report = JSON.parse(stdout || '{}');
      const failed = report.steps?.filter((step: { status: string }) => step.status !== 'passed');
      if (failed?.length !== 0) console.error(stderr, JSON.stringify(failed, null, 2), await platform.logs());
      expect(failed).toEqual([]);
      expect(report).toMatchObject({ ok: true, cleanupFailures: [] });
      expect(report.steps).toHaveLength(STEPS.length);
      expect(code).toBe(0);
      for (const name of ['gateway', 'gatewayWorker', 'gatewayIndexer', 'api', 'user']) {
        expect([name, await isServiceReady(platform.access.url(name))]).toEqual([name, true]);
      }
    },
    STORY_MS,
  );

  it('shows every metric that an objective speaks of, so that no alert waits for a name that nobody exports', async () => {
    const services = ['gateway', 'gatewayWorker', 'gatewayIndexer', 'api', 'user'];
    const texts = await Promise.all(
      services.map(async (name) => (await fetch(`${platform.access.url(name)}/metrics`)).text()),
    );
    const exported = new Set(texts.join('\n').match(/^[a-z_]+(?=[{ ])/gm));
    // Not those of the controller, which is not part of this stack, nor of browsers, which nobody has open; levels are
    // expressions, whose names dashboards/ checks.
    const elsewhere = ['controller', 'console'];
    const wanted = OBJECTIVES.filter(({ service }) => !elsewhere.includes(service)).flatMap(
      ({ indicator }) => {
        if (indicator.kind === 'level') return [];
        if (indicator.kind === 'latency') return [`${indicator.histogram}_bucket`];
        if (indicator.kind === 'ratio') return [indicator.total.metric, indicator.bad.metric];
        return [indicator.gauge.metric];
      },
    );
    expect(wanted.filter((name) => !exported.has(name))).toEqual([]);
  });

  it(
    'runs a chosen step with what it needs, as a table',
    async () => {
      const { code, stdout } = await demo('--only', 'empty-wallet');
      expect(stdout).toMatch(/1 {2}✓[\s\S]*3 {2}✓[\s\S]*2 passed in/);
      expect(code).toBe(0);
    },
    STORY_MS,
  );

  it(
    'points at the log of the part that is broken, and exits with 1',
    async () => {
      const { control } = platform.stack;
      await control.child('user', 'stop');
      try {
        const { code, stdout } = await demo('--only', 'sign-in');
        expect(stdout).toMatch(/expected POST \/v1\/auth\/nonce[\s\S]*ECONNREFUSED[\s\S]*logs\/user\.log/);
        expect(code).toBe(1);
      } finally {
        await control.child('user', 'start');
      }
      const userUrl = platform.access.url('user');
      await eventually(
        { expected: 'user to be back', withinMs: 30_000, signal: new AbortController().signal },
        async () => ((await isServiceReady(userUrl)) ? true : undefined),
      );
    },
    STORY_MS,
  );

  it(
    'switches on again what it switched off when it is interrupted',
    async () => {
      const controls = ['alphaControl', 'betaControl'].map((name) => platform.access.url(name));
      const look = () =>
        Promise.all(
          controls.map(
            async (url) =>
              (await (await fetch(`${url}/control`)).json()) as { up: boolean; faults: unknown[] },
          ),
        );
      const child = spawn(process.execPath, [main, '--only', 'provider-outage'], {
        env: { ...process.env, STATE_DIR: platform.stateDir },
        stdio: 'ignore',
      });
      const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
      await eventually(
        {
          expected: 'a provider to be off',
          withinMs: 30_000,
          everyMs: 10,
          signal: new AbortController().signal,
        },
        async () => ((await look()).some(({ up }) => !up) ? true : undefined),
      );
      child.kill('SIGINT');
      expect(await exited).toBe(130);
      expect((await look()).map(({ up, faults }) => ({ up, faults }))).toEqual([
        { up: true, faults: [] },
        { up: true, faults: [] },
      ]);
    },
    STORY_MS,
  );

  it('explains itself, and what it cannot do', async () => {
    expect(await demo('--help')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('provider-outage'),
    });
    expect(await demo('--only', 'nothing')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('there is no step'),
    });
    expect(await demo('--state-dir', '/nonexistent')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('start it with `make up`'),
    });
  });
});
