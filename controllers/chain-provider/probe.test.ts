import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../lib/time.ts';
import { createProbe } from './probe.ts';
import { providerSpecSchema } from './types.ts';

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

type Answer =
  | { result: unknown }
  | { error: { code: number; message: string } }
  | { raw: string; status?: number }
  | 'silence';
async function provider(answer: (method: string, params: unknown[]) => Answer): Promise<string> {
  server = createServer(async (req, res) => {
    let body = '';
    for await (const chunk of req) body += chunk;
    const { method, params } = JSON.parse(body) as { method: string; params: unknown[] };
    const said = answer(method, params);
    if (said === 'silence') return;
    if ('raw' in said) res.writeHead(said.status ?? 200).end(said.raw);
    else res.end(JSON.stringify({ jsonrpc: '2.0', id: 1, ...said }));
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v2/secret-key`;
}
const spec = (overrides: object = {}) =>
  providerSpecSchema.parse({
    chainId: 1,
    endpointSecretRef: { name: 's' },
    probe: { timeoutMilliseconds: 300 },
    ...overrides,
  });
const probe = createProbe({ clock: systemClock });
const well = (method: string): Answer =>
  method === 'eth_chainId'
    ? { result: '0x1' }
    : method === 'eth_blockNumber'
      ? { result: '0x64' }
      : method === 'web3_clientVersion'
        ? { result: 'Geth/v1' }
        : { result: null };

describe('a probe', () => {
  it('finds chain, head and software', async () => {
    expect(await probe(await provider(well), spec())).toMatchObject({
      ok: true,
      chainId: 1,
      head: 100,
      clientVersion: 'Geth/v1',
      missingMethods: [],
    });
  });

  it('finds out that history and methods are missing', async () => {
    const url = await provider((method) =>
      method === 'eth_getBalance'
        ? { error: { code: -32000, message: 'missing trie node' } }
        : method === 'trace_block'
          ? { error: { code: -32601, message: 'the method does not exist' } }
          : method === 'debug_traceCall'
            ? { error: { code: -32602, message: 'missing params' } }
            : well(method),
    );
    const result = await probe(
      url,
      spec({
        archive: true,
        probe: { methods: ['trace_block', 'debug_traceCall'], timeoutMilliseconds: 300 },
      }),
    );
    expect(result).toMatchObject({ ok: true, archive: false, missingMethods: ['trace_block'] });
  });

  it.each<[string, (method: string) => Answer, string]>([
    ['silence', () => 'silence', 'no answer in time'],
    ['HTML', () => ({ raw: '<html>', status: 502 }), 'eth_blockNumber: HTTP 502 without JSON'],
    ['nonsense', () => ({ result: 'block one' }), 'the answer is not what JSON-RPC promises'],
    [
      'an error',
      () => ({ error: { code: -32005, message: 'daily limit reached' } }),
      'eth_blockNumber: daily limit reached (-32005)',
    ],
  ])('takes %s as a failure with a reason', async (_what, answer, message) => {
    expect(await probe(await provider(answer), spec())).toEqual({ ok: false, error: message });
  });

  it('never shows the URL, which carries the key', async () => {
    const result = await probe('http://127.0.0.1:1/v2/secret-key', spec());
    expect(JSON.stringify(result)).not.toContain('secret-key');
    expect(result).toMatchObject({ ok: false, error: expect.stringContaining('ECONNREFUSED') });
  });
});
