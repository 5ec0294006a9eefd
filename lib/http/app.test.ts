import { request } from 'node:http';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { currentContext } from '../context.ts';
import { AppError } from '../errors.ts';
import { createLogger } from '../log.ts';
import { createMetrics } from '../metrics.ts';
import { systemRandom } from '../random.ts';
import { systemClock } from '../time.ts';
import { createHttpApp } from './app.ts';
import { defineRoute, reply, stream } from './route.ts';
import { type RunningServer, startServer } from './server.ts';
import { openEventStream } from './sse.ts';

let databaseIsUp = true;
let guarded = 0;
const logs: string[] = [];

const routes = [
  defineRoute({
    method: 'post',
    path: '/v1/things/{id}',
    operationId: 'createThing',
    summary: 'Create a thing',
    tags: ['things'],
    auth: ['public'],
    params: z.strictObject({ id: z.uuid() }),
    query: z.strictObject({ dryRun: z.stringbool().optional() }),
    body: z.strictObject({
      name: z.string().min(1).max(10),
      tags: z.array(z.strictObject({ colour: z.enum(['red', 'green']) })).optional(),
    }),
    responses: { 201: { description: 'Created', schema: z.strictObject({ name: z.string() }) } },
    errors: [],
    handler: ({ body }) => reply(201, { name: body.name }),
  }),
  defineRoute({
    method: 'get',
    path: '/v1/things/special',
    operationId: 'getSpecial',
    summary: 'Needs a service token',
    tags: ['things'],
    auth: ['service'],
    scopes: ['things:read'],
    responses: { 200: { description: 'OK' } },
    errors: [],
    handler: () => reply(200, { requestId: currentContext()?.requestId, traceId: currentContext()?.traceId }),
  }),
  defineRoute({
    method: 'get',
    path: '/v1/boom',
    operationId: 'boom',
    summary: 'Fails',
    tags: ['things'],
    auth: ['public'],
    responses: { 200: { description: 'OK' } },
    errors: [],
    handler: () => {
      throw new Error('secret detail postgres://app:hunter2@db/x');
    },
  }),
  defineRoute({
    method: 'get',
    path: '/v1/wrong-answer',
    operationId: 'wrongAnswer',
    summary: 'Breaks its own promise',
    tags: ['things'],
    auth: ['public'],
    responses: { 200: { description: 'OK', schema: z.strictObject({ n: z.number() }) } },
    errors: [],
    handler: () => reply(200, { n: 'one' }),
  }),
  defineRoute({
    method: 'get',
    path: '/v1/slow',
    operationId: 'slow',
    summary: 'Never ends',
    tags: ['things'],
    auth: ['public'],
    timeoutMs: 50,
    responses: { 200: { description: 'OK' } },
    errors: [],
    handler: ({ signal }) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  }),
  defineRoute({
    method: 'get',
    path: '/v1/stream',
    operationId: 'streamThings',
    summary: 'Streams',
    tags: ['things'],
    auth: ['public'],
    timeoutMs: 0,
    responses: { 200: { description: 'Events', contentType: 'text/event-stream' } },
    errors: [],
    handler: ({ req, res }) =>
      stream(() => {
        const events = openEventStream(req, res, { clock: systemClock });
        events.send({ id: '1', event: 'thing', data: { text: 'two\nlines' } });
        events.close();
      }),
  }),
];

let server: RunningServer;
let setDraining: () => void;

