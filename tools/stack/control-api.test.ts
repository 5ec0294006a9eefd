import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../lib/time.ts';
import { type Child, createChild } from './child.ts';
import { type ControlApi, createControlClient, startControlApi } from './control-api.ts';
import { plainEnvironment } from './parts/command.ts';
import { freePort } from './parts/free-port.ts';
import type { StackState } from './state.ts';

const TOKEN = 'a token of the test';
let dir: string;
let child: Child;
let api: ControlApi;
let stops = 0;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'rejuve-control-'));
  stops = 0;
  child = createChild(
    {
      name: 'api',
      kind: 'service',
      dependsOn: [],
      stage: 0,
      command: () => ({
        file: '/bin/sh',
        args: ['-c', 'echo hello; exec sleep 30'],
        env: plainEnvironment(),
        stopSignal: 'SIGTERM',
      }),
      isReady: async () => true,
    },
    { clock: systemClock, logFile: join(dir, 'api.log'), onEvent: () => undefined },
  );
  api = await startControlApi({
    token: TOKEN,
    port: await freePort(),
    children: new Map([['api', child]]),
    state: () => ({ version: 1, ready: true }) as StackState,
    onStop: () => {
      stops += 1;
    },
  });
});
afterEach(async () => {
  await api.close();
  await child.stop(200);
  rmSync(dir, { recursive: true, force: true });
});

const client = (token = TOKEN) => createControlClient({ control: { url: api.url, token } });

describe('the control API', () => {
  it('does nothing without its token', async () => {
    for (const token of ['', 'another token', `${TOKEN}x`]) {
      await expect(client(token).stopStack()).rejects.toThrow(/401 send the token of stack.json/);
    }
    expect((await fetch(`${api.url}/v1/stack`)).status).toBe(401);
    expect(stops).toBe(0);
  });

  it('starts, freezes, wakes, kills and stops a child', async () => {
    const { child: act } = client();
    expect(await act('api', 'start')).toMatchObject({ kind: 'service' });
    await child.whenReady();
    await act('api', 'pause');
    expect(child.state()).toBe('paused');
    await act('api', 'resume');
    const before = child.record().process?.pid;
    await act('api', 'restart');
    await child.whenReady();
    expect(child.record().process?.pid).not.toBe(before);
    await act('api', 'kill');
    await act('api', 'stop');
    expect(child.state()).toBe('stopped');
  });

  it('says that there is nothing to kill, freeze or wake', async () => {
    for (const action of ['kill', 'pause', 'resume'] as const) {
      await expect(client().child('api', action)).rejects.toThrow(/409 api is waiting/);
    }
  });

  it('names the children it has when asked for another', async () => {
    await expect(client().child('apl', 'stop')).rejects.toThrow(/404 there is no child apl; there are api/);
    await expect(client().child('api', 'explode' as 'kill')).rejects.toThrow(
      /404 .* is not part of the control API/,
    );
  });

  it('shows the state and the end of a log, and passes a stop on', async () => {
    child.start();
    await child.whenReady();
    expect(await client().state()).toMatchObject({ ready: true });
    let lines: string[] = [];
    for (let attempt = 0; attempt < 100 && lines.length === 0; attempt += 1) {
      ({ lines } = await client().log('api', 5));
    }
    expect(lines).toEqual(['hello']);
    await client().stopStack();
    expect(stops).toBe(1);
  });
});
