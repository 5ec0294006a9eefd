import { timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Child } from './child.ts';
import { lastLines } from './parts/spawn.ts';
import type { StackState } from './state.ts';

/** What can be done to a child. `kill` is a crash (it is restarted), `stop` is on purpose (it is not). */
export const CHILD_ACTIONS = ['start', 'stop', 'restart', 'kill', 'pause', 'resume'] as const;
export type ChildAction = (typeof CHILD_ACTIONS)[number];

export interface ControlDeps {
  readonly token: string;
  readonly port: number;
  readonly children: ReadonlyMap<string, Child>;
  readonly state: () => StackState;
  /** Begins the shutdown of the whole stack. */
  readonly onStop: () => void;
}

export interface ControlApi {
  readonly url: string;
  close(): Promise<void>;
}

const sameToken = (given: string, token: string): boolean => {
  const [a, b] = [Buffer.from(given), Buffer.from(token)];
  return a.length === b.length && timingSafeEqual(a, b);
};

function answer(res: ServerResponse, status: number, body: unknown): void {
  res.writeHead(status, { 'content-type': 'application/json' });
  res.end(`${JSON.stringify(body, null, 2)}\n`);
}

async function act(child: Child, action: ChildAction): Promise<boolean> {
  switch (action) {
    case 'start':
      child.start();
      return true;
    case 'stop':
      await child.stop();
      return true;
    case 'restart':
      await child.stop();
      child.start();
      return true;
    case 'kill':
      return child.kill();
    case 'pause':
      return child.pause();
    case 'resume':
      return child.resume();
  }
}

/**
 * The supervisor's control over HTTP, for `make down`, the demo and the chaos tests. Loopback only, every request
 * with `Authorization: Bearer <control token>`.
 *
 *   GET  /v1/stack                            the state, with live child states
 *   POST /v1/stack/stop                       stops everything (202)
 *   GET  /v1/children/{name}/log?lines=50     the end of its log
 *   POST /v1/children/{name}/{action}         start, stop, restart, kill, pause, resume
 */
export async function startControlApi(deps: ControlDeps): Promise<ControlApi> {
  const handle = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const given = (req.headers.authorization ?? '').replace(/^Bearer /, '');
    if (!sameToken(given, deps.token)) {
      answer(res, 401, { code: 'unauthenticated', detail: 'send the token of stack.json as a Bearer token' });
      return;
    }
    const url = new URL(req.url ?? '/', 'http://control');
    const [version, kind, name, action] = url.pathname.slice(1).split('/');
    if (version === 'v1' && kind === 'stack') {
      if (req.method === 'GET' && name === undefined) {
        answer(res, 200, deps.state());
        return;
      }
      if (req.method === 'POST' && name === 'stop') {
        answer(res, 202, { stopping: true });
        deps.onStop();
        return;
      }
    }
    if (version === 'v1' && kind === 'children' && name !== undefined) {
      const child = deps.children.get(name);
      if (child === undefined) {
        const names = [...deps.children.keys()].join(', ');
        answer(res, 404, { code: 'not_found', detail: `there is no child ${name}; there are ${names}` });
        return;
      }
      if (req.method === 'GET' && action === 'log') {
        const lines = Number(url.searchParams.get('lines') ?? 50);
        answer(res, 200, { lines: lastLines(child.record().log, lines) });
        return;
      }
      if (req.method === 'POST' && (CHILD_ACTIONS as readonly string[]).includes(action ?? '')) {
        const done = await act(child, action as ChildAction);
        const detail = `${name} is ${child.state()}`;
        answer(res, done ? 200 : 409, done ? child.record() : { code: 'conflict', detail });
        return;
      }
    }
    answer(res, 404, {
      code: 'not_found',
      detail: `${req.method} ${url.pathname} is not part of the control API`,
    });
  };

  const server: Server = createServer((req, res) => {
    handle(req, res).catch((error: unknown) => answer(res, 500, { code: 'internal', detail: String(error) }));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(deps.port, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${deps.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A client of the control API of a running stack. */
export function createControlClient(state: Pick<StackState, 'control'>) {
  const call = async <T>(method: string, path: string): Promise<T> => {
    const response = await fetch(`${state.control.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${state.control.token}` },
      // A stop waits for the child to drain.
      signal: AbortSignal.timeout(40_000),
    });
    const body = (await response.json()) as T & { detail?: string };
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${body.detail ?? ''}`);
    return body;
  };
  return {
    state: () => call<StackState>('GET', '/v1/stack'),
    stopStack: () => call<unknown>('POST', '/v1/stack/stop'),
    child: (name: string, action: ChildAction) => call<unknown>('POST', `/v1/children/${name}/${action}`),
    log: (name: string, lines = 50) =>
      call<{ lines: string[] }>('GET', `/v1/children/${name}/log?lines=${lines}`),
  };
}
