import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { loadContractsManifest } from '../../lib/contracts-manifest.ts';
import { systemClock } from '../../lib/time.ts';
import { ExternalsError } from './externals.ts';
import { livingChildren } from './orphans.ts';
import { rpcCall } from './parts/anvil.ts';
import { freePort } from './parts/free-port.ts';
import { PortError } from './ports.ts';
import { resetStack } from './shutdown.ts';
import { AlreadyRunningError, startStack } from './start-stack.ts';
import { isAlive, readState, type StackState, stateFile } from './state.ts';

const CLI = join(import.meta.dirname, 'main.ts');
const START_MS = 120_000;

/** The environment of the test run, without anything that would point the stack elsewhere. */
const cleanEnv = (stateDir: string): NodeJS.ProcessEnv => {
  const { DATABASE_URL, REDIS_URL, RPC_URLS, CONTRACTS_FILE, CHAIN_ID, NODE_OPTIONS, ...env } = process.env;
  return { ...env, STATE_DIR: stateDir, NO_COLOR: '1' };
};

/** Runs a command of the stack to its end. */
function run(stateDir: string, ...args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CLI, ...args], { env: cleanEnv(stateDir) }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, output: stdout + stderr });
    });
  });
}

/** Runs `up` and collects what it prints. */
function up(stateDir: string): {
  process: ChildProcess;
  output: () => string;
  ready: () => Promise<StackState>;
} {
  const child = spawn(process.execPath, [CLI, 'up'], { env: cleanEnv(stateDir) });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const ready = async (): Promise<StackState> => {
    const deadline = Date.now() + START_MS;
    for (;;) {
      const state = readState(stateDir);
      if (state?.ready && state.supervisor.pid === child.pid) return state;
      if (child.exitCode !== null || Date.now() > deadline)
        throw new Error(`up did not get ready:\n${output}`);
      await systemClock.sleep(50);
    }
  };
  return { process: child, output: () => output, ready };
}

async function until(
  check: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 30_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms for: ${what}`);
    await systemClock.sleep(50);
  }
}

const directories: string[] = [];
const newStateDir = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'rejuve-stack-'));
  directories.push(dir);
  return dir;
};
afterAll(async () => {
  for (const dir of directories) {
    await resetStack(dir);
    rmSync(dir, { recursive: true, force: true });
  }
}, 60_000);

describe('make up', () => {
  const stateDir = newStateDir();
  let first: ReturnType<typeof up>;
  let state: StackState;
  beforeAll(async () => {
    first = up(stateDir);
    state = await first.ready();
  }, START_MS);

  it('prints a line per event, then every address and the development credentials', async () => {
    await until(() => first.output().includes('Next:'), 'the table');
    for (const [name, { url }] of Object.entries(state.children)) {
      expect(first.output()).toMatch(new RegExp(`✓ ${name} +ready`));
      expect(first.output()).toContain(url);
    }
    expect(first.output()).toContain(state.credentials.apiKey);
  });

  it('keeps its state to its owner', () => {
    expect(statSync(stateFile(stateDir)).mode & 0o777).toBe(0o600);
  });

  it('is shown as ready by make status, and refuses a second make up', async () => {
    const status = await run(stateDir, 'status');
    expect(status.output).toContain('All is ready.');
    expect(status.code).toBe(0);
    const second = await run(stateDir, 'up');
    expect(second.output).toContain('A stack runs already');
    expect(second.output).toContain(state.urls.alpha);
    await expect(startStack({ stateDir, quiet: true })).rejects.toThrow(AlreadyRunningError);
  }, 30_000);

  it('brings back a killed chain with its blocks, and shows the crash', async () => {
    const head = () => rpcCall<string>(state.urls.chain as string, 'eth_blockNumber').then(Number, () => -1);
    await until(async () => (await head()) > 5, 'some blocks');
    const before = await head();
    process.kill(-(state.children.anvil?.process?.pid ?? 0), 'SIGKILL');
    await until(async () => (await head()) >= before, 'the chain to go on', 45_000);
    expect(first.output()).toMatch(/✗ anvil +crashed signal SIGKILL/);
    expect(first.output()).toMatch(/↻ anvil +restarting in 0.25 s/);
    const now = readState(stateDir);
    expect(now?.children.anvil?.restarts).toBe(1);
    // A chain that had lost everything would have no contracts.
    const { contracts } = loadContractsManifest(state.files.contracts as string);
    const code = await rpcCall<string>(state.urls.chain as string, 'eth_getCode', [
      contracts.RejuveToken?.address,
      'latest',
    ]);
    expect(code.length).toBeGreaterThan(100);
  }, 90_000);

  it(
    'leaves nothing running when it is killed, and goes on from its state afterwards',
    async () => {
      const children = Object.values(readState(stateDir)?.children ?? {});
      first.process.kill('SIGKILL');
      await once(first.process, 'exit');
      expect((await run(stateDir, 'status')).code).toBe(1);
      const second = up(stateDir);
      await second.ready();
      for (const { process: record } of children) expect(isAlive(record)).toBe(false);
      expect(readState(stateDir)?.credentials).toEqual(state.credentials);

      const down = await run(stateDir, 'down');
      expect(down.output).toContain('Stopped.');
      await until(() => second.process.exitCode !== null, 'up to end');
      expect(second.process.exitCode).toBe(0);
      expect(second.output()).toContain('all stopped');
      expect(existsSync(stateFile(stateDir))).toBe(false);
      expect((await run(stateDir, 'down')).output).toContain('Nothing runs here.');
    },
    START_MS,
  );
});

describe('startStack', () => {
  it(
    'starts beside others, and ends all it started',
    async () => {
      const stateDir = newStateDir();
      const stack = await startStack({ stateDir, ports: 'free', quiet: true, env: cleanEnv(stateDir) });
      const state = stack.state();
      expect(state.ready).toBe(true);
      expect(
        livingChildren(state)
          .map(({ name }) => name)
          .sort(),
      ).toEqual(Object.keys(state.children).sort());
      await stack.control.child('redis', 'kill');
      await until(async () => {
        const { children } = await stack.control.state();
        return children.redis?.restarts === 1 && children.redis.state === 'ready';
      }, 'redis to come back');
      await stack.stop();
      expect(livingChildren(state)).toEqual([]);
    },
    START_MS,
  );

  it(
    'can be interrupted while it starts',
    async () => {
      const stateDir = newStateDir();
      const starting = startStack({
        stateDir,
        ports: 'free',
        env: cleanEnv(stateDir),
        onStarting: (stack) => setTimeout(() => void stack.stop(), 300),
      });
      await starting.catch(() => undefined);
      expect(existsSync(stateFile(stateDir))).toBe(false);
    },
    START_MS,
  );

  it('starts nothing when a requested port is taken or a given server is away', async () => {
    const stateDir = newStateDir();
    const blocker = createServer().listen(0, '127.0.0.1');
    await once(blocker, 'listening');
    const { port } = blocker.address() as { port: number };
    const env = { ...cleanEnv(stateDir), API_PORT: `${port}` };
    await expect(startStack({ stateDir, env })).rejects.toThrow(PortError);
    blocker.close();
    const away = { ...cleanEnv(stateDir), REDIS_URL: `redis://127.0.0.1:${await freePort()}` };
    await expect(startStack({ stateDir, env: away, ports: 'free' })).rejects.toThrow(ExternalsError);
    expect(existsSync(stateFile(stateDir))).toBe(false);
    // The lock was given back each time: this fails for the port and not because a stack runs.
    await expect(startStack({ stateDir, env: { ...env, API_PORT: 'none' } })).rejects.toThrow(/is no port/);
  });
});
