import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { leaving } from '../leaving.ts';
import type { Logger } from '../log.ts';
import type { Clock } from '../time.ts';

export interface RunningServer {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly server: Server;
  /** Stops accepting, lets requests in flight finish for at most `deadlineMs`, then cuts what is left. */
  close(deadlineMs: number): Promise<void>;
}

/** Header and request timeouts stop slow clients from holding sockets (RFC 9112 leaves them to the server). */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 60_000;
/** Longer than the idle timeout of common load balancers (60 s), so that they close first and never race us. */
const KEEP_ALIVE_TIMEOUT_MS = 65_000;

/**
 * @throws Error with the next step when the port is taken or the address is not ours.
 */
export async function startServer(options: {
  listener: RequestListener;
  host: string;
  port: number;
  log: Logger;
  clock: Clock;
}): Promise<RunningServer> {
  const { listener, host, port, log, clock } = options;
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    },
    listener,
  );
  // Before the listener, whatever it is: Express, the raw JSON-RPC path, a second port for metrics.
  server.prependListener('request', (_request, response) => {
    if (leaving.aborted) response.setHeader('connection', 'close');
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
    server.listen(port, host, resolve);
  });
  const actual = (server.address() as AddressInfo).port;
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${actual}`;
  log.info({ url }, 'listening');
  return {
    url,
    host,
    port: actual,
    server,
    close: (deadlineMs) =>
      new Promise((resolve) => {
        const deadline = clock.setTimeout(() => {
          log.warn({ deadlineMs }, 'cutting the connections that did not finish in time');
          server.closeAllConnections();
        }, deadlineMs);
        server.close(() => {
          deadline.cancel();
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  if (error.code === 'EADDRINUSE') {
    return new Error(
      `port ${port} on ${host} is taken by another program; stop it or set PORT to a free one`,
      { cause: error },
    );
  }
  if (error.code === 'EACCES')
    return new Error(`no permission to listen on port ${port}; use one above 1023`, { cause: error });
  if (error.code === 'EADDRNOTAVAIL')
    return new Error(`${host} is not an address of this machine; set HOST`, { cause: error });
  return error;
}
