import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Wallet } from 'ethers';
import { sql } from 'kysely';
import { devAccount } from '../../../contracts/dev-accounts.ts';
import { verifyWebhook } from '../../../lib/standard-webhooks.ts';
import { transactionWebhookSchema } from '../openapi-info.ts';
import { type EthereumRpc, RpcCallError } from '../rpc/ethereum-rpc.ts';
import { createKeySigner } from '../signers/local-signers.ts';
import { signerPolicySchema } from '../signers/signers-file.ts';
import { createDirectRpc } from '../testing/direct-rpc.ts';
import { createGatewayFixture, type GatewayFixture, type RunningWorker } from '../testing/gateway-fixture.ts';
import { createTransactionSchema } from './transaction-schema.ts';

const someone = '0x00000000000000000000000000000000000A11cE';
// A busy machine is slow, not wrong.
jest.setTimeout(180_000);
let fixture: GatewayFixture;
let worker: RunningWorker | undefined;
let keys = 0;

/** The node, with faults that a test can switch on. */
const faults = { swallow: 0, fail: 0, timeoutAfterAccept: 0 };
function faulty(url: string): EthereumRpc {
  const direct = createDirectRpc(url);
  return {
    async request(method, params, options) {
      if (method !== 'eth_sendRawTransaction') return direct.request(method, params, options);
      if (faults.fail > 0) {
        faults.fail -= 1;
        throw new RpcCallError(-32015, 'timeout', { retry: 'elsewhere' });
      }
      if (faults.timeoutAfterAccept > 0) {
        faults.timeoutAfterAccept -= 1;
        await direct.request(method, params, options);
        throw new RpcCallError(-32015, 'timeout', { retry: 'elsewhere' });
      }
      if (faults.swallow > 0) {
        faults.swallow -= 1;
        const { keccak256 } = await import('ethers');
        return keccak256(String(params[0]));
      }
      return direct.request(method, params, options);
    },
  };
}

beforeAll(async () => {
  const pool = (alias: string, index: number, policy: object = {}) => ({
    alias,
    policy: signerPolicySchema.parse({ allowNative: true, ...policy }),
    signers: [createKeySigner(devAccount(index).privateKey)],
  });
  fixture = await createGatewayFixture({
    pools: [
      pool('treasury', 1),
      pool('limited', 5, { spendLimit: { wei: (10n ** 15n).toString(), periodSeconds: 3_600 } }),
      pool('poor', 6, { minimumBalance: (10n ** 18n).toString() }),
      {
        alias: 'pair',
        policy: signerPolicySchema.parse({ allowNative: true }),
        signers: [createKeySigner(devAccount(7).privateKey), createKeySigner(devAccount(8).privateKey)],
      },
    ],
  });
  await fixture.chain.rpc('evm_setAutomine', [false]);
}, 60_000);
afterAll(async () => {
  await fixture?.close();
});

const start = (options: Parameters<GatewayFixture['startWorker']>[0] = {}) => {
  worker = fixture.startWorker({ rpc: faulty(fixture.chain.url), ...options });
};
const restart = async (): Promise<void> => {
  await worker?.stop();
  start();
};
const native = (extra: object = {}) =>
  createTransactionSchema.parse({
    chainId: 31337,
    signer: 'treasury',
    to: someone,
    value: '1',
    requestedBy: 'x',
    ...extra,
  });
const ask = async (extra: object = {}) =>
  (await fixture.service.create('api', `lanes-key-${++keys}`, native(extra))).view;
const balance = async (of = someone): Promise<bigint> =>
  BigInt(await fixture.chain.rpc<string>('eth_getBalance', [of, 'latest']));
