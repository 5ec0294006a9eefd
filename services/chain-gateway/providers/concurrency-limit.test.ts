import { describe, expect, it } from '@jest/globals';
import { createManualClock } from '../../../lib/time.ts';
import { createConcurrencyLimit } from './concurrency-limit.ts';

/** A provider that works on `slots` calls at once, each `serviceMs` long; the rest waits inside it, unseen by us. */
function createProviderModel(settings: { slots: number; serviceMs: number }) {
  const clock = createManualClock();
  const limit = createConcurrencyLimit(clock, 2_000);
  const model = { ...settings };
  let inFlight = 0;
  let done = 0;
  const freeAt: number[] = [];
  const send = (): void => {
    inFlight++;
    const together = inFlight;
    const at = clock.monotonic();
    while (freeAt.length < model.slots) freeAt.push(0);
    freeAt.length = model.slots;
    const slot = freeAt.indexOf(Math.min(...freeAt));
    const end = Math.max(at, freeAt[slot] as number) + model.serviceMs;
    freeAt[slot] = end;
    clock.setTimeout(() => {
      inFlight--;
      done++;
      limit.onAnswer('eth_call', clock.monotonic() - at, together);
    }, end - at);
  };
  return {
    clock,
    limit,
    model,
    done: () => done,
    inFlight: () => inFlight,
    async offer(perMs: number, forMs: number): Promise<void> {
      for (let ms = 0; ms < forMs; ms++) {
        for (let i = 0; i < perMs && inFlight < limit.limit(); i++) send();
        await clock.advance(1);
      }
    },
  };
}

describe('the learned concurrency of a provider', () => {
  it('stays out of the way while answers come as usual', async () => {
    const provider = createProviderModel({ slots: 10_000, serviceMs: 20 });
    await provider.offer(5, 1_000);
    // In use are 100; nothing holds the limit near them.
    expect(provider.limit.limit()).toBeGreaterThan(100);
    expect(provider.inFlight()).toBeLessThan(provider.limit.limit());
  });

  it('comes down to what the provider can do, and keeps it busy', async () => {
    const provider = createProviderModel({ slots: 50, serviceMs: 20 });
    await provider.offer(1, 1_000);
    await provider.offer(20, 3_000);
    const before = provider.done();
    await provider.offer(20, 5_000);
    expect(provider.limit.limit()).toBeLessThan(250);
    expect(provider.limit.limit()).toBeGreaterThanOrEqual(50);
    // 50 slots of 20 ms are 2,500 calls a second.
    expect((provider.done() - before) / 5).toBeGreaterThan(2_400);
  });

  it('does not take a share of stuck calls for slowness', async () => {
    const clock = createManualClock();
    const limit = createConcurrencyLimit(clock, 2_000);
    for (let i = 0; i < 5_000; i++) {
      limit.onAnswer('eth_call', i % 10 === 0 ? 2_000 : 15, 500);
      await clock.advance(1);
    }
    expect(limit.limit()).toBeGreaterThan(600);
  });

  it('compares a method with itself: dear calls among cheap ones are not slowness', async () => {
    const clock = createManualClock();
    const limit = createConcurrencyLimit(clock, 2_000);
    for (let i = 0; i < 5_000; i++) {
      const dear = i > 1_000 && i % 3 > 0;
      limit.onAnswer(dear ? 'eth_getLogs' : 'eth_call', dear ? 400 : 15, 500);
      await clock.advance(1);
    }
    expect(limit.limit()).toBeGreaterThan(600);
  });

  it('accepts that a provider has become slower for good, and grows again', async () => {
    const provider = createProviderModel({ slots: 10_000, serviceMs: 20 });
    await provider.offer(5, 2_000);
    provider.model.serviceMs = 150;
    await provider.offer(5, 1_000);
    expect(provider.limit.limit()).toBeLessThan(500);
    await provider.offer(5, 8_000);
    expect(provider.limit.limit()).toBeGreaterThan(500);
  });
});
