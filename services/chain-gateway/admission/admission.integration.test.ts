import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { WebSocket } from 'ws';
import { createServiceAuth, type ServiceAuth } from '../../../lib/service-auth.ts';
import { systemClock } from '../../../lib/time.ts';
import { createSyntheticChain } from '../../../tools/simulator/chain/synthetic-chain.ts';
import { type Simulator, startSimulator } from '../../../tools/simulator/simulator.ts';
import { freePort } from '../../../tools/stack/parts/free-port.ts';
import { createTestPostgres, type TestPostgres } from '../../../tools/testing/test-postgres.ts';
import { startGatewayProcess, type TestProcess } from '../testing/start-process.ts';
import { startOwnRedis } from '../testing/token-ledger-fixture.ts';

jest.setTimeout(120_000);
const SECRET = 'a-secret-of-at-least-thirty-two-characters';
const OPERATOR = 'an-operator-token-of-at-least-thirty-two-characters';
const CHAIN_ID = 31_337;

/** Two replicas on one Postgres and one Redis of their own, which may be killed. */
let database: TestPostgres;
let redis: Awaited<ReturnType<typeof startOwnRedis>>;
let upstream: Simulator;
let auth: ServiceAuth;
let replicas: TestProcess[];

beforeAll(async () => {
  [database, redis] = await Promise.all([createTestPostgres(), startOwnRedis()]);
  upstream = await startSimulator({
    chain: createSyntheticChain({ clock: systemClock, blockTimeMs: 0, startHeight: 50 }),
  });
  auth = createServiceAuth({ self: 'api', keys: [{ kid: 'test', secret: SECRET }], clock: systemClock });
  const env = {
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    REDIS_PREFIX: 'admission',
    SERVICE_AUTH_KEYS: `test:${SECRET}`,
    OPERATOR_TOKEN: OPERATOR,
    RPC_URLS: upstream.url,
    CHAIN_ID: String(CHAIN_ID),
    LOG_LEVEL: 'warn',
  };
  replicas = await Promise.all([
    startGatewayProcess('main.ts', env, await freePort()),
    startGatewayProcess('main.ts', env, await freePort()),
  ]);
}, 120_000);
afterAll(async () => {
  const codes = await Promise.all((replicas ?? []).map((replica) => replica.stop()));
  await upstream?.stop();
  await database?.drop();
  await redis?.stop();
  expect(codes).toEqual([0, 0]);
}, 60_000);

// biome-ignore lint/suspicious/noExplicitAny: the shapes are what the test is about.
type Json = any;
interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Json;
}
const url = (index: number): string => (replicas[index] as TestProcess).url;

async function rest(method: string, path: string, body?: unknown, token = OPERATOR, on = 0): Promise<Answer> {
  const response = await fetch(`${url(on)}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}
let ids = 0;
async function rpc(
  token: string | undefined,
  method: string,
  params: readonly unknown[] = [],
  headers: Record<string, string> = {},
  on = 0,
): Promise<Answer> {
  const response = await fetch(`${url(on)}/rpc/${CHAIN_ID}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: ++ids, method, params }),
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}
let unique = 0;
const balance = (token: string, headers: Record<string, string> = {}, on = 0): Promise<Answer> =>
  rpc(token, 'eth_getBalance', [`0x${(++unique).toString(16).padStart(40, '0')}`, 'latest'], headers, on);

