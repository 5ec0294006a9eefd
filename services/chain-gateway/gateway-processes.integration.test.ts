import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { ContractsManifest } from '../../lib/contracts-manifest.ts';
import { createServiceAuth, type ServiceAuth } from '../../lib/service-auth.ts';
import { systemClock } from '../../lib/time.ts';
import { freePort } from '../../tools/stack/parts/free-port.ts';
import { startTestChain, type TestChain } from '../../tools/testing/test-chain.ts';
import { deployTestContracts, testAccounts } from '../../tools/testing/test-contracts.ts';
import { createTestPostgres, type TestPostgres } from '../../tools/testing/test-postgres.ts';
import { createTestRedis, type TestRedis } from '../../tools/testing/test-redis.ts';
import { startGatewayProcess, type TestProcess } from './testing/start-process.ts';

const secret = 'a-secret-of-at-least-thirty-two-characters';
const someone = '0x00000000000000000000000000000000000A11cE';
// A busy machine is slow, not wrong.
jest.setTimeout(180_000);
let chain: TestChain;
let database: TestPostgres;
let redis: TestRedis;
let auth: ServiceAuth;
let env: Record<string, string>;
let manifest: ContractsManifest;
let gateway: TestProcess;
let worker: TestProcess;
let indexer: TestProcess;

beforeAll(async () => {
  [chain, database, redis] = await Promise.all([
    startTestChain({ blockTime: 1 }),
    createTestPostgres(),
    createTestRedis(),
  ]);
  const dir = mkdtempSync(join(tmpdir(), 'gateway-'));
  manifest = await deployTestContracts(chain, join(dir, 'contracts.json'));
  writeFileSync(join(dir, 'treasury.key'), testAccounts.treasury.privateKey);
  writeFileSync(
    join(dir, 'signers.json'),
    JSON.stringify({ pools: { treasury: [{ type: 'private-key-file', file: 'treasury.key' }] } }),
  );
  env = {
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    REDIS_PREFIX: redis.prefix.replace(/:$/, ''),
    SERVICE_AUTH_KEYS: `test:${secret}`,
    RPC_URLS: chain.url,
    CHAIN_ID: '31337',
    CONTRACTS_FILE: join(dir, 'contracts.json'),
    SIGNERS_FILE: join(dir, 'signers.json'),
    CONFIRMATIONS: '2',
    LOG_LEVEL: 'warn',
  };
  auth = createServiceAuth({ self: 'api', keys: [{ kid: 'test', secret }], clock: systemClock });
  const { CONFIRMATIONS: _, ...mainEnv } = env;
  // All three at once: the migrations must run exactly once.
  [gateway, worker, indexer] = await Promise.all([
    startGatewayProcess('main.ts', mainEnv, await freePort()),
    startGatewayProcess('worker.ts', env, await freePort()),
    startGatewayProcess('indexer.ts', env, await freePort()),
  ]);
}, 120_000);
afterAll(async () => {
  const codes = await Promise.all([gateway?.stop(), worker?.stop(), indexer?.stop()]);
  await database?.drop();
  await redis?.drop();
  await chain?.stop();
  expect(codes).toEqual([0, 0, 0]);
}, 60_000);

