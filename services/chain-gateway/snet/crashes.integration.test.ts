import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createSeededRandom } from '../../../lib/random.ts';
import { systemClock } from '../../../lib/time.ts';
import type { CallerOrders } from '../testing/snet-caller.ts';
import {
  createSnetFixture,
  paymentAccount,
  type Replica,
  type SnetFixture,
} from '../testing/snet-fixture.ts';
import type { Channel } from './store/channel-store.ts';
import { listSignatures } from './store/signature-store.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
/** Kills in each mode; SNET_KILLS=200 for the long proof. */
const KILLS = Number(process.env.SNET_KILLS ?? 3);
const REPLICAS = 3;
const PRICE = 10n;

// Minutes of kills on a chain of its own: SNET_PROOFS=1.
const proofs = process.env.SNET_PROOFS === '1' ? describe : describe.skip;

proofs.each(['escrow', 'prepaid'] as const)('three gateways that are killed at random, %s', (mode) => {
  let world: SnetFixture;
  let keeper: Replica;
  let channel: Channel;
  const answered = new Set<string>();
  const failures: string[] = [];
  beforeAll(async () => {
    world = await createSnetFixture();
    keeper = await world.replica({ service: { payment: [mode] } });
    channel = await world.openChannel(keeper);
  }, 180_000);
  afterAll(() => world.close());

  function start(): ChildProcess {
    const orders: CallerOrders = {
      databaseUrl: world.gateway.databaseUrl,
      chainUrl: world.gateway.chain.url,
      manifest: JSON.stringify(world.gateway.manifest),
      file: world.settingsFor({ service: { payment: [mode] } }),
      signerKey: paymentAccount.privateKey,
      parallel: mode === 'prepaid' ? 8 : 2,
    };
    const child = spawn(
      join(ROOT, 'node_modules', '.bin', 'node'),
      ['services/chain-gateway/testing/snet-caller.ts'],
      {
        cwd: ROOT,
        env: { ...process.env, SNET_CALLER_ORDERS: JSON.stringify(orders) },
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    let rest = '';
    child.stdout.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (line.startsWith('answered ')) answered.add(line.slice('answered '.length));
        if (line.startsWith('failed ')) failures.push(line);
      }
    });
    return child;
  }

  it(`keeps every promise over ${KILLS} kills`, async () => {
    const random = createSeededRandom(mode === 'escrow' ? 7 : 8);
    const children = Array.from({ length: REPLICAS }, start);
    const until = async (wanted: () => boolean, ms: number): Promise<void> => {
      for (const deadline = Date.now() + ms; !wanted() && Date.now() < deadline; )
        await systemClock.sleep(20);
    };
    await until(() => answered.size > 5, 30_000);
    for (let kill = 0; kill < KILLS; kill++) {
      await systemClock.sleep(80 + random.float() * 250);
      const at = Math.floor(random.float() * REPLICAS);
      children[at]?.kill('SIGKILL');
      children[at] = start();
      // The last ones are not replaced before they have worked.
      const before = answered.size;
      await until(() => answered.size > before + 3, 10_000);
    }
    const before = answered.size;
    await until(() => answered.size > before + 10, 10_000);
    const exits = children.map((child) => new Promise((resolve) => child.once('exit', resolve)));
    for (const child of children) child.kill('SIGKILL');
    await Promise.all(exits);
    expect(answered.size).toBeGreaterThan(before);

    // The survivors settle what the dead left open: one more call through the same channel.
    await keeper.call('Echo/Say', { text: 'after' });
    await keeper.call('Echo/Say', { text: 'after' });
    const { rows } = await keeper.snet.postgres.pool.query<{ id: string; state: string }>(
      'select id, state from gateway.snet_calls',
    );
    const inBooks = (state: string) => rows.filter((row) => row.state === state).length;
    const statement = await keeper.snet.statement(channel.id);

    // Whoever heard an answer is charged for it, and nobody else but the few who died while they were told.
    for (const id of answered) expect(rows.find((row) => row.id === id)?.state).toBe('answered');
    const unheard = inBooks('answered') - answered.size - 2;
    expect(unheard).toBeGreaterThanOrEqual(0);
    expect(unheard).toBeLessThanOrEqual((KILLS + REPLICAS) * 8);
    expect(statement.drift.total).toBe(0n);

    const { acceptedPayments, counts } = world.daemon.context.observed;
    const signatures = await listSignatures(keeper.snet.postgres.db, channel.id);
    const amounts = acceptedPayments.map(({ amount }) => BigInt(amount));
    // Each payment that was ever taken is written down here, and each is higher than the one before.
    for (const [i, amount] of amounts.entries()) {
      expect(amount).toBeGreaterThan(amounts[i - 1] ?? 0n);
      expect(signatures.some((s) => s.amount === amount && s.nonce === 0n)).toBe(true);
    }
    expect(signatures.filter(({ state }) => state === 'open')).toEqual([]);
    const taken = amounts.at(-1) ?? 0n;
    // Nothing above what was taken is in the world except at most one amount that was never used.
    expect(signatures.filter(({ amount }) => amount > taken).length).toBeLessThanOrEqual(1);
    if (mode === 'escrow') {
      // One payment for each call that the daemon answered: none was lost, none was made twice.
      expect(taken).toBe(PRICE * BigInt(counts.answered ?? 0));
      expect(amounts.length).toBe(counts.answered);
    } else {
      const usage = world.daemon.context.storage.state.usage[`${channel.channelId}`];
      expect(usage?.used).toBe(PRICE * BigInt((counts.answered ?? 0) + (counts.refunded ?? 0)));
      expect(statement.channel.planned).toBe(taken);
    }

    // The contract pays the recipient exactly what was signed, and keeps the rest for us.
    await world.claim(channel.channelId as bigint);
    const after = await keeper.snet.mpe.channel(
      channel.channelId as bigint,
      await world.gateway.chain.mine(3),
    );
    expect(after.nonce).toBe(1n);
    expect(after.value).toBe(channel.chainValue - taken);
  }, 240_000);
});