async function newKey(
  settings: Record<string, unknown> = {},
): Promise<{ id: string; key: string; body: Json }> {
  const { status, body } = await rest('POST', '/v1/keys', { name: `key ${++ids}`, ...settings });
  expect(status).toBe(201);
  return { id: body.id, key: body.key, body };
}
async function until(what: () => Promise<boolean>, ms: number): Promise<number> {
  const from = Date.now();
  while (!(await what())) {
    if (Date.now() - from > ms) throw new Error(`it did not happen within ${ms} ms`);
    await systemClock.sleep(20);
  }
  return Date.now() - from;
}
function openSocket(
  token: string,
  query = '',
): Promise<{ socket: WebSocket; ask: (m: string, p?: unknown[]) => Promise<Json> }> {
  const socket = new WebSocket(`${url(0).replace('http', 'ws')}/rpc/${CHAIN_ID}${query}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const waiting = new Map<number, (answer: Json) => void>();
  socket.on('message', (data) => {
    const answer = JSON.parse(data.toString());
    waiting.get(answer.id)?.(answer);
  });
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('open', () =>
      resolve({
        socket,
        ask: (method, params = []) =>
          new Promise((answered) => {
            waiting.set(++ids, answered);
            socket.send(JSON.stringify({ jsonrpc: '2.0', id: ids, method, params }));
          }),
      }),
    );
  });
}

describe('API keys', () => {
  it('are made by the operator, shown once, kept as a hash, and good on every replica', async () => {
    const { id, key, body } = await newKey({ name: 'the first' });
    expect(key).toMatch(/^rjg_[0-9a-f]{16}_[A-Za-z0-9_-]{43}$/);
    expect(body).toMatchObject({ state: 'active', access: 'read', priorities: ['standard', 'background'] });
    for (const on of [0, 1]) expect((await balance(key, {}, on)).status).toBe(200);
    const shown = await rest('GET', `/v1/keys/${id}`);
    expect(JSON.stringify(shown.body)).not.toContain(key.split('_')[2] as string);
    const pool = new pg.Pool({ connectionString: database.url });
    const { rows } = await pool.query(
      `SELECT hash::text, k::text FROM gateway.api_key_secrets s JOIN gateway.api_keys k ON k.id = s.key_id WHERE k.id = '${id}'`,
    );
    expect(JSON.stringify(rows)).not.toContain(key.split('_').slice(2).join('_'));
    await pool.end();
    expect((await rest('POST', '/v1/keys', { name: 'the first' })).status).toBe(409);
    const listed = await rest('GET', '/v1/keys?limit=1');
    expect(listed.body.data).toHaveLength(1);
    await until(async () => (await rest('GET', `/v1/keys/${id}`)).body.lastUsedAt !== null, 15_000);
  });

  it('are the operator’s business: neither services nor keys can make them', async () => {
    const { key } = await newKey({ access: 'write' });
    for (const token of [await auth.sign('gateway'), key, 'nonsense'])
      expect((await rest('POST', '/v1/keys', { name: 'x' }, token)).status).toBe(401);
  });

  it.each([
    ['a class that is none', { priorities: ['internal'] }, 400],
    ['no class', { priorities: [] }, 400],
    ['a class twice', { priorities: ['standard', 'standard'] }, 400],
    ['a method that is none', { methods: ['drop table'] }, 400],
    ['a limit without a burst', { limit: { unitsPerSecond: 5 } }, 400],
    ['an unknown field', { admin: true }, 400],
    ['an end in the past', { expiresAt: '2020-01-01T00:00:00Z' }, 422],
  ])('are refused with %s', async (_, settings, status) => {
    expect((await rest('POST', '/v1/keys', { name: 'bad', ...settings })).status).toBe(status);
  });

  it.each([
    ['cut short', 'rjg_0011223344556677_abc', 'copied whole'],
    ['unknown', `rjg_0011223344556677_${'a'.repeat(43)}`, 'not known'],
  ])('that are %s are refused with the reason', async (_, token, message) => {
    const { status, body } = await balance(token);
    expect(status).toBe(401);
    expect(body.error).toMatchObject({ code: -32016, message: expect.stringContaining(message) });
  });

  it('with the right id and a wrong secret are refused', async () => {
    const { key } = await newKey();
    expect((await balance(`${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}`)).status).toBe(401);
  });

  it('keep to their scope: chain, method, reading', async () => {
    const narrow = await newKey({ methods: ['eth_get*', 'eth_sendRawTransaction'] });
    expect((await balance(narrow.key)).status).toBe(200);
    const method = await rpc(narrow.key, 'eth_call', [{ to: `0x${'1'.repeat(40)}` }, 'latest']);
    expect([method.status, method.body.error.code, method.body.error.data.scope]).toEqual([
      403,
      -32017,
      'method',
    ]);
    const write = await rpc(narrow.key, 'eth_sendRawTransaction', ['0x00']);
    expect([write.status, write.body.error.code, write.body.error.data.scope]).toEqual([
      403,
      -32017,
      'access',
    ]);
    const elsewhere = await newKey({ chains: [1] });
    const chain = await balance(elsewhere.key);
    expect([chain.status, chain.body.error.code, chain.body.error.data.scope]).toEqual([
      403,
      -32017,
      'chain',
    ]);
  });

  it('end when they expire', async () => {
    const { key } = await newKey({ expiresAt: new Date(Date.now() + 1_500).toISOString() });
    expect((await balance(key)).status).toBe(200);
    await systemClock.sleep(1_600);
    const late = await balance(key);
    expect(late.status).toBe(401);
    expect(late.body.error.message).toContain('expired');
  });

  it('rotate with an overlap', async () => {
    const { id, key } = await newKey();
    await balance(key, {}, 1);
    const rotated = await rest('POST', `/v1/keys/${id}/rotate`, { overlapSeconds: 1 });
    expect(rotated.body.secrets).toHaveLength(2);
    for (const on of [0, 1]) {
      expect((await balance(key, {}, on)).status).toBe(200);
      expect((await balance(rotated.body.key, {}, on)).status).toBe(200);
    }
    await systemClock.sleep(1_200);
    for (const on of [0, 1]) {
      expect((await balance(key, {}, on)).status).toBe(401);
      expect((await balance(rotated.body.key, {}, on)).status).toBe(200);
    }
  });

  it('are revoked at once on every replica, over HTTP and on open WebSockets', async () => {
    const { id, key } = await newKey();
    const { socket, ask } = await openSocket(key);
    expect((await ask('eth_subscribe', ['newHeads'])).result).toBeDefined();
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    for (const on of [0, 1]) expect((await balance(key, {}, on)).status).toBe(200);
    expect((await rest('DELETE', `/v1/keys/${id}`)).body.state).toBe('revoked');
    for (const on of [0, 1])
      expect(await until(async () => (await balance(key, {}, on)).status === 401, 500)).toBeLessThan(500);
    expect(await closed).toBe(1008);
    expect((await rest('POST', `/v1/keys/${id}/rotate`, {})).status).toBe(409);
  });

  it('finish what is in flight when they are revoked', async () => {
    upstream.faults.set([{ type: 'latency', ms: 600, methods: ['eth_getBalance'] }]);
    const { id, key } = await newKey();
    const inFlight = balance(key);
    await systemClock.sleep(200);
    await rest('DELETE', `/v1/keys/${id}`);
    expect((await inFlight).status).toBe(200);
    upstream.faults.clear();
    expect((await balance(key)).status).toBe(401);
  });

  it('tell what they spent', async () => {
    const { id, key } = await newKey();
    for (let i = 0; i < 3; i++) await balance(key);
    await until(async () => (await rest('GET', `/v1/keys/${id}/usage`)).body.today.units >= 60, 15_000);
  });
});

describe('what a request asks for', () => {
  it('is refused when its principal may not ask for it, under the id of the call', async () => {
    const { key } = await newKey();
    expect((await balance(key, { 'x-priority': 'background' })).status).toBe(200);
    const { status, body } = await balance(key, { 'x-priority': 'interactive' });
    expect([status, body.error.code, body.id]).toEqual([403, -32018, ids]);
    expect(body.error.data).toEqual({ reason: 'priority_not_allowed', allowed: ['standard', 'background'] });
  });

  it('is refused when the deadline is past, or no moment at all', async () => {
    const { key } = await newKey();
    const past = await balance(key, { 'x-deadline-ms': String(Date.now() - 1_000) });
    expect([past.status, past.body.error.code]).toEqual([400, -32019]);
    expect(past.headers.get('x-attempts')).toBe('0');
    const duration = await balance(key, { 'x-deadline-ms': '500' });
    expect(duration.body.error).toMatchObject({
      code: -32600,
      message: expect.stringContaining('x-timeout-ms'),
    });
    expect((await balance(key, { 'x-deadline-ms': String(Date.now() + 5_000) })).status).toBe(200);
  });

  it('holds for a WebSocket from its opening on', async () => {
    const { key } = await newKey();
    await expect(openSocket(key, '?priority=interactive')).rejects.toThrow('403');
    const { socket, ask } = await openSocket(key, '?priority=background&timeout-ms=50');
    upstream.faults.set([{ type: 'latency', ms: 300, methods: ['eth_getBalance'] }]);
    const slow = await ask('eth_getBalance', [`0x${'9'.repeat(40)}`, 'latest']);
    upstream.faults.clear();
    expect(slow.error.code).toBe(-32015);
    socket.close();
  });
});

describe('limits', () => {
  it('are told with every answer, and hold over all replicas', async () => {
    const { key } = await newKey({ limit: { unitsPerSecond: 200, burst: 200 } });
    const first = await balance(key);
    expect(first.headers.get('ratelimit-policy')).toBe('"units";q=200;qu="compute-units";w=1');
    expect(first.headers.get('ratelimit')).toMatch(/^"units";r=\d+;t=\d+$/);
    const answers: Answer[] = [];
    const from = Date.now();
    while (Date.now() - from < 3_000) {
      answers.push(...(await Promise.all([balance(key, {}, 0), balance(key, {}, 1), balance(key, {}, 1)])));
      await systemClock.sleep(20);
    }
    const seconds = (Date.now() - from) / 1_000;
    const passed = answers.filter(({ status }) => status === 200).length;
    // burst + rate · T + a slice per replica, in calls of 20 units.
    expect(passed).toBeLessThanOrEqual((200 + 200 * seconds) / 20 + 2 * 2);
    expect(passed).toBeGreaterThan(((200 * seconds) / 20) * 0.7);
    const refused = answers.find(({ status }) => status === 429);
    expect(refused?.headers.get('retry-after')).toBe('1');
    expect(refused?.headers.get('ratelimit')).toMatch(/r=\d/);
    expect(refused?.body.error).toMatchObject({
      code: -32005,
      data: { reason: 'principal_limit', limit: { unitsPerSecond: 200, burst: 200 }, units: 20 },
    });
  });

  it('are told in the error’s data over a WebSocket', async () => {
    const { key } = await newKey({ limit: { unitsPerSecond: 40, burst: 40 } });
    const { socket, ask } = await openSocket(key);
    const answers = await Promise.all(
      Array.from({ length: 10 }, () =>
        ask('eth_getBalance', [`0x${(++unique).toString(16).padStart(40, '0')}`, 'latest']),
      ),
    );
    const refused = answers.filter(({ error }) => error !== undefined);
    expect(refused.length).toBeGreaterThanOrEqual(7);
    expect(refused[0].error.data).toMatchObject({
      reason: 'principal_limit',
      retryAfterMs: expect.any(Number),
    });
    socket.close();
  });

  it('cost one unit when the cache answers', async () => {
    const { key } = await newKey({ limit: { unitsPerSecond: 20, burst: 60 } });
    const params = [`0x${'7'.repeat(40)}`, 'latest'];
    for (let i = 0; i < 20; i++) expect((await rpc(key, 'eth_getBalance', params)).status).toBe(200);
  });
});

describe('without Redis', () => {
  it('keys and limits go on, revocations arrive within two seconds, and all is as before when it is back', async () => {
    const limited = await newKey({ limit: { unitsPerSecond: 200, burst: 200 } });
    const doomed = await newKey();
    for (const on of [0, 1]) {
      await balance(limited.key, {}, on);
      await balance(doomed.key, {}, on);
    }
    await redis.kill();
    const answers: Answer[] = [];
    const from = Date.now();
    while (Date.now() - from < 3_000) {
      answers.push(...(await Promise.all([balance(limited.key, {}, 0), balance(limited.key, {}, 1)])));
      await systemClock.sleep(20);
    }
    const seconds = (Date.now() - from) / 1_000;
    const passed = answers.filter(({ status }) => status === 200).length;
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 429]));
    expect(passed).toBeLessThanOrEqual((200 + 200 * seconds) / 20 + 2 * 2 + 10);
    const metrics = await (await fetch(`${url(0)}/metrics`)).text();
    expect(metrics).toMatch(/^gateway_limit_shared_away(\{[^}]*\})? 1$/m);
    expect(
      Number(/^gateway_limit_local_decisions_total(?:\{[^}]*\})? (\d+)$/m.exec(metrics)?.[1]),
    ).toBeGreaterThan(10);

    await rest('DELETE', `/v1/keys/${doomed.id}`);
    await until(async () => (await balance(doomed.key, {}, 1)).status === 401, 3_000);

    await redis.start({ keepData: true });
    await until(async () => {
      await balance(limited.key);
      return /^gateway_limit_shared_away(\{[^}]*\})? 0$/m.test(
        await (await fetch(`${url(0)}/metrics`)).text(),
      );
    }, 10_000);
    const after = await newKey();
    expect((await balance(after.key, {}, 1)).status).toBe(200);
    await systemClock.sleep(2_500);
    await rest('DELETE', `/v1/keys/${after.id}`);
    expect(await until(async () => (await balance(after.key, {}, 1)).status === 401, 1_000)).toBeLessThan(
      1_000,
    );
  });
});
