import { describe, expect, it } from '@jest/globals';
import { AbiCoder, hashMessage, Wallet } from 'ethers';
import fc from 'fast-check';
import { createLogger } from '../../../lib/log.ts';
import {
  createSigningKeys,
  type KeyStore,
  PUBLISH_AHEAD_MS,
  type SigningKey,
} from '../../../lib/signing-keys.ts';
import { createManualClock } from '../../../lib/time.ts';
import { checkSiweMessage, coarseDevice, coarsePlace } from './rules.ts';
import { randomNonce } from './service.ts';
import { formatSiweMessage, parseSiweMessage, SiweParseError } from './siwe-message.ts';
import { verifyWalletSignature, wrapCounterfactual } from './wallet-signature.ts';

const ADDRESS = '0x02c3296C6eb50249f290AE596F2bE9454bFfadaB';
const base = {
  domain: 'app.test',
  address: ADDRESS,
  uri: 'https://app.test',
  chainId: 1,
  nonce: 'abcdefgh12',
  issuedAt: '2026-01-01T00:00:00Z',
};
const now = Date.parse(base.issuedAt) + 1_000;
const policy = { domains: ['app.test'], chainIds: [1] };

describe('EIP-4361 messages', () => {
  it('come back as they were written', () => {
    const optional = <T>(a: fc.Arbitrary<T>) => fc.option(a, { nil: undefined });
    const line = fc.stringMatching(/^[ -~]{1,60}$/);
    fc.assert(
      fc.property(
        fc.record({
          statement: optional(line),
          expirationTime: optional(fc.constant('2027-01-01T00:00:00.000Z')),
          requestId: optional(line),
          resources: optional(fc.array(fc.constant('https://a/b'), { maxLength: 3 })),
          chainId: fc.integer({ min: 1, max: 10 ** 9 }),
        }),
        (more) => {
          const message = Object.fromEntries(
            Object.entries({ ...base, ...more }).filter(([, v]) => v !== undefined),
          ) as never;
          expect(parseSiweMessage(formatSiweMessage(message))).toEqual(message);
        },
      ),
    );
  });
  it('are refused with the line that is wrong, whatever is cut or changed', () => {
    const good = formatSiweMessage({ ...base, statement: 'Hello' });
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.constantFrom('\n', 'é', ''), (at, insert) => {
        const text = insert === '' ? good.slice(0, at) : good.slice(0, at) + insert + good.slice(at);
        try {
          parseSiweMessage(text);
        } catch (error) {
          expect(error).toBeInstanceOf(SiweParseError);
        }
      }),
    );
    expect(() => parseSiweMessage(good.replace(ADDRESS, ADDRESS.toLowerCase()))).toThrow('line 2');
  });
  it('are for this domain, this chain and this time', () => {
    const check = (more: object) => () =>
      checkSiweMessage(formatSiweMessage({ ...base, ...more }), policy, now);
    expect(check({})).not.toThrow();
    expect(check({ domain: 'evil.test' })).toThrow('domain');
    expect(check({ uri: 'https://evil.test/x' })).toThrow('another site');
    expect(check({ chainId: 5 })).toThrow('Chain 5');
    expect(check({ expirationTime: '2026-01-01T00:00:00Z' })).toThrow('expired');
    expect(check({ notBefore: '2026-01-02T00:00:00Z' })).toThrow('not valid yet');
    expect(check({ issuedAt: '2025-01-01T00:00:00Z' })).toThrow('too long ago');
    expect(check({ issuedAt: '2027-01-01T00:00:00Z' })).toThrow('future');
  });
});

