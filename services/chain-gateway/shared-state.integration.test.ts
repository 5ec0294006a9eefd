import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createLogger } from '../../lib/log.ts';
import { systemClock as clock } from '../../lib/time.ts';
import { createTestRedis, type TestRedis } from '../../tools/testing/test-redis.ts';
import { createSharedState, type SharedState } from './shared-state.ts';
import { createVirtualGateway, VIRTUAL_CHAIN_ID, type VirtualGateway } from './testing/virtual-gateway.ts';

const log = createLogger({ service: 'test', level: 'silent' });

/** A replica: providers in virtual time, Redis for real. */
async function createReplica(
  redis: TestRedis,
): Promise<{ gateway: VirtualGateway; state: SharedState; costs: ReturnType<SharedState['join']> }> {
  const state = createSharedState({
    processId: 'test',
    url: redis.url,
    prefix: redis.prefix,
    chainId: VIRTUAL_CHAIN_ID,
    clock,
    log,
  });
  const gateway = await createVirtualGateway({ shared: state.cache, blockTimeMs: 0 });
  return { gateway, state, costs: state.join(gateway.path) };
}

async function until(condition: () => boolean, ms = 3_000): Promise<void> {
  const end = Date.now() + ms;
  while (!condition() && Date.now() < end) await clock.sleep(10);
}

/** Lets virtual and real time pass together: Redis answers in real time, providers in virtual time. */
async function settle<T>(gateway: VirtualGateway, work: Promise<T>): Promise<T> {
  let done = false;
  void work.finally(() => {
    done = true;
  });
  for (let i = 0; i < 300 && !done; i++) {
    await clock.sleep(5);
    await gateway.clock.advance(10);
  }
  return work;
}

describe('what replicas share', () => {
  let redis: TestRedis;
  let a: Awaited<ReturnType<typeof createReplica>>;
  let b: Awaited<ReturnType<typeof createReplica>>;

  beforeAll(async () => {
    redis = await createTestRedis();
    a = await createReplica(redis);
    b = await createReplica(redis);
  });
  afterAll(async () => {
    for (const { gateway, state } of [a, b]) {
      await gateway.close();
      await state.close();
    }
    await redis.drop();
  });

  it('a result that one replica has fetched is not fetched by the other', async () => {
    const number = a.gateway.chain.finalized() - 1;
    const params = ['0x01', `0x${number.toString(16)}`];
    // The first lookup may meet a connection that is still being made; after a failure Redis is left alone for a second.
    await clock.sleep(1_200);
    const first = await settle(a.gateway, a.gateway.call('eth_getBalance', params));
    expect(first).toMatchObject({ cache: 'miss', attempts: 1 });
    await clock.sleep(50);
    const second = await settle(b.gateway, b.gateway.call('eth_getBalance', params));
    expect(second).toMatchObject({ cache: 'shared-hit', provider: 'shared-cache', result: first.result });
    expect(await settle(b.gateway, b.gateway.call('eth_getBalance', params))).toMatchObject({ cache: 'hit' });
  });

  it('a head that one replica has served is served by the other before its own poll', async () => {
    a.gateway.chain.mine();
    a.gateway.chain.mine();
    await a.gateway.clock.advance(600);
    const head = a.gateway.path.view.head() as number;
    await until(() => b.gateway.path.view.head() === head);
    expect(b.gateway.path.view.head()).toBe(head);
  });

  it('spending is added up over replicas', async () => {
    await a.costs.flush();
    await b.costs.flush();
    const { today } = await a.costs.report();
    expect(today.byMethod.eth_getBalance?.calls).toBe(1);
    expect(today.saved.calls).toBe(2);
    expect((await b.costs.report()).today).toEqual(today);
  });
});

describe('with Redis away', () => {
  it('answers all the same', async () => {
    const state = createSharedState({
      processId: 'test',
      url: 'redis://127.0.0.1:1',
      prefix: 'x',
      chainId: VIRTUAL_CHAIN_ID,
      clock,
      log,
    });
    const gateway = await createVirtualGateway({ shared: state.cache });
    const costs = state.join(gateway.path);
    const startedAt = Date.now();
    const answer = await settle(gateway, gateway.call('eth_getBalance', ['0x01', 'latest']));
    expect(answer.error).toBeUndefined();
    expect(Date.now() - startedAt).toBeLessThan(1_500);
    expect((await costs.report()).today.total.calls).toBeGreaterThan(0);
    await gateway.close();
    await state.close();
  });
});
