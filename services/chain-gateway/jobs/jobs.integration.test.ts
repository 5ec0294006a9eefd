import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { verifyWebhook } from '../../../lib/standard-webhooks.ts';
import { type EthereumRpc, RpcCallError, type RpcCallOptions } from '../rpc/ethereum-rpc.ts';
import {
  createJobFixture,
  JOB_CHAIN,
  type JobFixture,
  type RunningJobWorker,
} from '../testing/job-fixture.ts';
import { listDeadLetters, listResults, pruneJobs } from './job-store.ts';
import { isFinalState } from './job-types.ts';

let jobs: JobFixture;
let workers: RunningJobWorker[] = [];
beforeAll(async () => {
  jobs = await createJobFixture();
}, 60_000);
afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.stop(0)));
  workers = [];
});
afterAll(() => jobs?.close());

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const indexOf = (params: readonly unknown[]): number => Number(params[1]);
const isFinal = ({ state }: { state: Parameters<typeof isFinalState>[0] }): boolean => isFinalState(state);

/** A chain that answers with the slot it was asked for, and notes who asked. */
function chain(before: (index: number, options: RpcCallOptions) => Promise<void> | void = () => undefined) {
  const asked: { principal: string; index: number }[] = [];
  const rpc: EthereumRpc = {
    async request(_method, params, options = {}) {
      const index = indexOf(params);
      asked.push({ principal: options.principal ?? '', index });
      await before(index, options);
      options.signal?.throwIfAborted();
      return `0x${index.toString(16)}`;
    },
  };
  return { rpc, asked };
}
async function start(rpc: EthereumRpc, settings: Parameters<JobFixture['startWorker']>[1] = {}) {
  const worker = await jobs.startWorker(rpc, settings);
  workers.push(worker);
  return worker;
}
async function allResults(id: string): Promise<{ index: number; ok: boolean; body: string }[]> {
  const found: Awaited<ReturnType<typeof listResults>> = [];
  for (;;) {
    const page = await listResults(jobs.postgres.db, id, { after: found.at(-1)?.index ?? -1, limit: 1_000 });
    if (page.length === 0) return found;
    found.push(...page);
  }
}
async function expectComplete(id: string, calls: number): Promise<void> {
  const results = await allResults(id);
  expect(results.map(({ index }) => index)).toEqual([...Array(calls).keys()]);
  expect(results.every(({ index, body, ok }) => ok && body === `"0x${index.toString(16)}"`)).toBe(true);
}
const ticketsGone = async (): Promise<void> => {
  for (let look = 0; look < 100 && ((await jobs.office.waiting()) ?? 1) > 0; look++) await sleep(50);
};

