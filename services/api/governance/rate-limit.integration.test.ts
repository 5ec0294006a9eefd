import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ApiHarness, startApiHarness } from '../testing/api-harness.ts';
import { addressOf } from './guard.ts';

describe('where a request came from', () => {
  const req = (forwarded?: string) => ({
    headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
    socket: { remoteAddress: '10.0.0.9' } as never,
  });
  it.each([
    [undefined, 0, '10.0.0.9'],
    // Without a trusted proxy what a client claims counts for nothing.
    ['1.1.1.1', 0, '10.0.0.9'],
    ['1.1.1.1', 1, '1.1.1.1'],
    // The proxy appends what it saw; what stood there before is hearsay.
    ['6.6.6.6, 1.1.1.1', 1, '1.1.1.1'],
    ['6.6.6.6, 1.1.1.1, 10.0.0.1', 2, '1.1.1.1'],
    ['1.1.1.1', 2, '1.1.1.1'],
    [undefined, 2, '10.0.0.9'],
  ] as const)('%s through %i proxies is %s', (forwarded, proxies, address) => {
    expect(addressOf(req(forwarded), proxies)).toBe(address);
  });
});

describe('limits by network address', () => {
  let h: ApiHarness;
  beforeAll(async () => {
    h = await startApiHarness({ REQUESTS_PER_MINUTE_PER_ADDRESS: '20', TRUSTED_PROXIES: '1' });
  }, 60_000);
  afterAll(() => h?.stop());

  it('count all callers behind one address together, and say which limit it was', async () => {
    const from = (address: string, person: string) =>
      h.user
        .accessToken(person)
        .then((token) =>
          h.call('GET', '/v1/tokens', { token, headers: { 'x-forwarded-for': `6.6.6.6, ${address}` } }),
        );
    const answers = [];
    for (let i = 0; i < 22; i++) answers.push(await from('198.51.100.7', `person-${i}`));
    expect(answers.slice(0, 20).map(({ status }) => status)).toEqual(Array(20).fill(200));
    const refused = answers.at(-1);
    expect([refused?.status, refused?.body.code]).toEqual([429, 'rate_limited']);
    expect(refused?.body.detail).toContain('one network address');
    expect(refused?.headers.get('ratelimit')).toMatch(/^"address";r=0;t=\d+$/);
    expect(refused?.headers.get('ratelimit-policy')).toContain('"address";q=20;w=60');
    expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await from('198.51.100.8', 'person-1')).status).toBe(200);
    // No address in the clear anywhere: it is personal data.
    const { Redis } = await import('ioredis');
    const redis = new Redis(h.redis.url);
    const keys = await redis.keys('*rate:*');
    await redis.quit();
    expect(keys.length).toBeGreaterThan(0);
    expect(keys.join(' ')).not.toContain('198.51');
  });
});
