import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { openEventStream } from './event-stream.ts';
import { createHttpClient } from './http-client.ts';

let server: Server | undefined;
const signal = new AbortController().signal;

async function serve(listener: RequestListener): Promise<string> {
  server = createServer(listener);
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

describe('createHttpClient', () => {
  it('sends JSON, token and key, and reads JSON back', async () => {
    const baseUrl = await serve((req, res) => {
      res.writeHead(201, { 'content-type': 'application/problem+json' });
      res.end(JSON.stringify({ url: req.url, ...req.headers }));
    });
    const { body } = await createHttpClient({ baseUrl, service: 'api', signal }).post('/v1/x', {
      query: { a: '1' },
      body: {},
      token: 't',
      idempotencyKey: 'k',
    });
    expect(body).toMatchObject({
      url: '/v1/x?a=1',
      authorization: 'Bearer t',
      'idempotency-key': 'k',
      'content-type': 'application/json',
    });
  });

  it('fails with what was expected, what came and whose log to read', async () => {
    const baseUrl = await serve((_req, res) => res.writeHead(500).end('boom'));
    const client = createHttpClient({ baseUrl, service: 'api', signal });
    await expect(client.get('/x', { expect: [200, 404] })).rejects.toMatchObject({
      expected: 'GET /x to answer 200 or 404',
      seen: '500 "boom"'.replaceAll('"', ''),
      service: 'api',
    });
    expect((await client.get('/x', { expect: 500 })).body).toBe('boom');
  });

  it('says that nobody answers', async () => {
    const baseUrl = await serve(() => undefined);
    server?.close();
    server?.closeAllConnections();
    await expect(createHttpClient({ baseUrl, service: 'user', signal }).get('/x')).rejects.toMatchObject({
      expected: 'GET /x to be answered by user',
      seen: expect.stringMatching(/ECONNREFUSED/),
    });
  });
});

describe('openEventStream', () => {
  const open = (url: string) => openEventStream({ url, token: 't', service: 'user', signal });
  const wait = { expected: 'b', withinMs: 200, signal };

  it('finds events that came before and after it was asked', async () => {
    const url = await serve((_req, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.write('event: a\ndata: {"n":1}\n\n');
      setTimeout(() => res.write('event: b\ndata: {"n":2}\n\n'), 30);
    });
    const stream = await open(url);
    expect((await stream.waitFor(wait, (event) => event.event === 'b')).json).toEqual({ n: 2 });
    expect((await stream.waitFor(wait, (event) => event.event === 'a')).json).toEqual({ n: 1 });
    stream.close();
  });

  it('tells what did come when the wanted event does not', async () => {
    const url = await serve((_req, res) => {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.write('event: a\ndata: x\n\n');
    });
    const stream = await open(url);
    await expect(stream.waitFor(wait, (event) => event.event === 'b')).rejects.toMatchObject({
      seen: '1 events: a x',
    });
    stream.close();
  });

  it('does not wait for a stream that has ended', async () => {
    const url = await serve((_req, res) => res.writeHead(200, { 'content-type': 'text/event-stream' }).end());
    const stream = await open(url);
    await expect(stream.waitFor({ ...wait, withinMs: 60_000 }, () => false)).rejects.toMatchObject({
      seen: expect.stringMatching(/server ended the stream/),
    });
  });

  it('refuses an answer that is no stream', async () => {
    const url = await serve((_req, res) => res.writeHead(401).end('who?'));
    await expect(open(url)).rejects.toMatchObject({ seen: '401 : who?' });
  });
});
