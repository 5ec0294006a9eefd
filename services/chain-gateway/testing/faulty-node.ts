import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { keccak256 } from 'ethers';

/** Probabilities per request of a node that misbehaves. */
export interface NodeFaults {
  /** 503 instead of an answer. */
  unavailable: number;
  /** The request is carried out and the connection cut. */
  cutAfter: number;
  /** A broadcast is answered with its hash and forgotten. */
  swallow: number;
  /** A broadcast is answered with one of the errors that mean something else. */
  wrongError: number;
}

const WRONG_ERRORS = ['already known', 'nonce too low', 'replacement transaction underpriced'];

/** A proxy in front of a real node that fails in the ways in which providers fail. */
export async function startFaultyNode(
  target: string,
  faults: NodeFaults,
  float: () => number,
): Promise<{ url: string; faults: NodeFaults; down(ms: number): void; close(): void }> {
  let downUntil = 0;
  const ask = async (body: string): Promise<string> =>
    (await fetch(target, { method: 'POST', headers: { 'content-type': 'application/json' }, body })).text();
  const server = createServer((req, res) => {
    let body = '';
    req.on('data', (chunk) => {
      body += chunk;
    });
    req.on('end', async () => {
      if (Date.now() < downUntil || float() < faults.unavailable)
        return res.writeHead(503).end('unavailable');
      const call = JSON.parse(body) as { id: unknown; method: string; params: string[] };
      const broadcast = call.method === 'eth_sendRawTransaction';
      const answer = (payload: object) =>
        res
          .writeHead(200, { 'content-type': 'application/json' })
          .end(JSON.stringify({ jsonrpc: '2.0', id: call.id, ...payload }));
      if (broadcast && float() < faults.swallow) return answer({ result: keccak256(call.params[0] ?? '0x') });
      if (broadcast && float() < faults.wrongError) {
        // Said truly or falsely: the bytes may or may not have arrived.
        if (float() < 0.5) await ask(body).catch(() => undefined);
        return answer({
          error: { code: -32000, message: WRONG_ERRORS[Math.floor(float() * WRONG_ERRORS.length)] },
        });
      }
      try {
        const text = await ask(body);
        if (float() < faults.cutAfter) return res.destroy();
        return res.writeHead(200, { 'content-type': 'application/json' }).end(text);
      } catch {
        return res.writeHead(502).end('the node is away');
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    faults,
    down(ms) {
      downUntil = Date.now() + ms;
    },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