const mineUntil = async (id: string, state: string) => {
  for (let i = 0; i < 600; i++) {
    await fixture.chain.mine(1);
    const view = await fixture.service.get(id);
    if (view.state === state) return view;
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  throw new Error(`not ${state}: ${JSON.stringify(await fixture.service.get(id))}`);
};

describe('a lane', () => {
  beforeAll(() => start());

  it.each([
    ['a broadcast that fails', 'fail'],
    ['an answer that is lost after the bytes arrived', 'timeoutAfterAccept'],
    ['a provider that says yes and forgets', 'swallow'],
  ] as const)(
    'survives %s, and executes once',
    async (_, fault) => {
      const before = await balance();
      faults[fault] = 1;
      const { id } = await ask();
      await mineUntil(id, 'confirmed');
      expect((await balance()) - before).toBe(1n);
    },
    30_000,
  );

  it('cancels what is signed by spending its nonce on nothing, and says so', async () => {
    const before = await balance();
    const { id } = await ask();
    await fixture.waitFor(id, (v) => v.state === 'submitted');
    await fixture.service.cancel('api', id);
    await fixture.chain.rpc('anvil_setNextBlockBaseFeePerGas', ['0x3b9aca00']);
    const { rows } = await waitForAttempt(id, 'cancel');
    expect(rows).toBeGreaterThan(0);
    const done = await mineUntil(id, 'confirmed');
    expect(done.outcome).toBe('cancelled');
    expect(done.error?.code).toBe('cancelled');
    expect(await balance()).toBe(before);
  }, 180_000);

  it('cancels what is not signed at once', async () => {
    await worker?.stop();
    const { id } = await ask();
    expect(await fixture.service.cancel('api', id)).toMatchObject({ state: 'cancelled', nonce: null });
    await expect(fixture.service.speedUp('api', id)).rejects.toMatchObject({ code: 'conflict' });
    start();
  });

  it('speeds up with at least a tenth more, and executes once', async () => {
    const before = await balance();
    const { id } = await ask({ urgency: 'slow' });
    await fixture.waitFor(id, (v) => v.state === 'submitted');
    await fixture.service.speedUp('api', id);
    await waitForAttempt(id, 'bump');
    const { rows } = await sql<{ max_fee: string; max_priority: string }>`
      SELECT max_fee::text, max_priority::text FROM attempts a JOIN nonce_slots s USING (chain_id, signer, nonce) WHERE s.transaction_id = ${id} ORDER BY number`.execute(
      fixture.postgres.db,
    );
    const [first, second] = rows;
    expect(BigInt(second?.max_fee ?? 0) * 10n).toBeGreaterThanOrEqual(BigInt(first?.max_fee ?? 0) * 11n);
    expect(BigInt(second?.max_priority ?? 0) * 10n).toBeGreaterThanOrEqual(
      BigInt(first?.max_priority ?? 0) * 11n,
    );
    await mineUntil(id, 'confirmed');
    expect((await balance()) - before).toBe(1n);
  }, 180_000);

  it('goes on after the mempool was dropped', async () => {
    const before = await balance();
    const { id } = await ask();
    await fixture.waitFor(id, (v) => v.state === 'submitted');
    await fixture.chain.rpc('anvil_dropAllTransactions', []);
    await mineUntil(id, 'confirmed');
    expect((await balance()) - before).toBe(1n);
  }, 180_000);

  it('takes an included transaction back after a reorg and brings it in again', async () => {
    const before = await balance();
    const { id } = await ask();
    await fixture.waitFor(id, (v) => v.state === 'submitted');
    await fixture.chain.mine(1);
    await fixture.waitFor(id, (v) => v.state === 'included');
    await fixture.chain.mine(2);
    await fixture.waitFor(id, (v) => v.state === 'confirmed');
    await fixture.chain.reorg(3);
    await fixture.waitFor(id, (v) => v.state === 'submitted');
    await mineUntil(id, 'confirmed');
    const { rows } = await sql<{
      action: string;
    }>`SELECT action FROM audit_entries WHERE subject = ${`transaction:${id}`} ORDER BY id`.execute(
      fixture.postgres.db,
    );
    expect(rows.map((row) => row.action)).toContain('reorged');
    expect((await balance()) - before).toBe(1n);
  }, 180_000);

  it('notices that the key was used elsewhere, and goes on after it', async () => {
    const wallet = new Wallet(devAccount(1).privateKey);
    const nonce = Number(
      await fixture.chain.rpc<string>('eth_getTransactionCount', [wallet.address, 'latest']),
    );
    const raw = await wallet.signTransaction({
      chainId: 31337,
      nonce,
      to: wallet.address,
      gasLimit: 21_000,
      maxFeePerGas: 10n ** 11n,
      maxPriorityFeePerGas: 10n ** 9n,
      type: 2,
    });
    await fixture.chain.rpc('eth_sendRawTransaction', [raw]);
    await fixture.chain.mine(1);
    const { id } = await ask();
    const done = await mineUntil(id, 'confirmed');
    expect(done.nonce).toBe(nonce + 1);
    const { rows } = await sql<{
      state: string;
    }>`SELECT state FROM nonce_slots WHERE signer = ${wallet.address} AND nonce = ${nonce}`.execute(
      fixture.postgres.db,
    );
    expect(rows[0]?.state).toBe('foreign');
  }, 180_000);

  it('adopts after a restore from backup what had been sent before, and sends nothing twice', async () => {
    const before = await balance();
    const { id } = await ask({ value: '77' });
    const done = await mineUntil(id, 'confirmed');
    await worker?.stop();
    // The database as it was before the transaction was signed.
    await sql
      .raw(`ALTER TABLE gateway.transactions DISABLE TRIGGER ALL; ALTER TABLE gateway.attempts DISABLE TRIGGER ALL;
        DELETE FROM gateway.attempts WHERE signer = '${done.signer.address}' AND nonce = ${done.nonce};
        DELETE FROM gateway.signer_spend WHERE signer = '${done.signer.address}' AND nonce = ${done.nonce};
        DELETE FROM gateway.nonce_slots WHERE signer = '${done.signer.address}' AND nonce = ${done.nonce};
        UPDATE gateway.lanes SET next_nonce = ${done.nonce} WHERE signer = '${done.signer.address}';
        UPDATE gateway.transactions SET state = 'queued', signer = NULL, nonce = NULL, hash = NULL, block_hash = NULL, block_number = NULL, outcome = NULL,
          prepare_after = now() WHERE id = '${id}';
        ALTER TABLE gateway.transactions ENABLE TRIGGER ALL; ALTER TABLE gateway.attempts ENABLE TRIGGER ALL`)
      .execute(fixture.postgres.db);
    start();
    const again = await mineUntil(id, 'confirmed');
    expect(again.hash).toBe(done.hash);
    expect((await balance()) - before).toBe(77n);
  }, 180_000);

  it('carries on where a killed process stopped', async () => {
    const before = await balance();
    const views = await Promise.all(Array.from({ length: 10 }, () => ask()));
    await restart();
    for (const { id } of views) await mineUntil(id, 'confirmed');
    expect((await balance()) - before).toBe(10n);
  }, 180_000);
});

async function waitForAttempt(id: string, kind: string): Promise<{ rows: number }> {
  for (let i = 0; i < 600; i++) {
    const { rows } =
      await sql`SELECT 1 FROM attempts a JOIN nonce_slots s USING (chain_id, signer, nonce) WHERE s.transaction_id = ${id} AND a.kind = ${kind} AND a.accepted_at IS NOT NULL`.execute(
        fixture.postgres.db,
      );
    if (rows.length > 0) return { rows: rows.length };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`no ${kind} for ${id}`);
}

describe('policies', () => {
  it('hold back what is above the spend limit, and say why', async () => {
    const first = await ask({ signer: 'limited', value: (9n * 10n ** 14n).toString() });
    await mineUntil(first.id, 'confirmed');
    const second = await ask({ signer: 'limited', value: (9n * 10n ** 14n).toString() });
    const waiting = await fixture.waitFor(second.id, (v) => v.waitingReason === 'spend_limit');
    expect(waiting.state).toBe('prepared');
    await fixture.service.cancel('api', second.id);
  }, 180_000);

  it('stop taking work below the minimum balance, and resume above it', async () => {
    const poor = devAccount(6).address;
    await fixture.chain.rpc('anvil_setBalance', [poor, '0x16345785d8a0000']);
    const { id } = await ask({ signer: 'poor' });
    for (let i = 0; i < 600; i++) {
      const { rows } = await sql<{
        paused_reason: string | null;
      }>`SELECT paused_reason FROM lanes WHERE signer = ${poor}`.execute(fixture.postgres.db);
      if (rows[0]?.paused_reason === 'below_minimum_balance') break;
      if (i === 99) throw new Error('the lane was not paused');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await fixture.chain.rpc('anvil_setBalance', [poor, '0x8ac7230489e80000']);
    await mineUntil(id, 'confirmed');
  }, 180_000);

  it('share work between the signers of a pool', async () => {
    const views = await Promise.all(Array.from({ length: 8 }, () => ask({ signer: 'pair' })));
    const done = [];
    for (const { id } of views) done.push(await mineUntil(id, 'confirmed'));
    expect(new Set(done.map((view) => view.signer.address)).size).toBe(2);
  }, 180_000);

  it('let a fee cap below the base fee wait, with the reason', async () => {
    const { id } = await ask({ maxFeePerGas: '1' });
    const waiting = await fixture.waitFor(id, (v) => v.waitingReason === 'fee_cap_below_base_fee');
    expect(waiting.state).toBe('queued');
    await fixture.service.cancel('api', id);
  });
});

describe('webhooks', () => {
  it('tell of every state in order, signed, and come again after a failure', async () => {
    const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
    const received: { state: string; ok: boolean }[] = [];
    let refuse = 1;
    const server = createServer((req, res) => {
      let body = '';
      req.on('data', (chunk) => {
        body += chunk;
      });
      req.on('end', () => {
        if (refuse-- > 0) return res.writeHead(500).end();
        const ok = verifyWebhook(req.headers as Record<string, string>, body, secret, Date.now() / 1000);
        const { data } = transactionWebhookSchema.parse(JSON.parse(body));
        received.push({ state: data.state, ok });
        return res.writeHead(204).end();
      });
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    await worker?.stop();
    start({ webhookSecrets: [secret] });
    const { id } = await ask({
      webhookUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    });
    await mineUntil(id, 'confirmed');
    for (let i = 0; i < 150 && received.length < 6; i++)
      await new Promise((resolve) => setTimeout(resolve, 100));
    server.close();
    expect(received.map((r) => r.state)).toEqual([
      'queued',
      'prepared',
      'signed',
      'submitted',
      'included',
      'confirmed',
    ]);
    expect(received.every((r) => r.ok)).toBe(true);
  }, 180_000);
});

describe('a key that is rotated out', () => {
  it('takes nothing new, while the other one of its pool works on', async () => {
    await worker?.stop();
    const [old, fresh] = fixture.pools.pool('pair')?.signers ?? [];
    if (!old || !fresh) throw new Error('the pool has two signers');
    (old as { draining?: boolean }).draining = true;
    start();
    const views = await Promise.all(Array.from({ length: 4 }, () => ask({ signer: 'pair' })));
    for (const { id } of views) expect((await mineUntil(id, 'confirmed')).signer.address).toBe(fresh.address);
  }, 180_000);
});
