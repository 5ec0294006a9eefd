import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Logger } from '../../../lib/log.ts';
import type { Random } from '../../../lib/random.ts';
import type { Clock } from '../../../lib/time.ts';
import type { RpcConnection, RpcContext, WebSocketSession } from './local-method.ts';

export interface WebSocketLimits {
  readonly maxConnections: number;
  readonly maxMessageBytes: number;
  /** Messages of one connection answered at once; reading stops beyond it until one is done. */
  readonly maxInFlight: number;
  /** Pause between pings; a client that missed one whole pause is gone. */
  readonly heartbeatMs: number;
}

export interface WebSocketMetrics {
  connections(delta: 1 | -1): void;
  refused(reason: 'limit' | 'auth' | 'draining'): void;
}

export interface RpcWebSocketServer {
  /** For the HTTP server's `upgrade` event, when the path is this chain's. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Tells every client to go elsewhere (1001) and waits until all have closed, at most `deadlineMs`. */
  close(deadlineMs: number): Promise<void>;
  connections(): number;
}

/** RFC 6455 close codes. */
const GOING_AWAY = 1001;
const UNSUPPORTED_DATA = 1003;
const POLICY_VIOLATION = 1008;
const INTERNAL_ERROR = 1011;
/** A connection whose credential was revoked is closed this soon, even when it only listens. */
const RECHECK_MS = 1_000;
/** A closing client gets so long to answer before its socket is destroyed. */
const CLOSE_GRACE_MS = 2_000;
/** Close reasons are limited to 123 bytes by the protocol. */
const MAX_REASON_BYTES = 123;

const STATUS_TEXT: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  503: 'Service Unavailable',
};

function refuse(socket: Duplex, status: number, detail: string): void {
  const body = `${JSON.stringify({ status, title: STATUS_TEXT[status] ?? 'Refused', detail })}\n`;
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_TEXT[status] ?? 'Refused'}\r\ncontent-type: application/problem+json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}

/** JSON-RPC over WebSocket: each text message is a single call or a batch, answered as the HTTP front door would. */
export function createRpcWebSocketServer(deps: {
  /** The JSON-RPC front door: undefined when the message held notifications only. */
  answer(body: string, context: RpcContext): Promise<string | undefined>;
  /** Who is calling. Rejecting refuses the upgrade with the error's status (401 without one) and message. */
  authenticate(request: IncomingMessage): Promise<{ principal?: string; session?: WebSocketSession }>;
  limits: WebSocketLimits;
  metrics: WebSocketMetrics;
  clock: Clock;
  random: Random;
  log: Pick<Logger, 'warn' | 'info' | 'error'>;
}): RpcWebSocketServer {
  const { answer, authenticate, limits, metrics, clock, random, log } = deps;
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: limits.maxMessageBytes,
    perMessageDeflate: false,
    clientTracking: false,
  });
  const open = new Set<{ socket: WebSocket; connection: RpcConnection }>();
  let opening = 0;
  let draining = false;

  function createConnection(socket: WebSocket): RpcConnection {
    return {
      id: random.uuid(),
      bufferedBytes: () => socket.bufferedAmount,
      send(text) {
        if (socket.readyState === socket.OPEN) socket.send(text);
      },
      close(code, reason) {
        log.info({ code, reason }, 'closing a WebSocket client');
        socket.close(code, Buffer.from(reason).subarray(0, MAX_REASON_BYTES).toString('utf8'));
        // A client that does not read does not read the close either.
        const grace = clock.setTimeout(() => socket.terminate(), CLOSE_GRACE_MS);
        socket.once('close', () => grace.cancel());
      },
      onClose(listener) {
        if (socket.readyState === socket.CLOSED) listener();
        else socket.once('close', listener);
      },
    };
  }

  function serve(
    socket: WebSocket,
    principal: string | undefined,
    session: WebSocketSession | undefined,
  ): void {
    const connection = createConnection(socket);
    const entry = { socket, connection };
    const gone = new AbortController();
    let inFlight = 0;
    let alive = true;
    open.add(entry);
    metrics.connections(1);

    const heartbeat = clock.setInterval(() => {
      if (!alive) {
        socket.terminate();
        return;
      }
      alive = false;
      socket.ping();
    }, limits.heartbeatMs);
    const check = session?.principal.check;
    const recheck =
      check === undefined
        ? undefined
        : clock.setInterval(() => {
            const gone = check();
            if (gone !== undefined) connection.close(POLICY_VIOLATION, gone.message);
          }, RECHECK_MS);
    socket.on('pong', () => {
      alive = true;
    });

    async function onMessage(text: string): Promise<void> {
      const after: (() => void)[] = [];
      const context: RpcContext = {
        connection,
        requestId: random.uuid(),
        signal: gone.signal,
        ...(principal === undefined ? {} : { principal }),
        ...(session === undefined ? {} : { session }),
        afterAnswer: (listener) => void after.push(listener),
      };
      const reply = await answer(text, context);
      if (reply !== undefined) connection.send(reply);
      for (const listener of after) listener();
    }

    socket.on('message', (data, isBinary) => {
      alive = true;
      if (isBinary) {
        connection.close(UNSUPPORTED_DATA, 'JSON-RPC wants text messages');
        return;
      }
      inFlight += 1;
      if (inFlight >= limits.maxInFlight) socket.pause();
      onMessage(data.toString())
        .catch((error: unknown) => {
          if (gone.signal.aborted) return;
          // The front door answers every failure as JSON-RPC; anything else is a defect of ours.
          log.error({ err: error }, 'a WebSocket message could not be answered');
          connection.close(INTERNAL_ERROR, 'internal error');
        })
        .finally(() => {
          inFlight -= 1;
          if (socket.isPaused && inFlight < limits.maxInFlight) socket.resume();
        });
    });
    // Protocol errors (message too large, bad UTF-8) close the socket with their own code; `close` follows.
    socket.on('error', (error) =>
      log.info({ reason: error.message }, 'a WebSocket client broke the protocol'),
    );
    socket.on('close', () => {
      gone.abort(new Error('the WebSocket was closed'));
      heartbeat.cancel();
      recheck?.cancel();
      open.delete(entry);
      metrics.connections(-1);
    });
  }

  return {
    connections: () => open.size,
    upgrade(request, socket, head) {
      const onEarlyError = (): void => {
        socket.destroy();
      };
      socket.on('error', onEarlyError);
      if (draining) {
        metrics.refused('draining');
        refuse(socket, 503, 'the server is shutting down: connect again');
        return;
      }
      if (open.size + opening >= limits.maxConnections) {
        metrics.refused('limit');
        refuse(socket, 503, `at most ${limits.maxConnections} WebSocket connections`);
        return;
      }
      opening += 1;
      authenticate(request)
        .then(
          ({ principal, session }) => {
            socket.off('error', onEarlyError);
            server.handleUpgrade(request, socket, head, (upgraded) => serve(upgraded, principal, session));
          },
          (error: Error & { status?: number }) => {
            metrics.refused('auth');
            refuse(socket, error.status ?? 401, error.message);
          },
        )
        .finally(() => {
          opening -= 1;
        });
    },
    async close(deadlineMs) {
      draining = true;
      const closed = [...open].map(
        ({ socket, connection }) =>
          new Promise<void>((resolve) => {
            connection.onClose(resolve);
            socket.close(GOING_AWAY, 'the server is going away: connect again');
          }),
      );
      await Promise.race([Promise.all(closed), clock.sleep(closed.length === 0 ? 0 : deadlineMs)]);
      for (const { socket } of open) socket.terminate();
    },
  };
}
