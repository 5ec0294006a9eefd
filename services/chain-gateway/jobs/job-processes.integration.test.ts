import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createLogger } from '../../../lib/log.ts';
import { createRedis, type Redis } from '../../../lib/redis.ts';
import { createServiceAuth, type ServiceAuth } from '../../../lib/service-auth.ts';
import { verifyWebhook } from '../../../lib/standard-webhooks.ts';
import { systemClock } from '../../../lib/time.ts';
import { freePort } from '../../../tools/stack/parts/free-port.ts';
import { startTestChain, type TestChain } from '../../../tools/testing/test-chain.ts';
import { createTestPostgres, type TestPostgres } from '../../../tools/testing/test-postgres.ts';
import { createTestRedis, type TestRedis } from '../../../tools/testing/test-redis.ts';
import { startGatewayProcess, type TestProcess } from '../testing/start-process.ts';

const secret = 'a-secret-of-at-least-thirty-two-characters';
const callbackSecret = 'whsec_bm90LWEtcmVhbC1zZWNyZXQtYXQtYWxsLTEyMw==';
// A busy machine is slow, not wrong.
jest.setTimeout(120_000);

let chain: TestChain;
let database: TestPostgres;
let redis: TestRedis;
let client: Redis;
let auth: ServiceAuth;
let env: Record<string, string>;
let gateway: TestProcess;
let receiver: Server;
const received: { headers: Record<string, string>; body: string }[] = [];

beforeAll(async () => {
  [chain, database, redis] = await Promise.all([startTestChain(), createTestPostgres(), createTestRedis()]);
  client = createRedis({
    url: redis.url,
    log: createLogger({ service: 'test', level: 'silent' }),
    role: 'test',
  });
  receiver = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      received.push({ headers: request.headers as Record<string, string>, body });
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  env = {
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    REDIS_PREFIX: redis.prefix.replace(/:$/, ''),
    SERVICE_AUTH_KEYS: `test:${secret}`,
    RPC_URLS: chain.url,
    CHAIN_ID: '31337',
    WEBHOOK_SECRETS: callbackSecret,
    WEBHOOK_ALLOW_PRIVATE: 'true',
    LOG_LEVEL: 'warn',
  };
  auth = createServiceAuth({ self: 'api', keys: [{ kid: 'test', secret }], clock: systemClock });
  gateway = await startGatewayProcess('main.ts', env, await freePort());
}, 120_000);
afterAll(async () => {
  expect(await gateway?.stop()).toBe(0);
  receiver?.close();
  client?.disconnect();
  await database?.drop();
  await redis?.drop();
  await chain?.stop();
}, 60_000);

const startWorker = async (name: string, extra: Record<string, string> = {}): Promise<TestProcess> =>
  startGatewayProcess(
    'worker.ts',
    { ...env, WORKER_ROLES: 'jobs', POD_NAME: name, JOBS_LEASE_MS: '1500', ...extra },
    await freePort(),
  );

