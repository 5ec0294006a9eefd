import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import type { ProcessPlan } from './processes.ts';
import { paths } from './state.ts';

/**
 * Runs inside the node's namespaces. Starts parts when it is told to (over a Unix socket) and starts them again
 * whenever they end, as systemd would on a real node. `node supervisor.ts FOLDER`.
 *
 *   GET  /                          { NAME: { pid, restarts, ended } }
 *   POST /NAME/start
 *   POST /NAME/signal/SIGKILL       it comes back by itself
 */

/** A part that dies at once must not keep a core busy. */
const RESTART_MS = [100, 500, 1_000, 2_000] as const;
/** A part that ran this long was fine: the next restart is quick again. */
const SETTLED_MS = 10_000;

interface Part {
  readonly plan: ProcessPlan;
  child: ChildProcess | undefined;
  restarts: number;
  quickEnds: number;
  ended: string | undefined;
}

const folder = process.argv[2] as string;
const { control, plan: planFile, logs } = paths(folder);
mkdirSync(logs, { recursive: true });
const parts = new Map<string, Part>(
  (JSON.parse(readFileSync(planFile, 'utf8')) as ProcessPlan[]).map((plan) => [
    plan.name,
    { plan, child: undefined, restarts: 0, quickEnds: 0, ended: undefined },
  ]),
);

function start(part: Part): void {
  const log = openSync(join(logs, `${part.plan.name}.log`), 'a');
  const startedAt = performance.now();
  const child = spawn(part.plan.command, part.plan.args, {
    stdio: ['ignore', log, log],
    cwd: folder,
    env: {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: folder,
    },
  });
  closeSync(log);
  part.child = child;
  let over = false;
  const again = (why: string): void => {
    if (over) return;
    over = true;
    part.child = undefined;
    part.ended = why;
    part.quickEnds = performance.now() - startedAt > SETTLED_MS ? 0 : part.quickEnds + 1;
    const delay = RESTART_MS[Math.min(part.quickEnds, RESTART_MS.length - 1)];
    setTimeout(() => {
      part.restarts += 1;
      start(part);
    }, delay);
  };
  child.once('error', (error) => again(error.message));
  child.once('exit', (code, signal) => again(signal ?? `exit code ${code}`));
}

function act(path: string): number {
  const [, name = '', action = '', signal = ''] = path.split('/');
  const part = parts.get(name);
  if (!part) return 404;
  if (action === 'start') {
    if (!part.child) start(part);
    return 204;
  }
  if (action === 'signal' && part.child) {
    part.child.kill(signal as NodeJS.Signals);
    return 204;
  }
  return 409;
}

const status = () =>
  Object.fromEntries(
    [...parts].map(([name, { child, restarts, ended }]) => [name, { pid: child?.pid, restarts, ended }]),
  );

rmSync(control, { force: true });
createServer((request, response) => {
  if (request.method === 'GET') {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(status()));
  } else {
    response.writeHead(act(request.url ?? '')).end();
  }
}).listen(control);
