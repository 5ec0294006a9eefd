import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { checkTargetUrl, ForbiddenTarget, isPublicAddress } from './public-address.ts';
import { createSafeHttp, retryAfterMs } from './safe-http.ts';

describe('URLs that people give us', () => {
  it.each([
    'http://example.org/',
    'https://127.0.0.1/',
    'https://10.1.2.3/',
    'https://169.254.169.254/latest/meta-data',
    'https://[::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[fd00::1]/',
    'https://[fe80::1]/',
    'https://localhost/',
    'https://db.internal/',
    'https://intranet/',
    'https://user:pw@example.org/',
    'https://example.org:8443/',
    'https://0x7f000001/',
    'https://2130706433/',
    'https://127.1/',
    'ftp://example.org/',
    'https://192.168.1.1./',
  ])('refuses %s', (url) => {
    expect(() => checkTargetUrl(url, false)).toThrow(ForbiddenTarget);
  });
  it('accepts public ones', () => {
    expect(checkTargetUrl('https://hooks.example.org/a?b=c', false).hostname).toBe('hooks.example.org');
    expect(isPublicAddress('2606:4700::1111')).toBe(true);
    expect(isPublicAddress('8.8.8.8')).toBe(true);
    expect(isPublicAddress('2002:7f00:1::')).toBe(false);
    expect(isPublicAddress('nonsense')).toBe(false);
  });
  it('reads Retry-After as seconds and as a date', () => {
    expect(retryAfterMs('120', 0)).toBe(120_000);
    expect(retryAfterMs(new Date(5_000).toUTCString(), 1_000)).toBe(4_000);
    expect(retryAfterMs('soon', 0)).toBeUndefined();
  });
});

describe('connections', () => {
  let hits = 0;
  const server = createServer((_req, res) => {
    hits++;
    res.end();
  });
  beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
  afterAll(() => new Promise<void>((resolve) => server.close(() => resolve())));

  it('never reach a private address behind a public name, also when the name changes its answer', async () => {
    let asked = 0;
    const { port } = server.address() as AddressInfo;
    const http = createSafeHttp({
      allowPrivate: false,
      // The first answer is public, the second one points inwards: DNS rebinding.
      lookup: ((
        _name: string,
        _options: object,
        done: (e: null, a: { address: string; family: number }[]) => void,
      ) => {
        asked++;
        done(null, [{ address: '127.0.0.1', family: 4 }]);
      }) as never,
    });
    await expect(
      http.post(`https://rebind.example.org/`, { headers: {}, body: '', signal: AbortSignal.timeout(2_000) }),
    ).rejects.toThrow();
    await expect(
      http.post(`https://rebind.example.org:${port}/`, {
        headers: {},
        body: '',
        signal: AbortSignal.timeout(2_000),
      }),
    ).rejects.toThrow(ForbiddenTarget);
    expect(asked).toBe(1);
    expect(hits).toBe(0);
    await http.close();
  });
});
