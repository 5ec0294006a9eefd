import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { anvilCommand } from './anvil.ts';
import { cacheDir } from './cache-dir.ts';
import { findOnPath, plainEnvironment, tieToParent } from './command.ts';
import { redisBinary } from './redis-binary.ts';
import { lastLines, startAndWait } from './spawn.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rejuve-parts-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const shell = (script: string) => ({
  file: '/bin/sh',
  args: ['-c', script],
  env: plainEnvironment(),
  stopSignal: 'SIGTERM' as const,
});

describe('startAndWait', () => {
  it('says that a program stopped while it started, with its last lines', async () => {
    const starting = startAndWait({
      name: 'Redis',
      command: shell('echo "Address already in use"; exit 1'),
      logFile: join(dir, 'log'),
      ready: async () => false,
    });
    await expect(starting).rejects.toThrow(
      /Redis stopped while starting \(exit code 1\)[\s\S]*Address already in use/,
    );
  });

  it('says that a program was not ready in time, and ends it', async () => {
    const starting = startAndWait({
      name: 'Redis',
      command: shell(`echo $$ > ${join(dir, 'pid')}; exec sleep 30`),
      logFile: join(dir, 'log'),
      ready: async () => false,
      timeoutMs: 300,
    });
    await expect(starting).rejects.toThrow('Redis was not ready after 0.3 s');
    const pid = Number(readFileSync(join(dir, 'pid'), 'utf8'));
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });

  it('says when there is no such program', async () => {
    const starting = startAndWait({
      name: 'Redis',
      command: { ...shell(''), file: '/no/such/program' },
      logFile: join(dir, 'log'),
      ready: async () => false,
    });
    await expect(starting).rejects.toThrow(/Redis stopped while starting/);
  });
});

describe('redisBinary', () => {
  it('says how to get a Redis where there is none and no Debian to fetch it from', async () => {
    await expect(redisBinary({ cache: dir, path: '' })).rejects.toThrow(
      /There is no redis-server on this machine\. Install Redis .*brew install redis.*set REDIS_URL/,
    );
  });

  it('prefers the one on the PATH', async () => {
    writeFileSync(join(dir, 'redis-server'), '#!/bin/sh\n', { mode: 0o755 });
    expect(await redisBinary({ cache: dir, path: dir })).toEqual({
      file: join(dir, 'redis-server'),
      libraryPath: '',
      origin: 'path',
    });
  });
});

describe('commands', () => {
  it('pass nothing of our environment on but what any program needs', () => {
    process.env.REJUVE_TEST_SECRET = 'hush';
    expect(plainEnvironment({ PORT: '1' })).not.toHaveProperty('REJUVE_TEST_SECRET');
    expect(plainEnvironment({ PORT: '1' })).toMatchObject({ PORT: '1', LC_ALL: 'C' });
    delete process.env.REJUVE_TEST_SECRET;
  });

  it('find only what may be executed', () => {
    writeFileSync(join(dir, 'plain'), '', { mode: 0o644 });
    writeFileSync(join(dir, 'program'), '', { mode: 0o755 });
    expect(findOnPath('plain', dir)).toBeUndefined();
    expect(findOnPath('program', `/nowhere::${dir}`)).toBe(join(dir, 'program'));
  });

  it('change the user and end with their parent in one step where setpriv is there', () => {
    const command = { ...shell('true'), runAs: { uid: 65534, gid: 65534 } };
    const tied = tieToParent(command);
    if (findOnPath('setpriv') === undefined) {
      expect(tied).toEqual(command);
      return;
    }
    expect(tied.args).toEqual(
      expect.arrayContaining(['--reuid=65534', '--regid=65534', '--pdeathsig=TERM', '/bin/sh']),
    );
    expect(tied.runAs).toBeUndefined();
  });

  it('run anvil on loopback only, with blocks in time and its state kept', () => {
    const { args } = anvilCommand({ port: 1234, blockTimeSeconds: 2, stateFile: '/s' });
    expect(args.join(' ')).toContain('--host 127.0.0.1 --port 1234 --chain-id 31337');
    expect(args.join(' ')).toContain('--block-time 2 --state /s --state-interval 5');
  });
});

describe('small helpers', () => {
  it('reads the end of a log, and nothing of a missing one', () => {
    writeFileSync(join(dir, 'log'), 'one\ntwo\n\nthree\n');
    expect(lastLines(join(dir, 'log'), 2)).toEqual(['two', 'three']);
    expect(lastLines(join(dir, 'log'), 9)).toEqual(['one', 'two', 'three']);
    expect(lastLines(join(dir, 'none'), 3)).toEqual([]);
  });

  it('keeps programs in the XDG cache folder', () => {
    expect(cacheDir({ XDG_CACHE_HOME: '/x' })).toBe('/x/rejuve-platform');
    expect(cacheDir({})).toMatch(/\.cache\/rejuve-platform$/);
  });
});
