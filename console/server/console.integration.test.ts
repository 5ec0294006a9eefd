import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { loadConfig } from '../../lib/config.ts';
import type { ProcessScope } from '../../lib/lifecycle.ts';
import { createLogger } from '../../lib/log.ts';
import { createTestPostgres, type TestPostgres } from '../../tools/testing/test-postgres.ts';
import { hashPassword } from './access/operators.ts';
import { consoleConfig } from './config.ts';
import { startConsole } from './start-console.ts';

jest.setTimeout(120_000);

const PASSWORD = 'correct horse battery';
const closers: (() => Promise<void> | void)[] = [];
const stop = new AbortController();
const scope: ProcessScope = {
  defer: (_name, close) => void closers.push(close),
  signal: stop.signal,
  shutdown: () => undefined,
};

/** Both services behind the console: it records what it was asked, and says what the test told it to. */
let asked: { method: string; url: string; authorized: boolean; body: string }[] = [];
let answers: Record<string, { status: number; body: unknown }> = {};
let services: Server;
let database: TestPostgres;
let url: string;

beforeAll(async () => {
  database = await createTestPostgres();
  services = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      const authorized = (request.headers.authorization ?? '').startsWith('Bearer ey');
      asked.push({ method: request.method ?? '', url: request.url ?? '', authorized, body });
      const answer = answers[`${request.method} ${request.url?.split('?')[0]}`] ?? {
        status: 404,
        body: { code: 'not_found', detail: 'There is no such thing.' },
      };
      response.writeHead(answer.status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer.body));
    });
  });
  await new Promise<void>((resolve) => services.listen(0, '127.0.0.1', resolve));
  const behind = `http://127.0.0.1:${(services.address() as AddressInfo).port}`;
  const config = loadConfig(consoleConfig, {
    env: {
      PORT: '0',
      DATABASE_URL: database.url,
      SERVICE_AUTH_KEYS: 'test:a-secret-of-at-least-thirty-two-characters',
      GATEWAY_URL: behind,
      USER_URL: behind,
      CONSOLE_OPERATORS: `olga:operator:${hashPassword(PASSWORD)}\nviktor:viewer:${hashPassword(PASSWORD)}`,
      CONSOLE_TARGETS: `gateway=${behind}`,
      CONSOLE_KUBERNETES: 'off',
    },
  });
  const log = createLogger({ service: 'console', level: 'silent' });
  ({ url } = await startConsole(config, scope, log, {}));
});
afterAll(async () => {
  stop.abort();
  for (const close of closers.reverse()) await close();
  await new Promise((resolve) => services.close(resolve));
  await database.drop();
});

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });

async function signedIn(name: string): Promise<{ cookie: string; csrf: string }> {
  const answer = await post('/api/session', { name, password: PASSWORD });
  expect(answer.status).toBe(200);
  const { csrf } = (await answer.json()) as { csrf: string };
  return { cookie: (answer.headers.get('set-cookie') ?? '').split(';')[0] ?? '', csrf };
}

const auditOf = async (
  cookie: string,
): Promise<{ action: string; subject: string; outcome: string; operator: string }[]> =>
  ((await (await fetch(`${url}/api/audit`, { headers: { cookie } })).json()) as { entries: never[] }).entries;

describe('access', () => {
  it('lets nobody in without signing in, and nothing but the page and /collect be seen', async () => {
    for (const path of ['/api/session', '/api/live', '/api/audit', '/api/explain/abcdef'])
      expect((await fetch(`${url}${path}`)).status).toBe(401);
    expect((await post('/api/dead-letters/redrive', {})).status).toBe(401);
    const page = await fetch(url);
    expect(page.status).toBe(200);
    const policy = page.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('unsafe');
  });

  it('sets a cookie that scripts cannot read and other sites cannot send', async () => {
    const answer = await post('/api/session', { name: 'olga', password: PASSWORD });
    expect(answer.headers.get('set-cookie')).toMatch(/HttpOnly; SameSite=Strict; Max-Age=\d+/);
  });

  it('says the same for a wrong name and a wrong password, and slows down whoever guesses', async () => {
    const said = new Set<string>();
    const statuses: number[] = [];
    for (let i = 0; i < 7; i++) {
      const answer = await post('/api/session', { name: 'viktor', password: `guess ${i}` });
      statuses.push(answer.status);
      if (answer.status === 401) said.add(((await answer.json()) as { detail: string }).detail);
      else expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429]);
    const unknown = await post('/api/session', { name: 'nobody', password: 'x' });
    said.add(((await unknown.json()) as { detail: string }).detail);
    expect([...said]).toEqual(['The name or the password is wrong.']);
    // The right password does not help during the wait: a guess that hits must not be told from one that misses.
    expect((await post('/api/session', { name: 'viktor', password: PASSWORD })).status).toBe(429);
  });

  it('refuses what another site sends, signed in or not', async () => {
    const { cookie, csrf } = await signedIn('olga');
    const foreign = [
      { origin: 'https://evil.example' },
      { 'sec-fetch-site': 'cross-site' },
      { origin: 'null' },
    ] as Record<string, string>[];
    for (const headers of foreign) {
      const answer = await post(
        '/api/dead-letters/redrive',
        {},
        { cookie, 'x-csrf-token': csrf, ...headers },
      );
      expect(answer.status).toBe(403);
      expect((await post('/api/session', { name: 'olga', password: PASSWORD }, headers)).status).toBe(403);
      expect((await post('/collect', {}, headers)).status).toBe(403);
    }
    for (const token of ['', 'wrong', csrf.slice(0, -1)])
      expect((await post('/api/dead-letters/redrive', {}, { cookie, 'x-csrf-token': token })).status).toBe(
        403,
      );
  });

  it('ends a session for good', async () => {
    const { cookie, csrf } = await signedIn('olga');
    const out = await fetch(`${url}/api/session`, {
      method: 'DELETE',
      headers: { cookie, 'x-csrf-token': csrf },
    });
    expect(out.status).toBe(204);
    expect((await fetch(`${url}/api/session`, { headers: { cookie } })).status).toBe(401);
  });
});

