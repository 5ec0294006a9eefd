import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { createContext, runWithContext } from './context.ts';
import { createServiceAuth, serviceAuthKeys } from './service-auth.ts';
import { createServiceClient, type ServiceClient } from './service-client.ts';
import { systemClock } from './time.ts';

const auth = createServiceAuth({
  self: 'api',
  keys: serviceAuthKeys.parse(`k:${'s'.repeat(40)}`),
  clock: systemClock,
});
const seen: { url: string; headers: Record<string, unknown>; body: string }[] = [];
const answers: Record<string, [number, unknown, Record<string, string>?]> = {
  '/ok': [200, { n: 1 }],
  '/wrong': [200, { n: 'one' }],
  '/gone': [404, { code: 'not_found', detail: 'No such transfer.' }],
  '/invalid': [
    400,
    { code: 'invalid_request', detail: 'bad', errors: [{ pointer: '/a', rule: 'type', detail: 'd' }] },
  ],
  '/limited': [429, { code: 'rate_limited', detail: 'slow down' }, { 'retry-after': '7' }],
  '/unauthenticated': [401, { code: 'invalid_token', detail: 'service token' }],
  '/broken': [500, { code: 'internal_error', detail: 'secret inner detail' }],
  '/html': [502, '<html>'],
};
/** How many more connections break before `/flaky` answers. */
let breaks = 0;
let server: Server;
let client: ServiceClient;

beforeAll(async () => {
  server = createServer(async (req, res) => {
    let body = '';
    for await (const chunk of req) body += chunk;
    const path = (req.url ?? '').split('?')[0] ?? '';
    seen.push({ url: req.url ?? '', headers: req.headers, body });
    if (path === '/base/hang') return;
    if (path === '/base/flaky' && breaks-- > 0) {
      req.socket.destroy();
      return;
    }
    const [status, answer, headers] = answers[path.replace('/base', '')] ?? [200, {}];
    res.writeHead(status, headers);
    res.end(typeof answer === 'string' ? answer : JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  client = createServiceClient({
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/base/`,
    audience: 'gateway',
    auth,
  });
});
afterAll(async () => {
  await client.close();
  server.closeAllConnections();
  server.close();
});

const get = (path: string, options = {}) =>
  client.request({ method: 'GET', path, schema: z.object({ n: z.number() }), ...options });

describe('createServiceClient', () => {
  it('signs, hands on the request id and trace, and keeps the base path', async () => {
    const context = createContext({ requestId: 'case-123456', newId: () => 'x' });
    const body = await runWithContext(context, () =>
      client.request({
        method: 'POST',
        path: '/ok',
        query: { a: 1, b: undefined },
        body: { c: 2 },
        idempotencyKey: 'key-1234',
        schema: z.object({ n: z.number() }),
      }),
    );
    expect(body).toEqual({ n: 1 });
    const last = seen.at(-1);
    expect(last).toMatchObject({
      url: '/base/ok?a=1',
      body: '{"c":2}',
      headers: { 'x-request-id': 'case-123456', 'idempotency-key': 'key-1234' },
    });
    expect(last?.headers.traceparent).toContain(context.traceId);
    const token = String(last?.headers.authorization).replace('Bearer ', '');
    await expect(
      createServiceAuth({
        self: 'gateway',
        keys: serviceAuthKeys.parse(`k:${'s'.repeat(40)}`),
        clock: systemClock,
      }).verify(token),
    ).resolves.toEqual({ service: 'api' });
  });

  it.each([
    ['/gone', { code: 'not_found', message: 'No such transfer.' }],
    ['/invalid', { code: 'invalid_request', errors: [{ pointer: '/a', rule: 'type', detail: 'd' }] }],
    ['/limited', { code: 'rate_limited', retryAfterSeconds: 7 }],
    // Between our services these are our own misconfiguration: the end user must not be told to sign in again.
    ['/unauthenticated', { code: 'dependency_unavailable' }],
    ['/broken', { code: 'dependency_unavailable' }],
    ['/html', { code: 'dependency_unavailable' }],
  ])('hands %s on as our own error', async (path, expected) => {
    await expect(get(path)).rejects.toMatchObject(expected);
  });

  it('does not repeat the inner detail of their failures', async () => {
    const error = await get('/broken').catch((e) => e);
    expect(error.message).not.toContain('secret');
  });

  it('refuses an answer that is not what was agreed', async () => {
    await expect(get('/wrong')).rejects.toThrow(/unexpected body/);
  });

  it('gives up at its deadline, and at once when the caller leaves', async () => {
    await expect(get('/hang', { timeoutMs: 50 })).rejects.toMatchObject({ code: 'dependency_unavailable' });
    const abort = new AbortController();
    const pending = get('/hang', { signal: abort.signal });
    abort.abort(new Error('caller left'));
    await expect(pending).rejects.toThrow('caller left');
  });

  it('says that nobody answers', async () => {
    const nobody = createServiceClient({ baseUrl: 'http://127.0.0.1:1', audience: 'user', auth });
    await expect(nobody.request({ method: 'GET', path: '/', schema: z.unknown() })).rejects.toMatchObject({
      code: 'dependency_unavailable',
      retryAfterSeconds: 1,
    });
    await nobody.close();
  });

  it.each([
    ['GET', {}, 1, true],
    ['POST', { idempotencyKey: 'a-key-of-mine' }, 1, true],
    ['POST', { repeatable: true }, 1, true],
    // It may have acted: only whoever asked can know whether to ask again.
    ['POST', {}, 1, false],
    ['GET', {}, 2, false],
  ] as const)(
    '%s %j over a connection that breaks %i times is answered: %s',
    async (method, more, times, answered) => {
      breaks = times;
      const asked = client.request({ method, path: '/flaky', schema: z.object({}), ...more });
      if (answered) await expect(asked).resolves.toEqual({});
      else await expect(asked).rejects.toMatchObject({ code: 'dependency_unavailable' });
      breaks = 0;
    },
  );
});