// biome-ignore lint/suspicious/noExplicitAny: the shapes are what the test is about.
type Json = any;
async function call(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: Json }> {
  const response = await fetch(`${gateway.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${await auth.sign('gateway')}`,
      ...(body ? { 'content-type': 'application/json' } : {}),
      ...headers,
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  return { status: response.status, body: await response.json() };
}
const transfer = (amount: string) => ({
  chainId: 31337,
  signer: 'treasury',
  contract: 'RejuveToken',
  function: 'transfer',
  args: [someone, amount],
  requestedBy: 'person-1',
});
const until = async <T>(what: () => Promise<T | undefined>, ms = 60_000): Promise<T> => {
  const deadline = Date.now() + ms;
  for (;;) {
    const found = await what();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error('it did not happen in time');
    await systemClock.sleep(50);
  }
};
/** Confirmed, or already beyond: with blocks every second the next stage may come between two looks. */
const untilConfirmed = (id: string): Promise<true> =>
  until(async () => {
    const { state } = (await call('GET', `/v1/transactions/${id}`)).body;
    return state === 'confirmed' || state === 'finalized' ? true : undefined;
  });

describe('the gateway as processes', () => {
  it('opens no route without a service token', async () => {
    expect((await fetch(`${gateway.url}/internal/events`)).status).toBe(401);
    expect((await fetch(`${gateway.url}/v1/transactions`)).status).toBe(401);
  });

  it('tells of a transfer within 3 s of its block, exactly once per stage, and the balance agrees', async () => {
    const accepted = await call('POST', '/v1/transactions', transfer('100000000'), {
      'idempotency-key': 'demo-key-1',
    });
    expect(accepted.status).toBe(202);
    const again = await call('POST', '/v1/transactions', transfer('100000000'), {
      'idempotency-key': 'demo-key-1',
    });
    expect(again.body.id).toBe(accepted.body.id);
    let after = '0';
    let seenAt = 0;
    const events: Json[] = [];
    await until(async () => {
      const { body } = await call('GET', `/internal/events?after=${after}&limit=500&waitSeconds=5`);
      after = body.next;
      events.push(...body.events);
      const mine = events.find((e) => e.type === 'transfer.erc20' && e.data.to === someone);
      if (mine && seenAt === 0) seenAt = Date.now() - Date.parse(mine.blockTime);
      return events.find((e) => e.key === mine?.key && e.stage === 'confirmed');
    });
    expect(seenAt).toBeLessThan(3_000);
    const mine = events.filter((e) => e.data.to === someone);
    expect(mine.map((e) => e.stage)).toEqual(['pending', 'confirmed']);
    expect(mine[0]).toMatchObject({
      chainId: 31337,
      contract: { name: 'RejuveToken' },
      data: { amount: '100000000' },
    });
    const done = await until(async () => {
      const { body } = await call('GET', `/v1/transactions/${accepted.body.id}`);
      return body.state === 'confirmed' ? body : undefined;
    });
    expect(done.hash).toBe(mine[0].transactionHash);
    const { body: balances } = await call('GET', `/internal/balances?chainId=31337&address=${someone}`);
    expect(balances.balances).toEqual([
      expect.objectContaining({
        raw: '100000000',
        token: expect.objectContaining({ symbol: 'RJV', decimals: 6 }),
      }),
    ]);
    const { body: transfers } = await call(
      'GET',
      `/internal/transfers?chainId=31337&address=${someone}&direction=in`,
    );
    expect(transfers.data).toHaveLength(1);
    expect(transfers.asOf.blockHash).toMatch(/^0x/);
  });

  it('streams every state of a transaction and ends after the last', async () => {
    const { body } = await call('POST', '/v1/transactions', transfer('1'), {
      'idempotency-key': 'demo-key-2',
    });
    const response = await fetch(`${gateway.url}/v1/transactions/${body.id}/events`, {
      headers: { authorization: `Bearer ${await auth.sign('gateway')}` },
    });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while (!text.includes('"state":"confirmed"')) {
      const { value, done } = (await reader?.read()) ?? { value: '', done: true };
      if (done) break;
      text += value;
    }
    await reader?.cancel();
    const states = [...text.matchAll(/"state":"([a-z]+)"/g)].map((m) => m[1]);
    expect([...new Set(states)]).toEqual([
      'queued',
      'prepared',
      'signed',
      'submitted',
      'included',
      'confirmed',
    ]);
  });

  it('pages with cursors that new blocks do not shift, and refuses foreign ones', async () => {
    for (let n = 0; n < 5; n++)
      await call('POST', '/v1/transactions', transfer('7'), { 'idempotency-key': `page-key-${n}` });
    await until(async () => {
      const { body } = await call('GET', `/internal/transfers?chainId=31337&address=${someone}`);
      return body.data.length >= 7 ? body : undefined;
    });
    const first = (await call('GET', `/internal/transfers?chainId=31337&address=${someone}&limit=3`)).body;
    await call('POST', '/v1/transactions', transfer('9'), { 'idempotency-key': 'page-key-new' });
    await systemClock.sleep(2_500);
    const keys = first.data.map((row: Json) => row.key);
    let next = first.page.next;
    while (next) {
      const { body } = await call(
        'GET',
        `/internal/transfers?chainId=31337&address=${someone}&limit=3&cursor=${next}`,
      );
      keys.push(...body.data.map((row: Json) => row.key));
      next = body.page.next;
    }
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys).toHaveLength(7);
    expect(
      (await call('GET', `/internal/transfers?chainId=31337&limit=3&cursor=${first.page.next}`)).body.code,
    ).toBe('invalid_cursor');
  });

  it('answers bad input with what was wrong', async () => {
    const wrong = await call(
      'POST',
      '/v1/transactions',
      { ...transfer('1'), args: [someone, 'ten'] },
      { 'idempotency-key': 'wrong-key-1' },
    );
    expect(wrong.status).toBe(422);
    expect(wrong.body.errors[0].pointer).toBe('/args/1');
    expect((await call('POST', '/v1/transactions', transfer('1'))).body.code).toBe(
      'idempotency_key_required',
    );
    expect((await call('GET', '/v1/transactions?colour=red')).status).toBe(400);
    expect((await call('GET', '/v1/transactions/00000000-0000-7000-8000-000000000000')).status).toBe(404);
  });

  it('is consistent after worker and indexer were killed with -9 in the middle', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 20; n++) {
      ids.push(
        (await call('POST', '/v1/transactions', transfer('1'), { 'idempotency-key': `kill-key-${n}` })).body
          .id,
      );
      if (n === 10) await Promise.all([worker.stop('SIGKILL'), indexer.stop('SIGKILL')]);
    }
    [worker, indexer] = await Promise.all([
      startGatewayProcess('worker.ts', env, await freePort()),
      startGatewayProcess('indexer.ts', env, await freePort()),
    ]);
    for (const id of ids) await untilConfirmed(id);
    const token = manifest.contracts.RejuveToken?.address;
    await until(async () => {
      const data = `0x70a08231${someone.slice(2).toLowerCase().padStart(64, '0')}`;
      const onChain = BigInt(await chain.rpc<string>('eth_call', [{ to: token, data }, 'latest']));
      const { raw } = (await call('GET', `/internal/balances?chainId=31337&address=${someone}`)).body
        .balances[0];
      return BigInt(raw) === onChain ? true : undefined;
    });
  }, 180_000);

  it('works after Redis lost everything', async () => {
    await redis.flush();
    const { body } = await call('POST', '/v1/transactions', transfer('1'), {
      'idempotency-key': 'after-flush-1',
    });
    await untilConfirmed(body.id);
  });

  it('works with a Redis that cannot be reached, a little later', async () => {
    await Promise.all([gateway.stop(), worker.stop(), indexer.stop()]);
    const dead = { ...env, REDIS_URL: `redis://127.0.0.1:${await freePort()}` };
    const { CONFIRMATIONS: _, ...mainEnv }: Record<string, string> = dead;
    [gateway, worker, indexer] = await Promise.all([
      startGatewayProcess('main.ts', mainEnv, await freePort()),
      startGatewayProcess('worker.ts', dead, await freePort()),
      startGatewayProcess('indexer.ts', dead, await freePort()),
    ]);
    const { body } = await call('POST', '/v1/transactions', transfer('1'), {
      'idempotency-key': 'no-redis-key-1',
    });
    await untilConfirmed(body.id);
    const { body: tail } = await call('GET', '/internal/events?after=0&limit=2000');
    const after = tail.last;
    const waiting = call('GET', `/internal/events?after=${after}&waitSeconds=20`);
    await call('POST', '/v1/transactions', transfer('1'), { 'idempotency-key': 'no-redis-key-2' });
    expect((await waiting).body.events.length).toBeGreaterThan(0);
  }, 180_000);

  it('explains a transaction, its lane and what gas cost', async () => {
    const { body } = await call('GET', '/v1/transactions?state=confirmed&limit=1');
    const [{ id } = { id: '' }] =
      body.data.length > 0 ? body.data : (await call('GET', '/v1/transactions?limit=1')).body.data;
    const timeline = (await call('GET', `/v1/transactions/${id}/timeline`)).body;
    expect(timeline.entries.map((entry: Json) => entry.action).slice(0, 3)).toEqual([
      'accepted',
      'prepared',
      'signed',
    ]);
    expect(timeline.attempts[0]).toMatchObject({ number: 1, kind: 'send', accepted: true });
    expect((await call('GET', '/internal/lanes')).body.lanes[0]).toMatchObject({
      pool: 'treasury',
      paused: null,
    });
    const cost = (await call('GET', '/internal/cost/gas')).body;
    expect(BigInt(cost.spend[0].gasWei)).toBeGreaterThan(0n);
    expect(cost.urgencies[0].urgency).toBe('standard');
    expect((await call('GET', '/internal/findings')).body.findings).toEqual([]);
  });

  it('shows its metrics', async () => {
    const text = await (await fetch(`${worker.url}/metrics`)).text();
    for (const name of [
      'gateway_transactions{',
      'gateway_transaction_success_ratio',
      'gateway_transaction_broadcasts_total',
    ])
      expect(text).toContain(name);
    expect(await (await fetch(`${indexer.url}/metrics`)).text()).toContain('gateway_indexer_lag_seconds');
  });
});
