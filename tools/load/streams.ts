import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type EventStream, openEventStream } from '../demo/event-stream.ts';
import { rpcCall } from '../stack/parts/anvil.ts';
import type { LoadPerson } from './people.ts';

/** Holds the notification streams of some people open, as their apps do, and tells k6 when an event came. */
export interface Streams {
  readonly url: string;
  close(): Promise<void>;
}

interface Receipt {
  readonly blockNumber: string;
}

/** Epoch milliseconds of the block of a transaction; a block's time has whole seconds, rounded down. */
async function blockTimeMs(rpcUrl: string, hash: string): Promise<number> {
  const receipt = await rpcCall<Receipt>(rpcUrl, 'eth_getTransactionReceipt', [hash]);
  const block = await rpcCall<{ timestamp: string }>(rpcUrl, 'eth_getBlockByNumber', [
    receipt.blockNumber,
    false,
  ]);
  return Number(block.timestamp) * 1000;
}

function answer(res: ServerResponse, status: number, body: unknown): void {
  res.writeHead(status, { 'content-type': 'application/json' });
  res.end(JSON.stringify(body));
}

/**
 * `GET /arrived?address=0x…&hash=0x…&withinMs=…` answers 200 with the delay from the block to the event, or 404 when
 * the event did not come in time. Throws when a stream cannot be opened.
 */
export async function openStreams(options: {
  userUrl: string;
  rpcUrl: string;
  people: readonly LoadPerson[];
}): Promise<Streams> {
  const stopping = new AbortController();
  const streams = new Map<string, EventStream>();
  await Promise.all(
    options.people.map(async ({ address, accessToken }) => {
      const url = `${options.userUrl}/v1/notifications/stream`;
      streams.set(
        address.toLowerCase(),
        await openEventStream({ url, token: accessToken, service: 'user', signal: stopping.signal }),
      );
    }),
  );
  const server = createServer(async (req, res) => {
    try {
      const { searchParams } = new URL(req.url ?? '/', 'http://streams');
      const stream = streams.get((searchParams.get('address') ?? '').toLowerCase());
      const hash = searchParams.get('hash') ?? '';
      const withinMs = Number(searchParams.get('withinMs'));
      if (stream === undefined) return answer(res, 400, { detail: 'nobody of that address listens' });
      const event = await stream
        .waitFor({ expected: hash, withinMs, signal: stopping.signal }, ({ json }) =>
          Boolean(json?.data?.transactionHash === hash),
        )
        .catch(() => undefined);
      if (event === undefined) return answer(res, 404, { detail: `no notification of ${hash}` });
      const delayMs = Math.max(0, event.receivedAt - (await blockTimeMs(options.rpcUrl, hash)));
      return answer(res, 200, { delayMs });
    } catch (error) {
      return answer(res, 500, { detail: String(error) });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      stopping.abort();
      for (const stream of streams.values()) stream.close();
      await new Promise((resolve) => server.close(resolve).closeAllConnections());
    },
  };
}
