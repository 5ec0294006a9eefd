import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ZodError, z } from 'zod';
import type { FaultEngine } from './fault-engine.ts';
import { describeFaultProblems, type FaultInput } from './faults.ts';
import { parseScenario, type ScenarioRunner } from './scenario.ts';
import type { Stats } from './stats.ts';

const MAX_BODY_BYTES = 1_000_000;

export interface ControlActions {
  down(): Promise<void>;
  up(): Promise<void>;
  isUp(): boolean;
  mine(blocks: number): Promise<void>;
  reorg(depth: number): Promise<void>;
  describe(): Record<string, unknown>;
}

class BadRequest extends Error {
  readonly problems: readonly string[];
  constructor(message: string, problems: readonly string[] = []) {
    super(message);
    this.problems = problems;
  }
}

const ROUTES = [
  'GET /control',
  'GET|PUT|POST|DELETE /control/faults',
  'PUT|POST /control/down',
  'PUT|POST /control/up',
  'GET|DELETE /control/stats',
  'GET /control/calls',
  'GET|PUT|DELETE /control/scenario',
  'POST /control/chain/mine',
  'POST /control/chain/reorg',
];

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new BadRequest(`body larger than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text === '' ? '{}' : text);
  } catch (cause) {
    throw new BadRequest(`not JSON: ${(cause as Error).message}`);
  }
}

/** A list of faults, one fault, or `{ "faults": [...] }`. */
function faultsOf(body: unknown): FaultInput[] {
  if (Array.isArray(body)) return body as FaultInput[];
  const { faults } = (body ?? {}) as { faults?: FaultInput[] };
  return Array.isArray(faults) ? faults : [body as FaultInput];
}

const blocksSchema = z.strictObject({ blocks: z.int().min(1).max(10_000).default(1) });
const depthSchema = z.strictObject({ depth: z.int().min(1).max(64) });

/** The control API, on a port of its own so that it answers while the RPC side is down. */
export async function startControlServer(deps: {
  host: string;
  port: number;
  faults: FaultEngine;
  stats: Stats;
  scenario: ScenarioRunner;
  actions: ControlActions;
}): Promise<{ port: number; close(): Promise<void> }> {
  const { faults, stats, scenario, actions } = deps;

  async function route(request: IncomingMessage, url: URL): Promise<unknown> {
    const write = request.method === 'PUT' || request.method === 'POST';
    const path = url.pathname.replace(/\/$/, '');
    switch (path) {
      case '/livez':
      case '/readyz':
        return { status: 'ok' };
      case '/control':
        return {
          ...actions.describe(),
          up: actions.isUp(),
          faults: faults.list(),
          scenario: scenario.status(),
          routes: ROUTES,
        };
      case '/control/faults': {
        const id = url.searchParams.get('id');
        if (request.method === 'PUT') faults.set(faultsOf(parseJson(await readText(request))));
        else if (request.method === 'POST') faults.add(faultsOf(parseJson(await readText(request))));
        else if (request.method === 'DELETE') id === null ? faults.clear() : faults.remove([id]);
        return { faults: faults.list() };
      }
      case '/control/down':
      case '/control/up':
        if (!write) throw new BadRequest(`${path} wants POST`);
        await (path === '/control/down' ? actions.down() : actions.up());
        return { up: actions.isUp() };
      case '/control/stats':
        if (request.method === 'DELETE') stats.reset();
        return stats.snapshot();
      case '/control/calls':
        return { calls: stats.recorded() };
      case '/control/scenario':
        if (request.method === 'DELETE') scenario.stop();
        else if (write) {
          const text = await readText(request);
          try {
            scenario.start(parseScenario(text));
          } catch (error) {
            throw new BadRequest((error as Error).message);
          }
        }
        return { scenario: scenario.status() };
      case '/control/chain/mine':
        await actions.mine(blocksSchema.parse(parseJson(await readText(request))).blocks);
        return actions.describe();
      case '/control/chain/reorg':
        await actions.reorg(depthSchema.parse(parseJson(await readText(request))).depth);
        return actions.describe();
      default:
        return undefined;
    }
  }

  function reply(response: ServerResponse, status: number, body: unknown): void {
    const text = `${JSON.stringify(body, null, 2)}\n`;
    response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
    });
    response.end(text);
  }

  const server: Server = createServer((request, response) => {
    route(request, new URL(request.url ?? '/', 'http://control')).then(
      (body) =>
        body === undefined
          ? reply(response, 404, { error: `no route ${request.method} ${request.url}`, routes: ROUTES })
          : reply(response, 200, body),
      (error: Error) => {
        if (error instanceof ZodError)
          reply(response, 400, { error: 'refused; nothing changed', problems: describeFaultProblems(error) });
        else if (error instanceof BadRequest) reply(response, 400, { error: error.message });
        else reply(response, 500, { error: error.message });
      },
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(deps.port, deps.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
