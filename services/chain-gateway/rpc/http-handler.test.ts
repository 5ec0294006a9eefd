import { createServer, request as httpRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../lib/time.ts';
import { unlimitedPrincipal } from '../admission/principal.ts';
import { createVirtualGateway, VIRTUAL_CHAIN_ID, type VirtualGateway } from '../testing/virtual-gateway.ts';
import { createRpcHttpHandler, isRpcPath } from './http-handler.ts';

const MAX_BODY = 10_000;
let gateway: VirtualGateway;
let server: Server;
let port: number;

beforeAll(async () => {
  gateway = await createVirtualGateway();
  let requests = 0;
  const handler = createRpcHttpHandler({
    door: gateway.path.door,
    chainId: VIRTUAL_CHAIN_ID,
    maxBodyBytes: MAX_BODY,
    callTimeoutMs: 1_000,
    identify: (request) =>
      request.headers.authorization === 'Bearer wrong'
        ? { status: 401, message: 'no' }
        : { principal: unlimitedPrincipal('anonymous', 'test') },
    clock: systemClock,
    newRequestId: () => `made-${++requests}`,
    draining: () => false,
  });
  server = createServer(handler).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  port = (server.address() as AddressInfo).port;
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await gateway.close();
});

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

function send(
  path: string,
  body: string | undefined,
  headers: Record<string, string> = {},
  method = 'POST',
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port, path, method, headers }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
      );
    });
    request.on('error', reject);
    request.end(body);
  });
}
const CALL = '{"jsonrpc":"2.0","id":"é\\u00e9","method":"eth_chainId"}';

describe('JSON-RPC over HTTP', () => {
  it('answers with headers that tell how', async () => {
    const answer = await send(`/rpc/${VIRTUAL_CHAIN_ID}`, CALL, { 'x-request-id': 'mine-1234' });
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.body)).toEqual({ jsonrpc: '2.0', id: 'éé', result: '0x7a69' });
    expect(answer.headers).toMatchObject({
      'x-cache': 'local',
      'x-attempts': '0',
      'x-compute-units': '0',
      'x-request-id': 'mine-1234',
    });
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
  });

  it('makes a request id when the given one is not fit for a log', async () => {
    expect((await send('/rpc', CALL, { 'x-request-id': 'a b' })).headers['x-request-id']).toMatch(/^made-/);
  });

  it.each([
    [
      'another chain',
      '/rpc/5',
      'POST',
      {},
      404,
      'chain 5 is not served here; this gateway serves chain 31337',
    ],
    ['GET', '/rpc', 'GET', {}, 405, 'JSON-RPC over HTTP uses POST'],
    ['a wrong token', '/rpc', 'POST', { authorization: 'Bearer wrong' }, 401, 'no'],
  ])('refuses %s with a JSON-RPC error', async (_name, path, method, headers, status, message) => {
    const answer = await send(
      path,
      method === 'GET' ? undefined : CALL,
      headers as Record<string, string>,
      method,
    );
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.body)).toMatchObject({ jsonrpc: '2.0', id: null, error: { message } });
  });

  it('answers notifications with 204', async () => {
    expect(await send('/rpc', '{"jsonrpc":"2.0","method":"eth_chainId"}')).toMatchObject({
      status: 204,
      body: '',
    });
  });

  it('refuses a body that is announced as too large, and lets the client finish: it would not see the answer else', async () => {
    const answer = await send('/rpc', 'x'.repeat(MAX_BODY + 1), { 'content-length': String(MAX_BODY + 1) });
    expect(answer).toMatchObject({ status: 413 });
    expect(answer.headers.connection).not.toBe('close');
  });

  it('cuts off a body that turns out too large, without waiting for its end', async () => {
    const socket = connect(port, '127.0.0.1');
    const answer = new Promise<string>((resolve) => {
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk;
        if (text.includes('}')) resolve(text);
      });
    });
    socket.on('error', () => undefined);
    socket.write('POST /rpc HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n');
    for (let i = 0; i < 3; i++) socket.write(`1388\r\n${'x'.repeat(5_000)}\r\n`);
    expect(await answer).toMatch(/^HTTP\/1\.1 413 [\s\S]*the body may have at most 10000 bytes/);
    socket.destroy();
  });

  it('knows which paths are its own', () => {
    expect(['/rpc', '/rpc/', '/rpc/1', '/rpc/1?x=y', '/rpc/1/'].map(isRpcPath)).toEqual([
      true,
      true,
      true,
      true,
      true,
    ]);
    expect(['/', '/rpcx', '/v1/rpc', '/rpc/1/2', undefined].map(isRpcPath)).toEqual([
      false,
      false,
      false,
      false,
      false,
    ]);
  });
});