beforeAll(async () => {
  const log = createLogger({
    service: 'test',
    destination: new Writable({
      write: (chunk, _encoding, done) => {
        logs.push(String(chunk));
        done();
      },
    }),
  });
  const built = createHttpApp({
    service: 'test',
    version: '1.0.0',
    log,
    metrics: createMetrics({ service: 'test', processMetrics: false }),
    clock: systemClock,
    random: systemRandom(systemClock),
    routes,
    openapi: { title: 'Test', version: '1.0.0', description: 'A test' },
    bodyLimitBytes: 1_000,
    authenticate: {
      service: async (req) => {
        if (req.get('authorization') === 'Bearer good')
          return { kind: 'service', id: 'api', scopes: new Set(['things:read']) };
        if (req.get('authorization') === 'Bearer weak')
          return { kind: 'service', id: 'api', scopes: new Set() };
        if (req.get('authorization')) throw new AppError('invalid_token', 'no');
        return undefined;
      },
    },
    readiness: [
      {
        name: 'postgres',
        check: async () => {
          if (!databaseIsUp) throw new Error('connection refused');
        },
      },
    ],
    guard: async () => void guarded++,
  });
  setDraining = built.setDraining;
  server = await startServer({ listener: built.app, host: '127.0.0.1', port: 0, log, clock: systemClock });
});
afterAll(() => server.close(100));

const call = async (path: string, init: RequestInit = {}) => {
  const response = await fetch(server.url + path, init);
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: () => JSON.parse(text) };
};
const post = (path: string, body: string, type = 'application/json') =>
  call(path, { method: 'POST', body, headers: { 'content-type': type } });
const ID = '018f3f6e-7d55-7c3e-9d3b-2f1d6a1b2c3d';

