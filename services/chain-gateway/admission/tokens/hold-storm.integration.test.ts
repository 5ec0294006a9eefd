import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { StormJob } from '../../testing/hold-storm.ts';
import {
  createTokenLedgerFixture,
  startOwnRedis,
  type TokenLedgerFixture,
} from '../../testing/token-ledger-fixture.ts';
import { bookImbalance } from './ledger-store.ts';

/**
 * Calls of one token from 8 processes. 800 by default; the full proof is
 * `TOKEN_STORM_CALLS=10000 npx jest --selectProjects=integration --testPathPatterns hold-storm` (see docs/call-tokens.md).
 */
const CALLS = Number(process.env.TOKEN_STORM_CALLS ?? 800);
const PROCESSES = 8;
const HOLD = 60;
const SPEND = 20;
const CHUNK = 12_000;
jest.setTimeout(300_000);

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const script = fileURLToPath(new URL('../../testing/hold-storm.ts', import.meta.url));

interface Storming {
  readonly child: ChildProcess;
  readonly told: () => string[];
  /** Outcomes by reason; undefined when it was killed. */
  readonly done: Promise<Record<string, number> | undefined>;
  readonly ready: Promise<void>;
}

describe('many processes on one token', () => {
  let redis: Awaited<ReturnType<typeof startOwnRedis>>;
  let fixture: TokenLedgerFixture;
  const dir = mkdtempSync(join(tmpdir(), 'storm-'));
  const children = new Set<ChildProcess>();
  let started = 0;

  function storm(job: Partial<StormJob> & Pick<StormJob, 'role' | 'allotmentId'>): Storming {
    const name = `p${++started}`;
    const toldFile = join(dir, name);
    writeFileSync(toldFile, '');
    const full: StormJob = {
      name,
      databaseUrl: fixture.databaseUrl,
      redisUrl: redis.url,
      prefix: fixture.prefix,
      chunk: CHUNK,
      calls: CALLS / PROCESSES,
      parallel: 32,
      hold: HOLD,
      spend: SPEND,
      // A machine under load must not make holds expire that are told apart below.
      deadlineMs: 30_000,
      stubborn: true,
      toldFile,
      ...job,
    };
    const child = spawn(process.execPath, [script, JSON.stringify(full)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.add(child);
    let text = '';
    const ready = new Promise<void>((resolve) => {
      child.stdout?.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (text.includes('ready\n')) resolve();
      });
    });
    const done = new Promise<Record<string, number> | undefined>((resolve) =>
      child.once('exit', () => {
        children.delete(child);
        const line = text.split('\n').find((l) => l.startsWith('{'));
        resolve(line === undefined ? undefined : JSON.parse(line));
      }),
    );
    return { child, ready, done, told: () => readFileSync(toldFile, 'utf8').split('\n').filter(Boolean) };
  }

  beforeAll(async () => {
    redis = await startOwnRedis();
    fixture = await createTokenLedgerFixture(redis.url);
  });
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    await fixture?.close();
    await redis?.stop();
  });

  /** Waits until the books stand still: everything posted, nothing held, every lease given back that was in doubt. */
  async function atRest(id: string): Promise<Awaited<ReturnType<TokenLedgerFixture['budget']>>> {
    const { purse, ledger } = fixture.replica();
    await ledger.agree();
    const deadline = Date.now() + 60_000;
    for (let still = 0; ; ) {
      const [length, { rows }] = await Promise.all([
        purse.logLength(),
        fixture.postgres.pool.query(
          `SELECT lease, generation FROM gateway.call_token_leases WHERE allotment_id = $1 AND state <> 'closed'`,
          [id],
        ),
      ]);
      let held = 0;
      let inFlight = 0;
      for (const { lease, generation } of rows) {
        const sight = await purse.look(generation, id, lease);
        if (typeof sight === 'object') {
          held += sight.held;
          inFlight += sight.inFlight;
        }
      }
      still = length === 0 && held === 0 && inFlight === 0 ? still + 1 : 0;
      if (still >= 5) break;
      if (Date.now() > deadline)
        throw new Error(`not at rest: log ${length}, held ${held}, in flight ${inFlight}`);
      await sleep(200);
    }
    expect(await bookImbalance(fixture.postgres.db, 60)).toBe(0);
    return fixture.budget(id);
  }

  const postedIds = async (id: string): Promise<Set<string>> => {
    const { rows } = await fixture.postgres.pool.query(
      `SELECT call_id FROM gateway.call_token_calls WHERE allotment_id = $1 AND state = 'settled'`,
      [id],
    );
    return new Set(rows.map((row) => row.call_id));
  };

  it('refuses while Redis is away, charges nothing for it, and tells what ended meanwhile', async () => {
    const id = await fixture.allot({ cap: 1_000 });
    const { accounts, worker } = fixture.replica();
    const account = accounts.open({ allotmentId: id, epoch: 1 });
    const request = (callId: string) => ({ callId, method: 'eth_call', units: 100, deadlineMs: 20_000 });
    const before = await account.hold(request('before'));
    if ('ok' in before) throw new Error(before.message);
    await redis.kill();
    const refused = await account.hold(request('during'));
    expect('ok' in refused && JSON.parse(refused.data ?? '{}')).toEqual({ reason: 'accounting_unavailable' });
    expect('ok' in refused && [refused.code, refused.retry, refused.retryAfterSeconds]).toEqual([
      -32_011,
      'later',
      2,
    ]);
    before.settle(40);
    await redis.start({ keepData: true });
    for (let i = 0; i < 100 && accounts.pending() > 0; i++) await sleep(100);
    await sleep(100);
    await worker.post();
    expect(await fixture.budget(id)).toMatchObject({ settled: 40, charged: 40 });
    const after = await account.hold(request('after'));
    expect('ok' in after).toBe(false);
  });

  it(`${CALLS} calls from ${PROCESSES} processes: never overspent, never negative, not one unit lost`, async () => {
    // Enough for three quarters of what they want.
    const cap = CALLS * SPEND * 0.75;
    const id = await fixture.allot({ cap, maxPerCall: HOLD, maxInFlight: 150 });
    const ledger = storm({ role: 'ledger', allotmentId: id });
    await ledger.ready;
    const replicas = Array.from({ length: PROCESSES }, () => storm({ role: 'replica', allotmentId: id }));
    const outcomes = await Promise.all(replicas.map(({ done }) => done));
    const held = outcomes.reduce((sum, o) => sum + (o?.held ?? 0), 0);
    const budget = await atRest(id);
    expect(budget.settled).toBeLessThanOrEqual(cap);
    expect(budget.settled).toBe(held * SPEND);
    expect(budget).toMatchObject({ uncollected: 0, charged: held * SPEND });
    // Whoever was refused was refused because three times the price could not be held any more.
    expect(cap - budget.settled).toBeLessThan(HOLD * 150);
    const posted = await postedIds(id);
    expect(posted.size).toBe(held);
    // On a busy machine a confirmation may come too late to be heard; what was heard is in the books.
    expect(replicas.flatMap(({ told }) => told()).filter((call) => !posted.has(call))).toEqual([]);
    ledger.child.kill('SIGKILL');
    await ledger.done;
  });

  it('survives kill -9 of a replica, of the ledger worker, and of Redis with its data', async () => {
    const cap = CALLS * SPEND * 2;
    const id = await fixture.allot({ cap, maxPerCall: HOLD, maxInFlight: 200 });
    let ledger = storm({ role: 'ledger', allotmentId: id });
    await ledger.ready;
    const replicas = Array.from({ length: 4 }, () =>
      storm({ role: 'replica', allotmentId: id, calls: CALLS / 4, deadlineMs: 3_000 }),
    );
    await Promise.all(replicas.map(({ ready }) => ready));
    await sleep(400);
    replicas[0]?.child.kill('SIGKILL');
    ledger.child.kill('SIGKILL');
    await redis.kill();
    await sleep(300);
    await redis.start({ keepData: true });
    ledger = storm({ role: 'ledger', allotmentId: id });
    await Promise.all(replicas.map(({ done }) => done));
    const budget = await atRest(id);
    const posted = await postedIds(id);
    const told = replicas.flatMap((r) => r.told());
    // Everything that Redis ever confirmed is in the books, once; every unit is spent or available.
    expect(told.filter((call) => !posted.has(call))).toEqual([]);
    expect(budget.settled).toBe(posted.size * SPEND);
    expect(budget.uncollected).toBe(0);
    expect(budget.settled + budget.held).toBeLessThanOrEqual(cap);
    expect(told.length).toBeGreaterThan(CALLS / 2);
    ledger.child.kill('SIGKILL');
    await ledger.done;
  });

  it('survives kill -9 of Redis without its data: the payer pays less, never more, the operator loses a chunk at most', async () => {
    const cap = CALLS * SPEND;
    const id = await fixture.allot({ cap, maxPerCall: HOLD, maxInFlight: 200 });
    const ledger = storm({ role: 'ledger', allotmentId: id });
    await ledger.ready;
    const replicas = Array.from({ length: 4 }, () =>
      storm({ role: 'replica', allotmentId: id, calls: CALLS / 5, deadlineMs: 3_000 }),
    );
    await Promise.all(replicas.map(({ ready }) => ready));
    await sleep(400);
    await redis.kill();
    await redis.start({ keepData: false });
    await Promise.all(replicas.map(({ done }) => done));
    const budget = await atRest(id);
    const posted = await postedIds(id);
    const lost = replicas.flatMap((r) => r.told()).filter((call) => !posted.has(call));
    expect(lost.length * SPEND).toBeLessThanOrEqual(CHUNK);
    expect(budget.settled).toBe(posted.size * SPEND - budget.uncollected);
    expect(budget.uncollected).toBeLessThanOrEqual(CHUNK);
    // What is left can be spent to the last hold that fits: nothing is stuck.
    const rest = storm({ role: 'replica', allotmentId: id, calls: CALLS, hold: SPEND });
    await rest.done;
    const end = await atRest(id);
    expect(cap - end.settled).toBeLessThan(SPEND);
    ledger.child.kill('SIGKILL');
    await ledger.done;
  });
});
