import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createManualClock } from '../../../lib/time.ts';
import { CHANNELS, preferencesSchema, TOPICS } from '../preferences/schema.ts';
import { createBreaker } from './breaker.ts';
import { escapeHtml, headerText, renderEmail } from './channels/email-template.ts';
import { isWithin, minuteOfDay, nextLocalHour, nextLocalTime } from './local-time.ts';
import { decide, retryDelay, smallestUnits, topicOf } from './rules.ts';

const ZONES = [
  'UTC',
  'Europe/Zurich',
  'America/New_York',
  'Asia/Kolkata',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'America/St_Johns',
];
const zone = fc.constantFrom(...ZONES);
const instant = fc.integer({ min: Date.UTC(2015, 0, 1), max: Date.UTC(2040, 0, 1) });
const time = fc
  .tuple(fc.nat(23), fc.nat(59))
  .map(([h, m]) => `${String(h).padStart(2, '0')}:${String(m).padStart(2, '0')}`);

describe('local time', () => {
  it('finds the next time on the wall: later, within 25 hours, and showing it (or skipped by the clock change)', () => {
    fc.assert(
      fc.property(instant, zone, time, (at, tz, hhmm) => {
        const next = nextLocalTime(at, tz, hhmm);
        expect(next).toBeGreaterThan(at);
        expect(next - at).toBeLessThanOrEqual(49 * 3_600_000);
        const shown = minuteOfDay(next, tz);
        const wanted = Number(hhmm.slice(0, 2)) * 60 + Number(hhmm.slice(3));
        if (shown !== wanted) expect([30, 60]).toContain((shown - wanted + 1440) % 1440);
      }),
      { numRuns: 300 },
    );
  });
  it('knows the nights when the clock changes in Zurich', () => {
    const tz = 'Europe/Zurich';
    // 2026-03-29: 02:00 becomes 03:00; 02:30 does not exist and moves to 03:30 (01:30 UTC).
    expect(nextLocalTime(Date.UTC(2026, 2, 29, 0, 0), tz, '02:30')).toBe(Date.UTC(2026, 2, 29, 1, 30));
    // 2026-10-25: 03:00 becomes 02:00; 02:30 comes twice, the first one counts (00:30 UTC).
    expect(nextLocalTime(Date.UTC(2026, 9, 24, 22, 0), tz, '02:30')).toBe(Date.UTC(2026, 9, 25, 0, 30));
    expect(nextLocalHour(Date.UTC(2026, 0, 1, 10, 20), 'Asia/Kolkata')).toBe(Date.UTC(2026, 0, 1, 10, 30));
    expect(isWithin(Date.UTC(2026, 0, 1, 22, 30), tz, '22:00', '07:00')).toBe(true);
    expect(isWithin(Date.UTC(2026, 0, 1, 6, 0), tz, '22:00', '07:00')).toBe(false);
  });
});

describe('what leaves the inbox', () => {
  const preferences = fc
    .record({
      quietHours: fc.option(fc.record({ from: time, to: time }).filter((q) => q.from !== q.to)),
      topics: fc.dictionary(
        fc.constantFrom(...TOPICS),
        fc.dictionary(fc.constantFrom(...CHANNELS), fc.boolean()),
      ),
      channels: fc.record({
        email: fc.record({ enabled: fc.boolean(), digest: fc.constantFrom('off', 'hourly', 'daily') }),
        push: fc.record({ enabled: fc.boolean() }),
      }),
      minimumAmounts: fc.constant({ RJV: '1.5' }),
    })
    .map((p) => preferencesSchema.parse(p));
  const types = fc.constantFrom(
    'transfer.in',
    'nft.out',
    'security.refresh-reused',
    'reward.posted',
    'whatever',
  );

  it('never leaves by a channel that is off, in quiet hours, below the minimum, or in the past', () => {
    fc.assert(
      fc.property(
        preferences,
        types,
        fc.constantFrom(...CHANNELS),
        zone,
        instant,
        fc.bigInt({ min: 0n, max: 3_000_000n }),
        (p, type, channel, tz, now, amount) => {
          const d = decide({ type, symbol: 'RJV', amount, decimals: 6 }, channel, p, tz, now);
          const security = topicOf(type) === 'security';
          if (!p.channels[channel].enabled) expect(d.send).toBe(false);
          else if (security) expect(d).toEqual({ send: true, dueAt: now, digest: false });
          else if (p.topics[topicOf(type)]?.[channel] === false || amount < 1_500_000n)
            expect(d.send).toBe(false);
          else {
            expect(d.send).toBe(true);
            if (!d.send) return;
            expect(d.dueAt).toBeGreaterThanOrEqual(now);
            if (p.quietHours) expect(isWithin(d.dueAt, tz, p.quietHours.from, p.quietHours.to)).toBe(false);
            expect(d.digest).toBe(channel === 'email' && p.channels.email.digest !== 'off');
          }
        },
      ),
      { numRuns: 500 },
    );
  });
  it('compares amounts exactly', () => {
    expect(smallestUnits('0.5', 6)).toBe(500_000n);
    expect(smallestUnits('0.0000001', 6)).toBe(1n);
    expect(smallestUnits('12', 0)).toBe(12n);
  });
  it('waits longer after each failure, within its limits', () => {
    const policy = { firstDelayMs: 100, factor: 3, maxDelayMs: 10_000, maxAttempts: 10 };
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.float({ min: 0, max: 1, noNaN: true }), (n, chance) => {
        const delay = retryDelay(policy, n, chance);
        expect(delay).toBeGreaterThanOrEqual(Math.min(10_000, 100 * 3 ** (n - 1)) / 2);
        expect(delay).toBeLessThanOrEqual(10_000);
      }),
    );
    expect(retryDelay(policy, 1, 0, 5_000)).toBe(5_000);
  });
});

describe('the breaker', () => {
  it('opens after five failures, lets one try, and doubles its pause', async () => {
    const clock = createManualClock();
    const breaker = createBreaker({ clock, firstPauseMs: 1_000, maxPauseMs: 8_000 });
    for (let i = 0; i < 5; i++) breaker.record('smtp', false);
    expect(breaker.waitMs('smtp')).toBe(1_000);
    expect(breaker.waitMs('push:other')).toBe(0);
    await clock.advance(1_000);
    expect(breaker.waitMs('smtp')).toBe(0);
    expect(breaker.waitMs('smtp')).toBeGreaterThan(0);
    breaker.record('smtp', false);
    expect(breaker.waitMs('smtp')).toBe(2_000);
    await clock.advance(2_000);
    breaker.waitMs('smtp');
    breaker.record('smtp', true);
    expect(breaker.waitMs('smtp')).toBe(0);
  });
});

describe('e-mail', () => {
  it('shows hostile text as text', () => {
    const mail = renderEmail(
      {
        id: 'x',
        kind: 'notice',
        personId: 'p',
        locale: 'en',
        timeZone: 'UTC',
        payload: undefined,
        notifications: [
          {
            inboxId: 'i"><script>',
            type: 'reward.posted',
            stage: 'finalized',
            occurredAt: new Date(0),
            data: {
              campaign: '<img src=x onerror=alert(1)>',
              symbol: '</h2><script>',
              amount: '5',
              decimals: 0,
            },
          },
        ],
      },
      'https://app.test',
    );
    expect(mail.html).not.toMatch(/<script|<img/);
    expect(escapeHtml(`<>&"'`)).toBe('&lt;&gt;&amp;&quot;&#39;');
    expect(headerText('a\r\nBcc: evil@x')).toBe('a Bcc: evil@x');
  });
});