describe('a job', () => {
  it('answers every call once and tells its progress', async () => {
    const { rpc, asked } = chain();
    const { id } = await jobs.submit('service:a', 1_234);
    expect(await jobs.service.get('service:a', JOB_CHAIN, id)).toMatchObject({
      state: 'queued',
      progress: { pending: 1_234, percent: 0 },
    });
    await start(rpc);
    const job = await jobs.waitFor('service:a', id, isFinal);
    expect(job).toMatchObject({
      state: 'completed',
      progress: { succeeded: 1_234, pending: 0, percent: 100 },
    });
    expect(Date.parse(job.expiresAt ?? '')).toBeGreaterThan(Date.now());
    await expectComplete(id, 1_234);
    expect(asked).toHaveLength(1_234);
  });

  it('belongs to who asked for it', async () => {
    const { id } = await jobs.submit('service:a', 1);
    await expect(jobs.service.get('service:b', JOB_CHAIN, id)).rejects.toMatchObject({ code: 'not_found' });
    await expect(jobs.service.cancel('service:b', JOB_CHAIN, id)).rejects.toMatchObject({
      code: 'not_found',
    });
    await jobs.service.cancel('service:a', JOB_CHAIN, id);
  });

  it('is the same job for the same key and body, and refused for another body', async () => {
    const call = { method: 'eth_blockNumber', params: [] };
    const first = await jobs.service.create('service:a', JOB_CHAIN, 'the-same-key', { calls: [call] });
    const again = await jobs.service.create('service:a', JOB_CHAIN, 'the-same-key', { calls: [call] });
    expect([again.view.id, again.replayed]).toEqual([first.view.id, true]);
    await expect(
      jobs.service.create('service:a', JOB_CHAIN, 'the-same-key', { calls: [call, call] }),
    ).rejects.toMatchObject({ code: 'idempotency_key_reused' });
    await jobs.service.cancel('service:a', JOB_CHAIN, first.view.id);
  });

  it.each([
    ['another chain', 1, { calls: [{ method: 'eth_blockNumber', params: [] }] }, 'not_found'],
    ['a write', JOB_CHAIN, { calls: [{ method: 'eth_sendRawTransaction', params: ['0x'] }] }, 'call_refused'],
    [
      'a callback with credentials',
      JOB_CHAIN,
      {
        calls: [{ method: 'eth_blockNumber', params: [] }],
        callback: { url: 'https://user:secret@example.com/' },
      },
      'callback_refused',
    ],
  ])('is refused for %s, and nothing is kept', async (_what, chainId, body, code) => {
    await expect(jobs.service.create('service:a', chainId, 'a-key-of-its-own', body)).rejects.toMatchObject({
      code,
    });
    // The key was not used up.
    const { rows } = await sql`SELECT 1 FROM idempotency_keys WHERE key = 'a-key-of-its-own'`.execute(
      jobs.postgres.db,
    );
    expect(rows).toEqual([]);
  });

  it('stops when it is cancelled, and keeps what it has', async () => {
    const { rpc, asked } = chain((_index, { signal }) =>
      asked.length <= 100
        ? undefined
        : new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason))),
    );
    const { id } = await jobs.submit('service:a', 500);
    const worker = await start(rpc, { concurrency: 1 });
    await jobs.waitFor('service:a', id, ({ progress }) => progress.succeeded === 100);
    const cancelled = await jobs.service.cancel('service:a', JOB_CHAIN, id);
    expect(cancelled).toMatchObject({ state: 'cancelled', progress: { succeeded: 100, pending: 400 } });
    for (let look = 0; look < 100 && worker.busy() > 0; look++) await sleep(50);
    expect(worker.busy()).toBe(0);
    const sofar = asked.length;
    await ticketsGone();
    expect(asked).toHaveLength(sofar);
    await expect(jobs.service.cancel('service:a', JOB_CHAIN, id)).resolves.toMatchObject({
      state: 'cancelled',
    });
  });

  it('is forgotten after its retention, results included', async () => {
    const { id } = await jobs.submit('service:a', 1);
    await jobs.service.cancel('service:a', JOB_CHAIN, id);
    await sql`UPDATE rpc_jobs SET expires_at = now() - interval '1 second' WHERE id = ${id}`.execute(
      jobs.postgres.db,
    );
    expect(await pruneJobs(jobs.postgres.db)).toBe(1);
    await expect(jobs.service.get('service:a', JOB_CHAIN, id)).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('what goes wrong', () => {
  it('is tried again after a while; errors of the chain are answers', async () => {
    const failures = new Map<number, number>();
    const { rpc } = chain((index) => {
      if (index === 7) throw new RpcCallError(3, 'execution reverted');
      const failed = failures.get(index) ?? 0;
      if (index % 10 === 0 && failed < 1) {
        failures.set(index, failed + 1);
        throw new RpcCallError(-32011, 'no provider', { retry: 'later' });
      }
    });
    const { id } = await jobs.submit('service:a', 60);
    await start(rpc);
    const job = await jobs.waitFor('service:a', id, isFinal);
    expect(job).toMatchObject({ state: 'completed', progress: { succeeded: 59, refused: 1, retries: 2 } });
    expect((await allResults(id))[7]).toMatchObject({ ok: false, body: expect.stringContaining('reverted') });
  });

  it('ends among the dead letters after all attempts, and can be redriven', async () => {
    let broken = true;
    const { rpc } = chain((index) => {
      if (broken && index >= 50)
        throw new RpcCallError(-32014, 'no provider has this block', { retry: 'elsewhere' });
    });
    const { id } = await jobs.submit('service:a', 100);
    await start(rpc, { maxAttempts: 2 });
    const failed = await jobs.waitFor('service:a', id, isFinal);
    expect(failed).toMatchObject({ state: 'failed', progress: { succeeded: 50, dead: 50, percent: 100 } });
    const owner = { chainId: JOB_CHAIN, principal: 'service:a' };
    const letters = await listDeadLetters(jobs.postgres.db, owner, {
      jobId: id,
      after: undefined,
      limit: 10,
    });
    expect(letters).toMatchObject([
      { jobId: id, attempts: 2, error: { code: -32014, message: 'no provider has this block' } },
    ]);
    expect(letters[0]?.calls[0]).toMatchObject({ index: 50, method: 'eth_getStorageAt' });

    broken = false;
    expect(await jobs.service.redrive('service:a', JOB_CHAIN, id)).toMatchObject({ state: 'running' });
    expect(await jobs.waitFor('service:a', id, isFinal)).toMatchObject({ state: 'completed' });
    await expectComplete(id, 100);
    await expect(jobs.service.redrive('service:a', JOB_CHAIN, id)).rejects.toMatchObject({
      code: 'conflict',
    });
  });

  it('loses nothing with the data of Redis', async () => {
    const { rpc } = chain(() => sleep(2));
    const { id } = await jobs.submit('service:a', 1_000);
    await start(rpc, { concurrency: 1 });
    await jobs.waitFor('service:a', id, ({ progress }) => progress.succeeded > 0);
    await jobs.redis.flush();
    expect(await jobs.waitFor('service:a', id, isFinal)).toMatchObject({ state: 'completed' });
    await expectComplete(id, 1_000);
  });

  it('hands back what a stopping worker cannot finish, without counting an attempt', async () => {
    const slow = chain((index, { signal }) =>
      index < 20
        ? undefined
        : new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason))),
    );
    const { id } = await jobs.submit('service:a', 50);
    const first = await start(slow.rpc, { leaseMs: 60_000 });
    await jobs.waitFor('service:a', id, () => slow.asked.length >= 30);
    await first.stop(0);
    const handedBack = await jobs.service.get('service:a', JOB_CHAIN, id);
    expect(handedBack).toMatchObject({ state: 'running', progress: { succeeded: 20, retries: 0 } });
    const { rpc, asked } = chain();
    await start(rpc, { leaseMs: 60_000 });
    expect(await jobs.waitFor('service:a', id, isFinal)).toMatchObject({ state: 'completed' });
    // What was answered before is not asked again.
    expect(asked.map(({ index }) => index).toSorted((a, b) => a - b)).toEqual(
      [...Array(50).keys()].slice(20),
    );
    await expectComplete(id, 50);
  });

  it('drops the answers of a worker that lost its claim: each index has one answer, each slice one end', async () => {
    const [stuck, rest] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    // Answers other values, so that a mixture would show. It does not listen to `signal`: it may have been stopped.
    const zombie: EthereumRpc = {
      async request() {
        await stuck.promise;
        return 'zombie';
      },
    };
    const { id } = await jobs.submit('service:a', 100);
    const first = await start(zombie, { concurrency: 1, leaseMs: 60_000 });
    for (let look = 0; look < 200 && first.busy() === 0; look++) await sleep(20);
    await sql`UPDATE rpc_job_slices SET lease_until = now() - interval '1 second' WHERE job_id = ${id} AND state = 'running'`.execute(
      jobs.postgres.db,
    );
    await start(chain((index) => (index >= 50 ? rest.promise : undefined)).rpc);
    await jobs.waitFor('service:a', id, ({ progress }) => progress.succeeded === 50);
    stuck.resolve();
    for (let look = 0; look < 200 && first.busy() > 0; look++) await sleep(20);
    expect(await jobs.service.get('service:a', JOB_CHAIN, id)).toMatchObject({
      state: 'running',
      progress: { succeeded: 50, pending: 50 },
    });
    rest.resolve();
    expect(await jobs.waitFor('service:a', id, isFinal)).toMatchObject({ state: 'completed' });
    await expectComplete(id, 100);
  });
});

