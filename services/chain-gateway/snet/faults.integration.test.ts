import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { sql } from 'kysely';
import { AppError } from '../../../lib/errors.ts';
import { systemClock } from '../../../lib/time.ts';
import { createSnetFixture, type Replica, type SnetFixture } from '../testing/snet-fixture.ts';
import type { Channel } from './store/channel-store.ts';

// Minutes of faults on a chain of its own: SNET_PROOFS=1.
const proofs = process.env.SNET_PROOFS === '1' ? describe : describe.skip;

proofs('a SingularityNET daemon in trouble', () => {
  let world: SnetFixture;
  let gateway: Replica;
  let channel: Channel;
  beforeAll(async () => {
    world = await createSnetFixture();
  });
  beforeEach(async () => {
    gateway = await world.replica();
    channel = await world.openChannel(gateway);
  }, 180_000);
  afterEach(() => gateway.close());
  afterAll(() => world.close());

  const many = (count: number, one = gateway) =>
    Promise.all(Array.from({ length: count }, (_, i) => one.call('Say', { text: `${i}` })));
  const codeOf = (call: Promise<unknown>): Promise<string> =>
    call.then(
      () => 'answered',
      (error) => (error instanceof AppError ? error.code : String(error)),
    );
  const drift = async () => (await gateway.snet.statement(channel.id)).drift.total;

  it('survives tokens that end, a clock that jumps, new secrets and a daemon that forgets, without a failed call', async () => {
    await many(3);
    // Tokens of two seconds: renewed all the time, and refused when they are used too late.
    world.daemon.set({ tokenLifeSeconds: 5 });
    world.daemon.forget('secret');
    await many(20);
    world.daemon.set({ clockSkewMs: 3_600_000 });
    await many(20);
    world.daemon.set({ clockSkewMs: 0, tokenLifeSeconds: 86_400 });
    await many(20);
    expect(await drift()).toBe(0n);

    world.daemon.forget('everything');
    await many(20);
    const after = await gateway.snet.statement(channel.id);
    expect(after.channel.epoch).toBeGreaterThan(1);
    expect(after.drift.total).toBe(0n);
  });

  it('waits for a daemon that restarts, and makes the calls that had not reached it', async () => {
    await many(3);
    const down = world.daemon.restart(700);
    const codes = await Promise.all(
      Array.from({ length: 10 }, async (_, i) => {
        await systemClock.sleep(100 + i * 10);
        for (;;) {
          const code = await codeOf(gateway.call('Say', { text: `${i}` }));
          // Cut off by the breaker, told when to come back: what a client does.
          if (code !== 'dependency_unavailable' && code !== 'queue_full') return code;
          await systemClock.sleep(200);
        }
      }),
    );
    await down;
    expect(codes.every((code) => code === 'answered')).toBe(true);
    expect(await drift()).toBe(0n);
  });

  it('charges nobody for an answer that was lost, and does not repeat a call that may have been carried out', async () => {
    await many(1);
    const { books: before } = await gateway.snet.statement(channel.id);
    const answeredBefore = world.daemon.context.observed.counts.answered ?? 0;
    world.daemon.set({ loseAnswers: 1 });
    expect(await codeOf(gateway.call('Say', {}))).toBe('snet_answer_lost');
    expect(world.daemon.context.observed.counts.answered).toBe(answeredBefore + 1);
    const repeating = await world.replica({ service: { repeatable: ['*'] } });
    world.daemon.set({ loseAnswers: 1 });
    expect(await codeOf(repeating.call('Say', {}))).toBe('answered');
    const { books, drift: found } = await gateway.snet.statement(channel.id);
    expect(books).toMatchObject({ answered: before.answered + 10n, lost: before.lost + 20n });
    await repeating.close();
    expect(found.total).toBe(0n);

    const escrow = await world.replica({ service: { payment: ['escrow'] } });
    world.daemon.set({ loseAnswers: 1 });
    expect(await codeOf(escrow.call('Say', {}))).toBe('snet_answer_lost');
    expect(await codeOf(escrow.call('Say', {}))).toBe('answered');
    expect(await drift()).toBe(0n);
    await escrow.close();
  });

  it('follows a claim: new nonce, less in the channel, and goes on', async () => {
    await many(5);
    const taken = (await gateway.snet.statement(channel.id)).channel.accepted;
    const claimed = world.claim(channel.channelId as bigint);
    await many(30);
    await claimed;
    await many(150);
    const escrow = await world.replica({ service: { payment: ['escrow'] } });
    await many(3, escrow);
    await escrow.close();
    await systemClock.sleep(1_500);
    const { channel: now, chain, drift: found } = await gateway.snet.statement(channel.id);
    expect(now.nonce).toBe(1n);
    expect(chain).toMatchObject({ claimed: taken, value: channel.chainValue - taken });
    expect(found.total).toBe(0n);
  });

  it('keeps apart signatures that the daemon takes for too old: a head that lags', async () => {
    world.daemon.set({ blockSkew: 40 });
    const late = gateway.call('Say', {});
    await systemClock.sleep(600);
    world.daemon.set({ blockSkew: 0 });
    await late;
    expect(await drift()).toBe(0n);
  });

  it('survives a reorg that takes the funding away', async () => {
    const other = await world.replica({
      file: {
        funding: {
          auto: true,
          deposit: '100000',
          lowWater: '99500',
          maxDeposit: '1000000',
          expiryBlocks: 100_000,
        },
      },
    });
    await many(60, other);
    // More funds are on their way now; the chain changes its mind about the last blocks.
    await systemClock.sleep(400);
    await world.gateway.chain.reorg(2);
    await many(20, other);
    for (const until = Date.now() + 20_000; ; await systemClock.sleep(100)) {
      const [now] = [await other.snet.keeper.channelOf(other.snet.directory.groups()[0] as never)];
      if (now.chainValue > channel.chainValue) break;
      expect(Date.now()).toBeLessThan(until);
    }
    await many(5, other);
    expect(await drift()).toBe(0n);
    await other.close();
  });

  it('extends a channel before its end; without that, says until when it can be used', async () => {
    await many(2);
    const near = channel.expiration - 50n;
    const frozen = { funding: { auto: false } };
    const idle = await world.replica({ file: { ...frozen } });
    await gateway.close();
    const head = BigInt(await world.gateway.chain.rpc<string>('eth_blockNumber'));
    await world.gateway.chain.mine(Number(near - head - 20n));
    // What was bought is still good; a new purchase is not.
    await sql`update gateway.snet_channels set committed = planned`.execute(idle.snet.postgres.db);
    await world.gateway.chain.mine(25);
    const error = await idle.call('Say', {}, { timeoutMs: 1_500 }).catch((e: AppError) => e);
    expect(error).toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(/takes no payments from block \d+ on\. Extend it: POST/),
    });
    gateway = await world.replica({
      file: {
        funding: {
          auto: true,
          deposit: '100000',
          lowWater: '1000',
          maxDeposit: '1000000',
          expiryBlocks: 100_000,
          extendBelowBlocks: 5_000,
        },
      },
    });
    await gateway.call('Say', {});
  });

  it('says how much is missing and how to add it', async () => {
    const poor = await world.replica({
      file: { funding: { auto: false } },
      service: { price: '50000000' },
    });
    const error = await poor.call('Say', {}, { timeoutMs: 1_200 }).catch((e: AppError) => e);
    expect(error).toMatchObject({
      code: 'insufficient_funds',
      message: expect.stringMatching(
        /has \d+ cogs left and this needs 50000000: \d+ are missing\. Add funds: POST \/internal\/snet\/channels\/[0-9a-f-]+\/fund/,
      ),
    });
    await poor.close();
  });

  it('gives back what was not spent, after the end of the channel', async () => {
    await many(3);
    await gateway.close();
    const operator = await world.replica({ file: { funding: { auto: false } } });
    const head = BigInt(await world.gateway.chain.rpc<string>('eth_blockNumber'));
    await world.gateway.chain.mine(Number(channel.expiration - head) + 5);
    await systemClock.sleep(800);
    const { insertFunding, lastFunding } = await import('./store/funding-store.ts');
    await insertFunding(operator.snet.postgres.db, {
      id: crypto.randomUUID(),
      channel: channel.id,
      kind: 'withdraw',
      amount: 0n,
      expiration: 0n,
    });
    operator.snet.keeper.poke();
    for (const until = Date.now() + 20_000; ; await systemClock.sleep(100)) {
      const funding = await lastFunding(operator.snet.postgres.db, channel.id);
      expect(funding?.error).toBeUndefined();
      if (funding?.state === 'done') break;
      expect(Date.now()).toBeLessThan(until);
    }
    expect(await operator.snet.mpe.freeBalance(channel.sender)).toBe(0n);
    const rest = await operator.snet.mpe.channel(
      channel.channelId as bigint,
      await world.gateway.chain.mine(1),
    );
    expect(rest.value).toBe(0n);
  });

  it('tells wrong settings apart: a group of somebody else, a signer that is not the channel’s', async () => {
    const { settingsFor } = world;
    const base = settingsFor() as {
      organizations: { rejuve: { groups: { default_group: Record<string, unknown> } } };
    };
    base.organizations.rejuve.groups.default_group.id = Buffer.alloc(32, 7).toString('base64');
    const wrongGroup = await world.replica({ file: base as never });
    await world.openChannel(wrongGroup);
    const error = await wrongGroup.call('Say', {}, { timeoutMs: 4_000 }).catch((e: AppError) => e);
    expect(error).toMatchObject({
      code: 'dependency_unavailable',
      message: expect.stringMatching(/channel|group/),
    });
  });
});