describe('actions', () => {
  it('redrives a dead letter, signed as a service, and writes it down', async () => {
    const { cookie, csrf } = await signedIn('olga');
    asked = [];
    answers = { 'POST /internal/deliveries/redrive': { status: 200, body: { redriven: 1 } } };
    const id = '01a2090b-7eca-7eab-8d23-fd62f2c55c2b';
    const answer = await post('/api/dead-letters/redrive', { id }, { cookie, 'x-csrf-token': csrf });
    expect(await answer.json()).toEqual({ redriven: 1 });
    expect(asked.find(({ url: path }) => path.endsWith('/redrive'))).toMatchObject({
      authorized: true,
      body: JSON.stringify({ id }),
    });
    expect((await auditOf(cookie))[0]).toMatchObject({
      operator: 'olga',
      action: 'dead letters redrive',
      subject: id,
      outcome: 'done',
    });
  });

  it('hands on why something could not be done, and writes that down too', async () => {
    const { cookie, csrf } = await signedIn('olga');
    answers = {
      'POST /v1/transactions/t-1/cancel': {
        status: 409,
        body: { code: 'conflict', detail: 'It is in a block already.' },
      },
    };
    const answer = await post('/api/transactions/t-1/cancel', {}, { cookie, 'x-csrf-token': csrf });
    expect(answer.status).toBe(409);
    expect(((await answer.json()) as { detail: string }).detail).toBe('It is in a block already.');
    expect((await auditOf(cookie))[0]).toMatchObject({
      action: 'transaction cancel',
      subject: 't-1',
      outcome: 'failed: conflict',
    });
  });

  it('keeps the audit log from being emptied', async () => {
    const { Client } = (await import('pg')).default;
    const client = new Client({ connectionString: database.url });
    await client.connect();
    await expect(client.query('delete from console.audit')).rejects.toThrow(/never deleted/);
    await expect(client.query('truncate console.audit')).rejects.toThrow(/never deleted/);
    await client.end();
  });
});

describe('live', () => {
  it('tells what it knows and why it does not know the rest', async () => {
    const { cookie } = await signedIn('olga');
    answers = {
      'GET /internal/deliveries/dead': {
        status: 200,
        body: { data: [], page: { next: null, hasMore: false } },
      },
      'GET /internal/providers': { status: 503, body: { code: 'dependency_unavailable', detail: 'away' } },
    };
    const abort = new AbortController();
    const answer = await fetch(`${url}/api/live`, { headers: { cookie }, signal: abort.signal });
    expect(answer.headers.get('content-type')).toContain('text/event-stream');
    const topics = new Map<string, { data?: unknown; error?: string }>();
    let text = '';
    for await (const chunk of answer.body as ReadableStream<Uint8Array>) {
      text += Buffer.from(chunk).toString();
      for (const [, json = ''] of text.matchAll(/^event: topic\ndata: (.*)$/gm)) {
        const state = JSON.parse(json) as { topic: string; data?: unknown; error?: string };
        topics.set(state.topic, state);
      }
      if (['services', 'slo', 'providers', 'deliveries', 'pools', 'cost'].every((name) => topics.has(name)))
        break;
    }
    abort.abort();
    expect(topics.get('deliveries')?.data).toEqual({ data: [], page: { hasMore: false } });
    expect(topics.get('providers')?.error).toBe('away');
    expect(topics.get('pools')?.data).toEqual({ kubernetes: false });
  });
});

