import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../lib/time.ts';
import { createSnetFixture, type Replica, type SnetFixture } from '../testing/snet-fixture.ts';
import type { Channel } from './store/channel-store.ts';

describe('calls to a SingularityNET service', () => {
  let world: SnetFixture;
  let gateway: Replica;
  let channel: Channel;
  beforeAll(async () => {
    world = await createSnetFixture();
    gateway = await world.replica();
    channel = await world.openChannel(gateway);
  });
  afterAll(() => world.close());

  const json = (
    result: { method: never; message: Buffer | undefined } | unknown,
  ): Record<string, unknown> => {
    const { method, message } = result as Awaited<ReturnType<Replica['call']>>;
    return gateway.snet.calls.toJson(method, message as Buffer) as Record<string, unknown>;
  };

  it('opens and fills a channel on the real contract by itself', () => {
    expect(channel.chainValue).toBe(100_000n);
    expect(channel.channelId).toBeDefined();
  });

  it('answers one call and charges its price', async () => {
    const result = await gateway.call('Echo/Say', {
      text: 'hello',
      tone: 'LOUD',
      sequence: '9007199254740993',
    });
    expect(json(result)).toMatchObject({ text: 'HELLO', sequence: '9007199254740993' });
    expect(result.receipt).toMatchObject({ mode: 'prepaid', charged: 10n });
  });

  it('makes many calls at once on one token, and buys more before it runs out', async () => {
    const results = await Promise.all(
      Array.from({ length: 400 }, (_, i) => gateway.call('Say', { text: `${i}` })),
    );
    expect(results.map((result) => json(result).text)).toEqual(results.map((_, i) => `${i}`));
    const { drift, books } = await gateway.snet.statement(channel.id);
    expect(books.answered).toBe(4010n);
    expect(drift.total).toBe(0n);
    await systemClock.sleep(0);
  });
});
