import { describe, expect, it } from '@jest/globals';
import { createSeededRandom } from '../../../lib/random.ts';
import { createManualClock } from '../../../lib/time.ts';
import { createRateLimit, type RateLimit } from './rate-limit.ts';

/** Offers calls to a provider for a while; the provider answers at once. */
async function offer(
  limit: RateLimit,
  clock: ReturnType<typeof createManualClock>,
  perSecond: number,
  ms: number,
  accepts: () => { ok: boolean; pauseMs?: number },
): Promise<{ sent: number; ok: number }> {
  let sent = 0;
  let ok = 0;
  let due = 0;
  for (let t = 0; t < ms; t += 5) {
    for (due += perSecond / 200; due >= 1; due--) {
      if (limit.waitMs() > 0 || !limit.tryTake()) continue;
      sent++;
      const answer = accepts();
      if (answer.ok) {
        ok++;
        limit.onAccepted();
      } else limit.onRefused(answer.pauseMs);
    }
    await clock.advance(5);
  }
  return { sent, ok };
}

describe('a learned rate limit', () => {
  it('is not learned from a provider that refuses one call in twenty whatever the rate', async () => {
    const clock = createManualClock();
    const random = createSeededRandom(3);
    const limit = createRateLimit(clock, undefined);
    const { ok, sent } = await offer(limit, clock, 200, 30_000, () => ({ ok: random.float() >= 0.05 }));
    expect(sent).toBeGreaterThan(4_500);
    expect(ok).toBeGreaterThan(4_200);
  });

  it('does not fall to nothing when a provider refuses a third, and comes back', async () => {
    const clock = createManualClock();
    const random = createSeededRandom(4);
    const limit = createRateLimit(clock, undefined);
    await offer(limit, clock, 200, 5_000, () => ({ ok: true }));
    await offer(limit, clock, 200, 10_000, () => ({ ok: random.float() >= 0.33 }));
    expect(limit.rate()).toBeGreaterThan(10);
    await offer(limit, clock, 200, 40_000, () => ({ ok: true }));
    expect(limit.rate()).toBeGreaterThan(100);
  });

  it('rests as long as Retry-After says, not sixty times as long, until the limit is confirmed', async () => {
    const clock = createManualClock();
    const limit = createRateLimit(clock, undefined);
    await offer(limit, clock, 5, 2_000, () => ({ ok: true }));
    limit.tryTake();
    limit.onRefused(1_000);
    expect(limit.pausedMs()).toBe(1_000);
    await clock.advance(1_001);
    expect(limit.tryTake() || limit.waitMs() < 500).toBe(true);
    // One refusal at five calls a second must not mean five calls a second for a minute.
    await offer(limit, clock, 200, 20_000, () => ({ ok: true }));
    expect(limit.rate()).toBeGreaterThan(50);
  });

  it('stays near a true limit and seldom meets it', async () => {
    const clock = createManualClock();
    const limit = createRateLimit(clock, undefined);
    let tokens = 20;
    let at = clock.monotonic();
    const bucket = (): { ok: boolean } => {
      tokens = Math.min(20, tokens + ((clock.monotonic() - at) / 1_000) * 100);
      at = clock.monotonic();
      if (tokens < 1) return { ok: false };
      tokens--;
      return { ok: true };
    };
    await offer(limit, clock, 300, 10_000, bucket);
    const { sent, ok } = await offer(limit, clock, 300, 30_000, bucket);
    expect(ok / 30).toBeGreaterThan(95);
    expect(sent / ok).toBeLessThan(1.05);
  });
});