// biome-ignore lint/suspicious/noExplicitAny: the shapes are what the test is about.
type Json = any;
async function ask(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: Json; headers: Headers }> {
  const response = await fetch(`${gateway.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${await auth.sign('gateway')}`,
      ...(body ? { 'content-type': 'application/json' } : {}),
      ...headers,
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  return { status: response.status, body: await response.json(), headers: response.headers };
}
const submit = (body: unknown, key: string = randomUUID(), chainId = 31_337) =>
  ask('POST', `/v1/chains/${chainId}/jobs`, body, { 'idempotency-key': key });
/** Slots of a contract that is not there: all different, so nothing is answered from the cache. */
const slots = (count: number, from = 0) =>
  Array.from({ length: count }, (_, index) => ({
    method: 'eth_getStorageAt',
    params: [`0x${'ab'.repeat(20)}`, `0x${(from + index).toString(16)}`, 'latest'],
  }));
const until = async <T>(what: () => Promise<T | undefined>, ms = 60_000): Promise<T> => {
  const deadline = Date.now() + ms;
  for (;;) {
    const found = await what();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error('it did not happen in time');
    await systemClock.sleep(25);
  }
};
const job = async (id: string): Promise<Json> => (await ask('GET', `/v1/chains/31337/jobs/${id}`)).body;
const over = (id: string): Promise<Json> =>
  until(async () => {
    const view = await job(id);
    return ['completed', 'failed', 'cancelled'].includes(view.state) ? view : undefined;
  });
async function indexes(id: string): Promise<number[]> {
  const found: number[] = [];
  let cursor = '';
  for (;;) {
    const { body } = await ask('GET', `/v1/chains/31337/jobs/${id}/results?limit=1000${cursor}`);
    found.push(...body.data.map(({ index }: { index: number }) => index));
    if (!body.page.hasMore) return found;
    cursor = `&cursor=${body.page.next}`;
  }
}

describe('jobs as processes', () => {
  it('keeps a job of 10,000 calls whole although a worker is killed and another is told to leave', async () => {
    const workers = await Promise.all([startWorker('one'), startWorker('two'), startWorker('three')]);
    const [one, two, three] = workers as [TestProcess, TestProcess, TestProcess];
    const { status, body, headers } = await submit({
      calls: slots(10_000),
      callback: { url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/` },
    });
    expect([status, body.state, body.progress.pending]).toEqual([202, 'queued', 10_000]);
    expect(headers.get('location')).toBe(`/v1/chains/31337/jobs/${body.id}`);

    await until(async () => ((await job(body.id)).progress.succeeded > 500 ? true : undefined));
    // What the controller reads: tickets as jobs of Bull, and how busy each pod is.
    const queue = `${redis.prefix}bull:rpc-jobs-31337`;
    expect(Number(await client.get(`${queue}:id`))).toBeGreaterThanOrEqual(200);
    expect(Object.keys(await client.hgetall(`${queue}:workers`)).sort()).toEqual(['one', 'three', 'two']);

    await one.stop('SIGKILL');
    expect(await two.stop('SIGTERM')).toBe(0);
    expect(await client.hget(`${queue}:workers`, 'two')).toBeNull();

    const done = await over(body.id);
    expect(done).toMatchObject({ state: 'completed', progress: { succeeded: 10_000, pending: 0 } });
    expect(await indexes(body.id)).toEqual([...Array(10_000).keys()]);

    const [callback] = await until(async () => (received.length > 0 ? received : undefined));
    expect(
      verifyWebhook(callback?.headers ?? {}, callback?.body ?? '', callbackSecret, Date.now() / 1000),
    ).toBe(true);
    expect(JSON.parse(callback?.body ?? '')).toMatchObject({ type: 'job.completed', data: { id: body.id } });

    // On the account of who asked, where interactive calls are booked as well.
    await until(async () => {
      const cost = JSON.stringify((await ask('GET', '/internal/cost')).body);
      return cost.includes('service:api') ? true : undefined;
    });
    const metrics = await (await fetch(`${three.url}/metrics`)).text();
    for (const name of [
      /gateway_job_slices\{.*state="queued".*\} 0/,
      /gateway_job_oldest_waiting_seconds\{.*\} 0/,
      /gateway_job_slots\{.*state="busy".*\} 0/,
      /gateway_job_service_seconds_count\{.*end="done".*\} [1-9]/,
      /gateway_job_wait_seconds_count\{.*\} [1-9]/,
    ])
      expect(metrics).toMatch(name);
    expect(await (await fetch(`${gateway.url}/metrics`)).text()).toMatch(
      /gateway_job_slices_arrived_total\{.*\} 200/,
    );
    expect(await three.stop()).toBe(0);
  });

  it('answers each bad request with its own code, by index, and keeps nothing of it', async () => {
    const good = slots(1);
    const refused = async (...args: Parameters<typeof submit>) => {
      const { status, body } = await submit(...args);
      return [status, body.code, body.errors?.[0]?.pointer];
    };
    expect(await refused({ calls: slots(10_001) })).toEqual([422, 'job_too_large', '/calls']);
    expect(await refused({ calls: good }, randomUUID(), 1)).toEqual([404, 'not_found', '{chainId}']);
    expect(await refused({ calls: [] })).toEqual([400, 'invalid_request', '/calls']);
    expect(await refused({ calls: [...good, { method: 'eth_getBalance', params: {} }] })).toEqual([
      400,
      'invalid_request',
      '/calls/1/params',
    ]);
    expect(await refused({ calls: [...good, ...good, { method: 'nonsense' }] })).toEqual([
      422,
      'call_refused',
      '/calls/2/method',
    ]);
    expect(await refused({ calls: [{ method: 'eth_sendRawTransaction', params: ['0x'] }] })).toEqual([
      422,
      'call_refused',
      '/calls/0/method',
    ]);
    expect(await refused({ calls: good, callback: { url: 'ftp://example.com/' } })).toEqual([
      422,
      'callback_refused',
      '/callback/url',
    ]);
    expect(await refused({ calls: good }, '')).toEqual([
      400,
      'idempotency_key_required',
      'header:idempotency-key',
    ]);
    const anonymous = await fetch(`${gateway.url}/v1/chains/31337/jobs`);
    expect(anonymous.status).toBe(401);
    const mine = (await ask('GET', '/v1/chains/31337/jobs?state=queued')).body;
    expect(mine.data).toEqual([]);
  });

  it('refuses a callback to a private address where private ones are not allowed', async () => {
    const strict = await startGatewayProcess(
      'main.ts',
      { ...env, WEBHOOK_ALLOW_PRIVATE: 'false' },
      await freePort(),
    );
    try {
      for (const url of [
        'https://10.0.0.7/hook',
        'https://[::ffff:127.0.0.1]/',
        'https://metadata.internal/',
      ]) {
        const response = await fetch(`${strict.url}/v1/chains/31337/jobs`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${await auth.sign('gateway')}`,
            'content-type': 'application/json',
            'idempotency-key': randomUUID(),
          },
          body: JSON.stringify({ calls: slots(1), callback: { url } }),
        });
        expect([response.status, ((await response.json()) as Json).code]).toEqual([422, 'callback_refused']);
      }
    } finally {
      await strict.stop();
    }
  });
});
