import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import { NO_FAULTS } from './context.ts';
import type { StandInDaemon } from './daemon.ts';

const faultsSchema = z
  .strictObject({
    clockSkewMs: z.int(),
    blockSkew: z.int(),
    slowMs: z.int().min(0),
    failShare: z.number().min(0).max(1),
    loseAnswers: z.int().min(0),
    overloaded: z.boolean(),
    prepaid: z.boolean(),
    tokenLifeSeconds: z.int(),
    workers: z.int().min(1),
    workMs: z.int().min(0),
  })
  .partial();
const restartSchema = z.strictObject({ downMs: z.int().min(0).max(600_000).default(1_000) });
const forgetSchema = z.strictObject({ what: z.enum(['everything', 'secret']).default('everything') });
const claimSchema = z.strictObject({ channelId: z.coerce.bigint(), close: z.boolean().default(false) });

const ROUTES = [
  'GET /control',
  'PUT /control/faults',
  'DELETE /control/faults',
  'POST /control/restart',
  'POST /control/forget',
  'POST /control/claim',
];

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8');
  return text === '' ? {} : JSON.parse(text);
}

/** What the daemon is asked to do wrong, and what it has seen; on a port of its own, up while the daemon is down. */
export async function startControlServer(options: {
  daemon: StandInDaemon;
  host: string;
  port: number;
  /** Sends a claim to the contract, as the recipient. */
  claim(channelId: bigint, close: boolean): Promise<Record<string, unknown>>;
}): Promise<{ port: number; close(): Promise<void> }> {
  const { daemon } = options;
  const { context } = daemon;
  async function route(request: IncomingMessage): Promise<unknown> {
    const path = new URL(request.url ?? '/', 'http://control').pathname;
    switch (`${request.method} ${path}`) {
      case 'GET /control':
        return {
          endpoint: daemon.endpoint,
          faults: context.faults,
          counts: context.observed.counts,
          channels: context.storage.state.channels,
          usage: context.storage.state.usage,
          freeCalls: context.storage.state.freeCalls,
        };
      case 'PUT /control/faults':
        daemon.set(faultsSchema.parse(await readBody(request)) as Partial<typeof NO_FAULTS>);
        return context.faults;
      case 'DELETE /control/faults':
        daemon.set(NO_FAULTS);
        return context.faults;
      case 'POST /control/restart':
        await daemon.restart(restartSchema.parse(await readBody(request)).downMs);
        return { restarted: true };
      case 'POST /control/forget':
        daemon.forget(forgetSchema.parse(await readBody(request)).what);
        return { forgotten: true };
      case 'POST /control/claim': {
        const { channelId, close } = claimSchema.parse(await readBody(request));
        return options.claim(channelId, close);
      }
      default:
        return undefined;
    }
  }
  const server = createServer((request, response) => {
    const answer = (status: number, body: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(`${JSON.stringify(body, (_k, v) => (typeof v === 'bigint' ? v.toString() : v), 2)}\n`);
    };
    route(request).then(
      (body) =>
        body === undefined ? answer(404, { error: 'no such thing', routes: ROUTES }) : answer(200, body),
      (error: Error) =>
        answer(400, { error: error instanceof z.ZodError ? z.prettifyError(error) : error.message }),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
