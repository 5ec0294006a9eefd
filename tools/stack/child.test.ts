import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Clock, systemClock } from '../../lib/time.ts';
import { type Child, type ChildEvent, type ChildSpec, createChild } from './child.ts';
import { plainEnvironment } from './parts/command.ts';

let dir: string;
let started: Child[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rejuve-child-'));
});
afterEach(async () => {
  await Promise.all(started.map((child) => child.stop(200)));
  started = [];
  rmSync(dir, { recursive: true, force: true });
});

/** Real time, with every wait for a restart noted and cut short. */
function fastClock(waits: number[]): Clock {
  return {
    ...systemClock,
    setTimeout: (fn, ms) => {
      waits.push(ms);
      return systemClock.setTimeout(fn, Math.min(ms, 5));
    },
  };
}

function supervise(script: string, overrides: Partial<ChildSpec> = {}, clock: Clock = systemClock) {
  const events: ChildEvent[] = [];
  const logFile = join(dir, 'child.log');
  const child = createChild(
    {
      name: 'child',
      kind: 'service',
      dependsOn: [],
      stage: 0,
      command: () => ({
        file: '/bin/sh',
        args: ['-c', script],
        env: plainEnvironment(),
        stopSignal: 'SIGTERM',
      }),
      isReady: async () => true,
      ...overrides,
    },
    { clock, logFile, onEvent: (event) => events.push(event) },
  );
  started.push(child);
  const seen = (what: ChildEvent['what']) => events.filter((event) => event.what === what);
  const until = async (check: () => boolean): Promise<void> => {
    const deadline = Date.now() + 5_000;
    while (!check() && Date.now() < deadline) await systemClock.sleep(5);
    expect(check()).toBe(true);
  };
  return { child, events, seen, until, logFile };
}

describe('createChild', () => {
  it('is ready when its check says so, and stops when asked', async () => {
    let answers = false;
    const { child, until, seen } = supervise('exec sleep 30', { isReady: async () => answers });
    child.start();
    await until(() => child.record().process !== null);
    expect(child.state()).toBe('starting');
    answers = true;
    expect(await child.whenReady()).toBe(true);
    await child.stop();
    expect(child.state()).toBe('stopped');
    expect(seen('crashed')).toEqual([]);
  });

  it('restarts a crashed child, shows its last lines and waits twice as long each time', async () => {
    const waits: number[] = [];
    const { child, seen, until } = supervise(
      'echo "cannot do it" >&2; exit 3',
      { isReady: async () => false },
      fastClock(waits),
    );
    child.start();
    await until(() => seen('crashed').length >= 8);
    expect(seen('crashed')[0]).toMatchObject({ detail: 'exit code 3', lines: ['cannot do it'] });
    const backoffs = waits.filter((ms) => ms !== 27_000);
    expect(backoffs.slice(0, 8)).toEqual([250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
    expect(child.record().restarts).toBeGreaterThanOrEqual(8);
  });

  it('comes back after SIGKILL', async () => {
    const { child, seen, until } = supervise('exec sleep 30', {}, fastClock([]));
    child.start();
    await child.whenReady();
    const first = child.record().process?.pid;
    expect(child.kill()).toBe(true);
    await until(() => child.state() === 'ready' && child.record().process?.pid !== first);
    expect(seen('crashed')[0]?.detail).toBe('signal SIGKILL');
  });

  it('does not restart a child that refuses its configuration', async () => {
    const { child, seen } = supervise('echo "PORT: is required"; exit 78', { isReady: async () => false });
    child.start();
    expect(await child.whenReady()).toBe(false);
    expect(child.state()).toBe('failed');
    expect(seen('failed')[0]?.lines).toEqual(['PORT: is required']);
    expect(seen('restarting')).toEqual([]);
  });

  it('says what keeps a program from being started', async () => {
    const { child, seen } = supervise('', {
      command: () => {
        throw new Error('there is no such program');
      },
    });
    child.start();
    expect(await child.whenReady()).toBe(false);
    expect(seen('failed')[0]?.detail).toBe('there is no such program');
  });

  it('kills a child that does not leave', async () => {
    const { child, logFile } = supervise("trap 'echo asked' TERM; echo up; while :; do sleep 0.05; done");
    child.start();
    await child.whenReady();
    while (!readFileSync(logFile, 'utf8').includes('up')) await systemClock.sleep(5);
    await child.stop(200);
    expect(child.state()).toBe('stopped');
    expect(readFileSync(logFile, 'utf8')).toContain('asked');
  });

  it('freezes and wakes a child, and can stop it while it is frozen', async () => {
    const { child } = supervise('exec sleep 30');
    child.start();
    await child.whenReady();
    expect(child.resume()).toBe(false);
    expect(child.pause()).toBe(true);
    expect(child.state()).toBe('paused');
    expect(child.resume()).toBe(true);
    expect(child.pause()).toBe(true);
    await child.stop();
    expect(child.state()).toBe('stopped');
  });

  it('notices that a running child no longer answers', async () => {
    let answers = true;
    const { child, until, seen } = supervise(
      'exec sleep 30',
      { isReady: async () => answers },
      {
        ...systemClock,
        sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 5), signal),
      },
    );
    child.start();
    await child.whenReady();
    answers = false;
    await until(() => child.state() === 'unready');
    answers = true;
    await until(() => child.state() === 'ready');
    expect(seen('ready').at(-1)?.detail).toBe('again');
  });
});
