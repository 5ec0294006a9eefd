import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../lib/time.ts';
import type { ChildSpec } from './child.ts';
import { plainEnvironment } from './parts/command.ts';
import { createSupervisor, StartError, type Supervisor, type TaskSpec } from './supervisor.ts';

let dir: string;
let supervisor: Supervisor | undefined;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rejuve-supervisor-'));
});
afterEach(async () => {
  await supervisor?.stop();
  supervisor = undefined;
  rmSync(dir, { recursive: true, force: true });
});

const sleeper = (name: string, overrides: Partial<ChildSpec> = {}): ChildSpec => ({
  name,
  kind: 'service',
  dependsOn: [],
  stage: 0,
  command: () => ({ file: '/bin/sleep', args: ['30'], env: plainEnvironment(), stopSignal: 'SIGTERM' }),
  isReady: async () => true,
  ...overrides,
});

function supervise(children: ChildSpec[], tasks: TaskSpec[] = []) {
  const log: string[] = [];
  supervisor = createSupervisor(
    { children, tasks },
    { clock: systemClock, logDir: dir, onEvent: ({ name, what }) => log.push(`${name} ${what}`) },
  );
  return { supervisor, log };
}

describe('createSupervisor', () => {
  it('starts what depends on something only when that is ready', async () => {
    const done: string[] = [];
    const { supervisor: stack, log } = supervise(
      [sleeper('service', { dependsOn: ['contracts'] }), sleeper('chain')],
      [{ name: 'contracts', dependsOn: ['chain'], run: async () => void done.push('contracts') }],
    );
    await stack.start();
    expect(done).toEqual(['contracts']);
    expect(log.indexOf('chain ready')).toBeLessThan(log.indexOf('contracts starting'));
    expect(log.indexOf('contracts ready')).toBeLessThan(log.indexOf('service starting'));
    expect(stack.isReady()).toBe(true);
  });

  it('stops the highest stage first', async () => {
    const { supervisor: stack, log } = supervise([
      sleeper('database', { stage: 0 }),
      sleeper('api', { stage: 3 }),
      sleeper('gateway', { stage: 2 }),
    ]);
    await stack.start();
    await stack.stop();
    expect(log.filter((line) => line.endsWith('stopped'))).toEqual([
      'api stopped',
      'gateway stopped',
      'database stopped',
    ]);
  });

  it('says which child cannot start, with its last lines', async () => {
    const broken = sleeper('api', {
      command: () => ({
        file: '/bin/sh',
        args: ['-c', 'echo "PORT: is required"; exit 78'],
        env: plainEnvironment(),
        stopSignal: 'SIGTERM',
      }),
      isReady: async () => false,
    });
    const { supervisor: stack } = supervise([sleeper('database'), broken]);
    await expect(stack.start()).rejects.toThrow(StartError);
    await expect(stack.start()).rejects.toThrow(/api cannot start[\s\S]*PORT: is required/);
  });

  it('refuses unknown dependencies and cycles', async () => {
    await expect(supervise([sleeper('a', { dependsOn: ['b'] })]).supervisor.start()).rejects.toThrow(
      'a depends on b, which does not exist',
    );
    const cycle = [sleeper('a', { dependsOn: ['b'] }), sleeper('b', { dependsOn: ['a'] })];
    await expect(supervise(cycle).supervisor.start()).rejects.toThrow(/cycle: a → b → a/);
  });

  it('starts nothing more once it was asked to stop', async () => {
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { supervisor: stack, log } = supervise(
      [sleeper('late', { dependsOn: ['slow'] })],
      [{ name: 'slow', dependsOn: [], run: () => gate }],
    );
    const starting = stack.start();
    await systemClock.sleep(20);
    await stack.stop();
    release();
    await starting;
    expect(log).not.toContain('late starting');
  });
});