describe('turns', () => {
  it('do not let a large job starve a small one that comes later', async () => {
    const { rpc, asked } = chain(() => sleep(1));
    const large = await jobs.submit('service:large', 10_000);
    await start(rpc, { concurrency: 1 });
    await jobs.waitFor('service:large', large.id, ({ progress }) => progress.succeeded >= 500);
    const before = asked.length;
    const small = await jobs.submit('service:small', 100);
    await jobs.waitFor('service:small', small.id, isFinal);
    const last = asked.findLastIndex(({ principal }) => principal === 'service:small');
    // Its two slices alternate with slices of the large job, whatever that has queued.
    const between = asked.slice(before, last).filter(({ principal }) => principal === 'service:large').length;
    expect(between).toBeLessThanOrEqual(4 * 50);
    const job = await jobs.service.get('service:large', JOB_CHAIN, large.id);
    expect(job.progress.pending).toBeGreaterThan(5_000);
    await jobs.service.cancel('service:large', JOB_CHAIN, large.id);
    await ticketsGone();
  });

  it('are shared evenly among principals, and an absence earns no credit', async () => {
    const { rpc, asked } = chain(() => sleep(1));
    const ids = new Map<string, string>();
    for (const principal of ['service:p', 'service:q', 'service:r'])
      ids.set(principal, (await jobs.submit(principal, 1_000)).id);
    await start(rpc, { concurrency: 2 });
    for (const [principal, id] of ids) await jobs.waitFor(principal, id, isFinal);
    // Two thirds of the way everybody has had about the same.
    const counts = Map.groupBy(asked.slice(0, 2_000), ({ principal }) => principal);
    for (const principal of ids.keys()) {
      expect(counts.get(principal)?.length).toBeGreaterThan(500);
      expect(counts.get(principal)?.length).toBeLessThan(834);
    }
  });
});