describe('signatures', () => {
  const MAGIC = `0x1626ba7e${'0'.repeat(56)}`;
  const chain = (code: string, call: (to: string) => string) => ({
    code: async () => code,
    call: async ({ to }: { to: string }) => call(to),
  });
  it('of plain keys need no chain; of contracts are asked of the contract; of future contracts of Multicall3', async () => {
    const wallet = Wallet.createRandom();
    const dead = {
      code: () => Promise.reject(new Error('away')),
      call: () => Promise.reject(new Error('away')),
    };
    const signature = await wallet.signMessage('m');
    expect(
      await verifyWalletSignature({ address: wallet.address, message: 'm', signature }, dead, undefined),
    ).toEqual({ valid: true, kind: 'eoa' });
    expect(
      await verifyWalletSignature(
        { address: ADDRESS, message: 'm', signature },
        chain('0x', () => '0x'),
        undefined,
      ),
    ).toEqual({ valid: false });
    expect(
      await verifyWalletSignature(
        { address: ADDRESS, message: 'm', signature: '0x1234' },
        chain('0x60', () => MAGIC),
        undefined,
      ),
    ).toEqual({ valid: true, kind: 'contract' });
    expect(
      await verifyWalletSignature(
        { address: ADDRESS, message: 'm', signature: '0x1234' },
        chain('0x60', () => `0x${'f'.repeat(64)}`),
        undefined,
      ),
    ).toEqual({ valid: false });
    await expect(
      verifyWalletSignature({ address: ADDRESS, message: 'm', signature: '0x1234' }, dead, undefined),
    ).rejects.toThrow('away');
    const wrapped = wrapCounterfactual(ADDRESS, '0xabcd', signature);
    const results = AbiCoder.defaultAbiCoder().encode(
      ['tuple(bool,bytes)[]'],
      [
        [
          [true, '0x'],
          [true, MAGIC],
        ],
      ],
    );
    const asked: string[] = [];
    expect(
      await verifyWalletSignature(
        { address: ADDRESS, message: 'm', signature: wrapped },
        chain('0x', (to) => {
          asked.push(to);
          return results;
        }),
        '0x00000000000000000000000000000000000000ca',
      ),
    ).toEqual({ valid: true, kind: 'contract' });
    expect(asked).toEqual(['0x00000000000000000000000000000000000000ca']);
    expect(hashMessage('m')).toMatch(/^0x/);
  });
});

describe('signing keys', () => {
  it('are published long before they sign, and no token is ever signed by an unpublished one', async () => {
    const clock = createManualClock();
    const stored: SigningKey[] = [];
    const store: KeyStore = {
      async loadOrCreate(_now, lacks, make) {
        if (lacks(stored)) stored.push(await make(stored));
        return stored.filter((k) => k.retiredAt > clock.now());
      },
    };
    const keys = await createSigningKeys({
      store,
      rotationMs: 4 * 3_600_000,
      clock,
      log: createLogger({ service: 't', level: 'silent' }),
    });
    const publishedAt = new Map<string, number>();
    const first = keys.current().kid;
    for (let minute = 0; minute < 24 * 60; minute += 5) {
      for (const jwk of keys.publicJwks())
        publishedAt.set(
          jwk.kid as string,
          Math.min(publishedAt.get(jwk.kid as string) ?? clock.now(), clock.now()),
        );
      const { kid } = keys.current();
      expect(keys.find(kid)).toBeDefined();
      if (kid !== first)
        expect(clock.now() - (publishedAt.get(kid) as number)).toBeGreaterThanOrEqual(
          PUBLISH_AHEAD_MS - 5 * 60_000,
        );
      await clock.advance(5 * 60_000);
      await keys.refresh();
    }
    expect(stored.length).toBeGreaterThanOrEqual(5);
    expect(keys.find(first)).toBeUndefined();
    expect(JSON.stringify(keys.publicJwks())).not.toContain('"d"');
  });
});

describe('small things', () => {
  it('keep nonces within letters and digits, and clients coarse', () => {
    let n = 0;
    expect(randomNonce({ bytes: (k) => Uint8Array.from({ length: k }, () => n++ % 256) })).toMatch(
      /^[A-Za-z0-9]{24}$/,
    );
    expect(coarsePlace('203.0.113.77')).toBe('203.0.x.x');
    expect(coarsePlace('::ffff:127.0.0.1')).toBe('this machine');
    expect(coarsePlace('2a02:120b:1::7')).toBe('2a02:120b::');
    expect(coarseDevice('Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0')).toBe(
      'Firefox on Linux',
    );
    expect(coarseDevice(undefined)).toBe('Unknown client');
  });
});
