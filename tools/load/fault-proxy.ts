import { createServer, request as forward, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** What a build could do wrong, injected between k6 and a service that does nothing wrong. */
export interface ProxyFaults {
  /** Every Nth GET is answered with 500: 100 is an error rate of 1 %. */
  readonly errorEvery?: number;
  /** Added to every answer, milliseconds. */
  readonly latencyMs?: number;
  /** Every stream loses its first notification, with all its later stages. */
  readonly loseNotification?: boolean;
}

export interface FaultProxy {
  readonly url: string;
  /** Requests that went through, and faults that struck. */
  readonly counts: { requests: number; struck: number };
  set(faults: ProxyFaults): void;
  close(): Promise<void>;
}

/** Answers of the real service are small; a larger body means that the proxy is used for what it is not. */
const MAX_BODY_BYTES = 1024 * 1024;

/** Passes whole SSE frames on, except those of the first transaction: an event comes again with every stage. */
function swallowOne(res: ServerResponse, onStruck: () => void): (chunk: Buffer) => void {
  let buffered = '';
  let lost: string | undefined;
  return (chunk) => {
    buffered += chunk.toString();
    for (let end = buffered.indexOf('\n\n'); end !== -1; end = buffered.indexOf('\n\n')) {
      const frame = buffered.slice(0, end + 2);
      buffered = buffered.slice(end + 2);
      const hash = /"transactionHash":"(0x[0-9a-f]+)"/.exec(frame)?.[1];
      lost ??= hash;
      if (hash !== undefined && hash === lost) onStruck();
      else res.write(frame);
    }
  };
}

/** A reverse proxy on a free port of 127.0.0.1, for tests that must see a verdict turn red. */
export async function startFaultProxy(upstream: string): Promise<FaultProxy> {
  const { hostname, port } = new URL(upstream);
  const counts = { requests: 0, struck: 0 };
  let faults: ProxyFaults = {};
  let gets = 0;

  const handle = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    counts.requests += 1;
    const isStream = (req.url ?? '').includes('/stream');
    const isTransfer = (req.url ?? '').startsWith('/v1/transactions');
    const { errorEvery, latencyMs = 0, loseNotification } = faults;
    if (
      req.method === 'GET' &&
      !isStream &&
      !isTransfer &&
      errorEvery !== undefined &&
      ++gets % errorEvery === 0
    ) {
      counts.struck += 1;
      res.writeHead(500, { 'content-type': 'application/problem+json' });
      res.end('{"code":"internal"}');
      return;
    }
    if (latencyMs > 0 && !isStream) {
      counts.struck += 1;
      await sleep(latencyMs);
    }
    const body: Buffer[] = [];
    let size = 0;
    for await (const chunk of req as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > MAX_BODY_BYTES) {
        res.writeHead(413).end();
        return;
      }
      body.push(chunk);
    }
    const headers = { ...req.headers, host: `${hostname}:${port}` };
    const onward = forward({ hostname, port, method: req.method, path: req.url, headers }, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers);
      if (isStream && loseNotification) {
        answer.on(
          'data',
          swallowOne(res, () => {
            counts.struck += 1;
          }),
        );
        answer.on('end', () => res.end());
      } else answer.pipe(res);
    });
    onward.on('error', () => {
      if (!res.headersSent) res.writeHead(502);
      res.end();
    });
    res.on('close', () => onward.destroy());
    onward.end(Buffer.concat(body));
  };

  const server = createServer((req, res) => {
    handle(req, res).catch(() => res.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    counts,
    set: (next) => {
      faults = next;
      gets = 0;
    },
    close: () => new Promise((resolve) => void server.close(() => resolve()).closeAllConnections()),
  };
}