describe('a callback', () => {
  const secret = 'whsec_bm90LWEtcmVhbC1zZWNyZXQtYXQtYWxsLTEyMw==';

  it('is signed, tried again, and says the same each time', async () => {
    const received: { headers: Record<string, string>; body: string }[] = [];
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        received.push({ headers: request.headers as Record<string, string>, body });
        response.writeHead(received.length === 1 ? 500 : 204).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const callbacks = jobs.callbacks([secret]);
    try {
      const { id } = await jobs.submit('service:a', 3, {
        callbackUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/done`,
      });
      expect(await callbacks.step()).toBe(0);
      await start(chain().rpc);
      await jobs.waitFor('service:a', id, isFinal);
      expect(await callbacks.step()).toBe(1);
      expect(await jobs.service.get('service:a', JOB_CHAIN, id)).toMatchObject({
        callback: { state: 'due', attempts: 1, error: 'answered 500' },
      });
      await sql`UPDATE rpc_jobs SET callback_at = now() WHERE id = ${id}`.execute(jobs.postgres.db);
      expect(await callbacks.step()).toBe(1);
      expect(await jobs.service.get('service:a', JOB_CHAIN, id)).toMatchObject({
        callback: { state: 'delivered', attempts: 2 },
      });
      expect(await callbacks.step()).toBe(0);
      const [first, second] = received;
      expect(received).toHaveLength(2);
      expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
      expect(second?.body).toBe(first?.body);
      expect(verifyWebhook(second?.headers ?? {}, second?.body ?? '', secret, Date.now() / 1000)).toBe(true);
      expect(JSON.parse(second?.body ?? '')).toMatchObject({
        type: 'job.completed',
        data: { id, progress: { succeeded: 3 } },
      });
    } finally {
      await callbacks.close();
      server.close();
    }
  });
});