describe('/collect', () => {
  const send = (body: string | Buffer, headers: Record<string, string> = {}) =>
    fetch(`${url}/collect`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: body as BodyInit,
    });
  const series = async (name: string): Promise<string[]> =>
    (await (await fetch(`${url}/metrics`)).text()).split('\n').filter((line) => line.startsWith(name));

  it('counts errors and vitals of what the SDK sends', async () => {
    const body = {
      meta: {
        app: { name: 'console' },
        view: { name: 'overview' },
        page: { url: 'http://x/' },
        sdk: { version: '2' },
      },
      exceptions: [
        { type: 'TypeError', value: 'no', timestamp: '2026-01-01T00:00:00Z', stacktrace: { frames: [] } },
      ],
      measurements: [
        { type: 'web-vitals', values: { lcp: 3_100, delta: 3_100 }, timestamp: '2026-01-01T00:00:00Z' },
      ],
    };
    expect((await send(JSON.stringify(body))).status).toBe(202);
    expect(await series('web_errors_total')).toEqual([
      'web_errors_total{kind="TypeError",view="overview",service="console"} 1',
    ]);
    expect(await series('web_vital_seconds_bucket{le="3",')).toEqual([
      expect.stringMatching(/vital="lcp".* 0$/),
    ]);
    expect(await series('web_vital_seconds_bucket{le="4",')).toEqual([
      expect.stringMatching(/vital="lcp".* 1$/),
    ]);
  });

  it('takes a compressed body, and no bomb', async () => {
    const small = gzipSync(JSON.stringify({ meta: {} }));
    expect((await send(small, { 'content-encoding': 'gzip' })).status).toBe(202);
    const before = process.memoryUsage().rss;
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, 0x20), { level: 9 });
    expect(bomb.length).toBeLessThan(256 * 1024);
    expect((await send(bomb, { 'content-encoding': 'gzip' })).status).toBe(413);
    // Making the bomb took the memory; reading it must not take it again.
    expect(process.memoryUsage().rss - before).toBeLessThan(160 * 1024 * 1024);
  });

  it('refuses ten megabytes', async () => {
    const answer = await send(JSON.stringify({ logs: [{ message: 'x'.repeat(10 * 1024 * 1024) }] })).catch(
      () => undefined,
    );
    // The refusal may close the connection while the client still writes.
    if (answer !== undefined) expect(answer.status).toBe(413);
    expect((await send('{}')).status).toBe(202);
  });

  it.each([
    ['no JSON', '{', 400],
    ['a list', '[]', 400],
    ['text for a list', '{"exceptions":"many"}', 400],
    ['a word for a number', '{"measurements":[{"type":"web-vitals","values":{"lcp":"slow"}}]}', 400],
    ['too many exceptions', JSON.stringify({ exceptions: Array(101).fill({}) }), 400],
    ['a trace id of another length', '{"exceptions":[{"trace":{"trace_id":"ab","span_id":"cd"}}]}', 400],
    [
      'values without end',
      JSON.stringify({
        measurements: [
          { type: 'x', values: Object.fromEntries([...Array(31).keys()].map((i) => [`v${i}`, 1])) },
        ],
      }),
      400,
    ],
    ['deep nesting', `{"exceptions":[{"context":${'{"a":'.repeat(2_000)}1${'}'.repeat(2_000)}}]}`, 400],
  ])('refuses %s', async (_, body, status) => {
    const answer = await send(body);
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toContain('problem+json');
  });

  it('refuses another content type', async () => {
    expect((await send('{}', { 'content-type': 'text/plain' })).status).toBe(415);
  });

  it('makes no series of what clients invent', async () => {
    for (let i = 0; i < 60; i++) {
      const answer = await send(
        JSON.stringify({
          meta: { view: { name: `view-${i}` }, app: { name: `app-${i}` } },
          exceptions: [{ type: `Error${i}`, value: 'x' }],
          measurements: [
            { type: `type-${i}`, values: { lcp: 1 } },
            { type: 'web-vitals', values: { [`vital${i}`]: 1, lcp: -5, fcp: 1e12, cls: 1e9 } },
          ],
        }),
      );
      expect(answer.status).toBe(202);
    }
    const invented = (await series('web_')).filter((line) => /\d{1,2}"/.test(line.replace(/le="[^"]*"/, '')));
    expect(invented).toEqual([]);
    expect(await series('web_errors_total')).toHaveLength(2);
    expect((await series('web_vital_seconds_count')).length).toBeLessThanOrEqual(2);
  });

  it('tells a client that sends too much to wait', async () => {
    let last = 202;
    for (let i = 0; i < 400 && last === 202; i++) last = (await send('{}')).status;
    expect(last).toBe(429);
  });
});
