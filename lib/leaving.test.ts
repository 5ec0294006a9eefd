import { spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const lib = import.meta.dirname;

/** A process with an HTTP application that goes on for 600 ms after SIGTERM. */
const PROGRAM = `
  import { runProcess } from '${lib}/lifecycle.ts';
  import { createLogger } from '${lib}/log.ts';
  import { createMetrics } from '${lib}/metrics.ts';
  import { createHttpApp } from '${lib}/http/app.ts';
  import { startServer } from '${lib}/http/server.ts';
  import { systemClock as clock } from '${lib}/time.ts';
  import { systemRandom } from '${lib}/random.ts';
  runProcess('test', async (scope) => {
    const log = createLogger({ service: 'test', level: 'silent' });
    const { app } = createHttpApp({ service: 'test', version: '1', log, metrics: createMetrics({ service: 'test' }), clock,
      random: systemRandom(clock), routes: [], readiness: [], openapi: { title: 't', version: '1', description: 'd' } });
    const server = await startServer({ listener: app, host: '127.0.0.1', port: 0, log, clock });
    scope.defer('http', () => server.close(1000));
    process.stdout.write(String(server.port));
    return { log, drainTimeoutMs: 1000, drainDelayMs: 600 };
  });`;

interface Answer {
  readonly status: number;
  readonly connection: string | undefined;
}

const ask = (port: number, path: string, agent: Agent): Promise<Answer> =>
  new Promise((resolve, reject) => {
    get({ port, path, agent, host: '127.0.0.1' }, (response) => {
      response.resume();
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, connection: response.headers.connection }),
      );
    }).once('error', reject);
  });

describe('leaving', () => {
  it('serves on after SIGTERM, is not ready, and sends clients with open connections elsewhere', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'leaving-')), 'process.ts');
    writeFileSync(file, PROGRAM);
    const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] });
    const port = await new Promise<number>((resolve) => child.stdout.once('data', (d) => resolve(Number(d))));
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const exit = new Promise<number | null>((resolve) => child.once('close', resolve));

    expect(await ask(port, '/readyz', agent)).toEqual({ status: 200, connection: 'keep-alive' });
    child.kill('SIGTERM');
    let answer = await ask(port, '/readyz', agent);
    while (answer.status === 200) answer = await ask(port, '/readyz', agent);
    expect(answer).toEqual({ status: 503, connection: 'close' });
    // A new connection is still taken: somebody may not have heard yet.
    expect(await ask(port, '/livez', agent)).toEqual({ status: 200, connection: 'close' });
    expect(await exit).toBe(0);
    agent.destroy();
  });
});
