import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Clock } from '../../lib/time.ts';
import type { Stats } from './stats.ts';
import type { Delivery, Upstream } from './upstream.ts';

/** Larger bodies are refused: nodes have a limit as well. */
const MAX_BODY_BYTES = 10_000_000;

export interface RpcServer {
  readonly port: number;
  /** Refuses new connections and resets the open ones. Safe to call when down. */
  down(): Promise<void>;
  /** Listens again on the same port. Safe to call when up. */
  up(): Promise<void>;
  isUp(): boolean;
}

/** Carries deliveries out over HTTP and WebSocket, on one port and any path. */
export async function startRpcServer(deps: {
  host: string;
  port: number;
  upstream: Upstream;
  stats: Stats;
  clock: Clock;
  onWebSocket: (socket: WebSocket) => void;
}): Promise<RpcServer> {
  const { host, upstream, stats, clock, onWebSocket } = deps;
  let port = deps.port;
  let server: Server | undefined;
  const sockets = new Set<Socket>();
  const webSockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_BODY_BYTES,
    perMessageDeflate: false,
  });

  function writeSlowly(
    response: ServerResponse,
    body: Buffer,
    drip: { chunkBytes: number; intervalMs: number },
  ): void {
    let offset = 0;
    const step = (): void => {
      if (response.destroyed) return;
      const next = Math.min(body.length, offset + drip.chunkBytes);
      response.write(body.subarray(offset, next));
      offset = next;
      if (offset >= body.length) response.end();
      else clock.setTimeout(step, drip.intervalMs);
    };
    step();
  }

  function carryOut(delivery: Delivery, response: ServerResponse): void {
    if (response.destroyed) return;
    if (delivery.kind === 'hang') return;
    if (delivery.kind === 'reset') {
      response.socket?.resetAndDestroy();
      return;
    }
    const { body } = delivery;
    stats.sent(body.length);
    if (delivery.resetAfter !== undefined) {
      response.writeHead(delivery.status, { ...delivery.headers, 'content-length': body.length });
      response.write(body.subarray(0, delivery.resetAfter), () => response.socket?.resetAndDestroy());
      return;
    }
    if (delivery.truncateTo !== undefined) {
      // The length says the short body is all there is: HTTP is intact, the JSON is not.
      response.writeHead(delivery.status, { ...delivery.headers, 'content-length': delivery.truncateTo });
      response.end(body.subarray(0, delivery.truncateTo));
      return;
    }
    response.writeHead(delivery.status, { ...delivery.headers, 'content-length': body.length });
    if (delivery.drip !== undefined) writeSlowly(response, body, delivery.drip);
    else response.end(body);
  }

  function onRequest(request: IncomingMessage, response: ServerResponse): void {
    if (request.method !== 'POST') {
      response.writeHead(405, { allow: 'POST', 'content-type': 'text/plain' });
      response.end('JSON-RPC wants POST or a WebSocket upgrade.\n');
      return;
    }
    const gone = new AbortController();
    const chunks: Buffer[] = [];
    let size = 0;
    stats.flight(1);
    response.once('close', () => {
      stats.flight(-1);
      if (response.writableFinished) return;
      stats.abandoned();
      gone.abort();
    });
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= MAX_BODY_BYTES) chunks.push(chunk);
    });
    request.on('end', () => {
      if (size > MAX_BODY_BYTES) {
        response.writeHead(413, { 'content-type': 'text/plain' });
        response.end('request body too large\n');
        return;
      }
      const body = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
      upstream.exchange(body, 'http', gone.signal).then(
        (delivery) => carryOut(delivery, response),
        (error: Error) => {
          if (gone.signal.aborted || response.destroyed) return;
          response.writeHead(502, { 'content-type': 'text/plain' });
          response.end(`the node behind this simulator did not answer: ${error.message}\n`);
        },
      );
    });
  }

  function listen(): Promise<void> {
    const next = createServer({ keepAliveTimeout: 120_000, requestTimeout: 0, noDelay: true }, onRequest);
    next.on('connection', (socket) => {
      sockets.add(socket);
      stats.connection(1);
      socket.on('close', () => {
        sockets.delete(socket);
        stats.connection(-1);
      });
    });
    next.on('upgrade', (request, socket, head) =>
      webSockets.handleUpgrade(request, socket, head, onWebSocket),
    );
    return new Promise((resolve, reject) => {
      next.once('error', reject);
      next.listen(port, host, () => {
        next.off('error', reject);
        port = (next.address() as AddressInfo).port;
        server = next;
        resolve();
      });
    });
  }

  await listen();
  return {
    get port() {
      return port;
    },
    isUp: () => server !== undefined,
    async down() {
      const closing = server;
      if (closing === undefined) return;
      server = undefined;
      const closed = new Promise<void>((resolve) => closing.close(() => resolve()));
      for (const socket of sockets) socket.resetAndDestroy();
      await closed;
    },
    async up() {
      if (server === undefined) await listen();
    },
  };
}