describe('createHttpApp', () => {
  it('answers a valid request with the promised body and security headers', async () => {
    const answer = await post(`/v1/things/${ID}?dryRun=true`, '{"name":"a"}');
    expect([answer.status, answer.json()]).toEqual([201, { name: 'a' }]);
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(answer.headers.get('x-powered-by')).toBeNull();
    expect(guarded).toBeGreaterThan(0);
  });

  it.each([
    ['malformed JSON', () => post(`/v1/things/${ID}`, '{"name":'), 400, 'malformed_json'],
    [
      'a body over the limit',
      () => post(`/v1/things/${ID}`, JSON.stringify({ name: 'x'.repeat(2_000) })),
      413,
      'body_too_large',
    ],
    [
      'another content type',
      () => post(`/v1/things/${ID}`, 'name=a', 'text/plain'),
      415,
      'unsupported_media_type',
    ],
    ['no body', () => call(`/v1/things/${ID}`, { method: 'POST' }), 400, 'invalid_request'],
    ['an unknown path', () => call('/v1/nothing'), 404, 'not_found'],
    ['another method', () => call(`/v1/things/${ID}`, { method: 'DELETE' }), 405, 'method_not_allowed'],
    ['no credentials', () => call('/v1/things/special'), 401, 'unauthenticated'],
    [
      'bad credentials',
      () => call('/v1/things/special', { headers: { authorization: 'Bearer bad' } }),
      401,
      'invalid_token',
    ],
    [
      'a missing scope',
      () => call('/v1/things/special', { headers: { authorization: 'Bearer weak' } }),
      403,
      'insufficient_scope',
    ],
    ['a handler that hangs', () => call('/v1/slow'), 504, 'deadline_exceeded'],
    ['a percent sign that is none', () => call('/v1/things/%zz'), 400, 'invalid_request'],
  ])('answers %s with a problem', async (_what, send, status, code) => {
    const answer = await send();
    expect([answer.status, answer.json().code]).toEqual([status, code]);
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(answer.json().requestId).toBe(answer.headers.get('x-request-id'));
  });

  it('names every wrong field, the rule, the shape of the value, and the nearest right name', async () => {
    const answer = await post('/v1/things/not-a-uuid?dryrun=1', '{"nam":"a","tags":[{"colour":"blue"}]}');
    expect(answer.json().errors[0].pointer).toBe('{id}');
    const query = await post(`/v1/things/${ID}?dryrun=1`, '{"name":"a"}');
    expect(query.json().errors[0]).toEqual({
      pointer: '?dryrun',
      rule: 'unknown',
      detail: 'There is no query parameter of this name; did you mean "dryRun"?',
    });
    const body = await post(`/v1/things/${ID}`, '{"nam":"a","tags":[{"colour":"blue"}]}');
    const pointers = body
      .json()
      .errors.map((e: { pointer: string; rule: string }) => `${e.pointer} ${e.rule}`);
    expect(pointers).toEqual(
      expect.arrayContaining(['/name required', '/nam unknown', '/tags/0/colour value']),
    );
  });

  it('refuses query parameters on a route that has none', async () => {
    const answer = await call('/v1/boom?x=1');
    expect(answer.json()).toMatchObject({
      code: 'invalid_request',
      errors: [{ pointer: '?x', rule: 'unknown' }],
    });
  });

  it('tells the caller nothing of an unexpected error, and the log everything but secrets', async () => {
    logs.length = 0;
    const answer = await call('/v1/boom');
    expect(answer.status).toBe(500);
    expect(answer.text).not.toMatch(/secret|hunter2|at /);
    expect(logs.join('')).toContain('secret detail');
    expect(logs.join('')).not.toContain('hunter2');
  });

  it('does not send a body that breaks its own schema', async () => {
    expect((await call('/v1/wrong-answer')).status).toBe(500);
  });

  it('keeps a good request id and trace, replaces bad ones', async () => {
    const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
    const good = await call('/v1/things/special', {
      headers: {
        authorization: 'Bearer good',
        'x-request-id': 'support-case-1234',
        traceparent: `00-${trace}-00f067aa0ba902b7-01`,
      },
    });
    expect(good.json()).toEqual({ requestId: 'support-case-1234', traceId: trace });
    const bad = await call('/v1/things/special', {
      headers: { authorization: 'Bearer good', 'x-request-id': 'a b', traceparent: '00-0-0-0' },
    });
    expect(bad.json().requestId).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('streams events that a newline cannot break', async () => {
    const answer = await call('/v1/stream');
    expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(answer.text).toContain('id: 1\nevent: thing\ndata: {"text":"two\\nlines"}\n\n');
  });

  it('documents what it serves', async () => {
    const document = (await call('/openapi.json')).json();
    expect(document.openapi).toBe('3.1.0');
    const operation = document.paths['/v1/things/{id}'].post;
    expect(operation.parameters.map((p: { name: string; in: string }) => `${p.in}:${p.name}`)).toEqual([
      'path:id',
      'query:dryRun',
    ]);
    expect(Object.keys(operation.responses)).toEqual(
      expect.arrayContaining(['201', '400', '413', '415', '500', '504']),
    );
    expect(document.paths['/v1/things/special'].get.security).toEqual([{ service: [] }]);
  });

  it('counts requests under their route, never under their raw path', async () => {
    await post(`/v1/things/${ID}`, '{"name":"a"}');
    const { text } = await call('/metrics');
    expect(text).toMatch(
      /seconds_count\{service="test",method="POST",route="\/v1\/things\/\{id\}",status="201"\} [1-9]/,
    );
    expect(text).not.toContain(ID);
    expect(text).toContain('le="0.5"');
  });

  it('says on /readyz what is missing, and that it is draining', async () => {
    databaseIsUp = false;
    const down = await call('/readyz');
    expect([down.status, down.json().checks.postgres]).toMatchObject([
      503,
      { ok: false, reason: 'connection refused' },
    ]);
    databaseIsUp = true;
    expect((await call('/readyz')).status).toBe(200);
    setDraining();
    expect((await call('/readyz')).status).toBe(503);
    expect((await call('/livez')).status).toBe(200);
  });

  it('survives a client that leaves in the middle', async () => {
    await new Promise<void>((resolve) => {
      const req = request(`${server.url}/v1/things/${ID}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-length': '500' },
      });
      req.on('error', () => resolve());
      req.write('{"name":');
      setImmediate(() => req.destroy());
      req.on('close', () => resolve());
    });
    expect((await call('/livez')).status).toBe(200);
  });
});

describe('startServer', () => {
  it('says which port is taken and what to do', async () => {
    const log = createLogger({ service: 'test', level: 'silent' });
    await expect(
      startServer({
        listener: () => undefined,
        host: '127.0.0.1',
        port: server.port,
        log,
        clock: systemClock,
      }),
    ).rejects.toThrow(
      `port ${server.port} on 127.0.0.1 is taken by another program; stop it or set PORT to a free one`,
    );
  });
});
