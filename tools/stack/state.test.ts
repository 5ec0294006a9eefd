import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { takeLock } from './lock.ts';
import {
  isAlive,
  readState,
  recordOf,
  removeState,
  type StackState,
  stateDirectory,
  stateFile,
  writeState,
} from './state.ts';

const state = (): StackState => ({
  version: 1,
  supervisor: { pid: 1, mark: 'x' },
  startedAt: '2026-01-01T00:00:00.000Z',
  ready: true,
  control: { url: 'http://127.0.0.1:1', token: 'secret' },
  children: {},
  urls: {},
  credentials: {},
  files: {},
  chainId: 31337,
});

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rejuve-state-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('the state file', () => {
  it('comes back as it was written, and only its owner may read it', () => {
    writeState(dir, state());
    expect(readState(dir)).toEqual(state());
    expect(statSync(stateFile(dir)).mode & 0o777).toBe(0o600);
    removeState(dir);
    expect(readState(dir)).toBeUndefined();
  });

  it('is nothing when it is torn or of another version', () => {
    writeFileSync(stateFile(dir), '{"version": 1, "supe');
    expect(readState(dir)).toBeUndefined();
    writeFileSync(stateFile(dir), '{"version": 2}');
    expect(readState(dir)).toBeUndefined();
  });

  it('is in STATE_DIR when that is set', () => {
    expect(stateDirectory({ STATE_DIR: dir })).toBe(dir);
    expect(stateDirectory({ STATE_DIR: '' })).toMatch(/\.state$/);
  });
});

describe('isAlive', () => {
  it('knows this process, and not a dead one or another with the same id', async () => {
    const me = recordOf(process.pid);
    expect(isAlive(me)).toBe(true);
    expect(isAlive({ pid: process.pid, mark: 'another start' })).toBe(false);
    const child = spawn('true');
    const record = { pid: child.pid ?? 0, mark: '1' };
    await once(child, 'exit');
    expect(isAlive(record)).toBe(false);
    expect(isAlive(null)).toBe(false);
  });
});

describe('takeLock', () => {
  it('is held by one process at a time and can be given back', () => {
    const first = takeLock(dir);
    expect('release' in first).toBe(true);
    expect(takeLock(dir)).toEqual({ holder: recordOf(process.pid) });
    if ('release' in first) first.release();
    expect('release' in takeLock(dir)).toBe(true);
  });

  it('is taken over from a process that is gone', () => {
    writeFileSync(join(dir, 'lock'), JSON.stringify({ pid: process.pid, mark: 'another start' }));
    expect('release' in takeLock(dir)).toBe(true);
  });

  it('is taken over when it is torn', () => {
    writeFileSync(join(dir, 'lock'), '{"pid": 1');
    expect('release' in takeLock(dir)).toBe(true);
  });
});
