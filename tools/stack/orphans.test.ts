import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { cleanUpOrphans } from './orphans.ts';
import { isAlive, type ProcessRecord, readState, recordOf, type StackState, writeState } from './state.ts';

let dir: string;
const spawned: ChildProcess[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rejuve-orphans-'));
});
afterEach(() => {
  for (const child of spawned.splice(0)) child.kill('SIGKILL');
  rmSync(dir, { recursive: true, force: true });
});

const GONE: ProcessRecord = { pid: process.pid, mark: 'another start' };

async function sleeper(): Promise<{ record: ProcessRecord; gone: Promise<unknown> }> {
  const child = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
  spawned.push(child);
  await once(child, 'spawn');
  return { record: recordOf(child.pid ?? 0) as ProcessRecord, gone: once(child, 'exit') };
}

function recorded(supervisor: ProcessRecord, children: Record<string, ProcessRecord | null>): StackState {
  return {
    version: 1,
    supervisor,
    startedAt: '2026-01-01T00:00:00.000Z',
    ready: true,
    control: { url: '', token: '' },
    children: Object.fromEntries(
      Object.entries(children).map(([name, process]) => [
        name,
        { kind: 'service', state: 'ready', process, url: null, restarts: 0, log: '' },
      ]),
    ),
    urls: {},
    credentials: {},
    files: {},
    chainId: 31337,
  };
}

describe('cleanUpOrphans', () => {
  it('ends the children of a supervisor that is gone and forgets them', async () => {
    const orphan = await sleeper();
    writeState(dir, recorded(GONE, { api: orphan.record, user: null }));
    expect(await cleanUpOrphans(dir)).toEqual(['api']);
    await orphan.gone;
    expect(readState(dir)).toBeUndefined();
  });

  it('ends a frozen orphan', async () => {
    const orphan = await sleeper();
    process.kill(orphan.record.pid, 'SIGSTOP');
    writeState(dir, recorded(GONE, { api: orphan.record }));
    await cleanUpOrphans(dir);
    await orphan.gone;
    expect(isAlive(orphan.record)).toBe(false);
  });

  it('never touches a process that merely has the id of one it started', async () => {
    const stranger = await sleeper();
    writeState(dir, recorded(GONE, { api: { pid: stranger.record.pid, mark: 'an earlier start' } }));
    expect(await cleanUpOrphans(dir)).toEqual([]);
    expect(isAlive(stranger.record)).toBe(true);
  });

  it('leaves the children of a living supervisor alone', async () => {
    const child = await sleeper();
    writeState(dir, recorded(recordOf(process.pid) as ProcessRecord, { api: child.record }));
    expect(await cleanUpOrphans(dir)).toEqual([]);
    expect(isAlive(child.record)).toBe(true);
    expect(readState(dir)).toBeDefined();
  });
});
