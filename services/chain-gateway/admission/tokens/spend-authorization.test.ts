import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isWithin, jktOf, NO_KEY, parseScope, type TokenScope, thumbprintOf } from './spend-authorization.ts';

const scopeOf = (text: string): TokenScope => parseScope(text) as TokenScope;

describe('scopes', () => {
  it('are words with one blank between', () => {
    expect(parseScope('read chain:1 chain:31337 method:eth_get*')).toEqual({
      access: 'read',
      chains: [1, 31_337],
      methods: ['eth_get*'],
    });
    for (const text of [
      '',
      'chain:1',
      'read write',
      'read  chain:1',
      'read chain:0',
      'read method:*x',
      'admin',
    ])
      expect(parseScope(text)).toBeUndefined();
  });

  it('narrow, and never widen', () => {
    const narrower: [string, string, boolean][] = [
      ['read', 'write', true],
      ['write', 'read', false],
      ['read chain:1', 'read', true],
      ['read', 'read chain:1', false],
      ['read chain:2', 'read chain:1', false],
      ['read method:eth_call', 'read method:eth_*', true],
      ['read method:eth_*', 'read method:eth_call', false],
      ['read', 'read method:eth_*', false],
    ];
    for (const [narrow, wide, expected] of narrower)
      expect([narrow, wide, isWithin(scopeOf(narrow), scopeOf(wide))]).toEqual([narrow, wide, expected]);
  });

  it('always fit into themselves and into the whole', () => {
    const words = fc.tuple(
      fc.constantFrom('read', 'write'),
      fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { maxLength: 3 }),
      fc.uniqueArray(fc.constantFrom('eth_call', 'eth_get*', 'net_version'), { maxLength: 3 }),
    );
    fc.assert(
      fc.property(words, ([access, chains, methods]) => {
        const text = [access, ...chains.map((c) => `chain:${c}`), ...methods.map((m) => `method:${m}`)].join(
          ' ',
        );
        const scope = scopeOf(text);
        return isWithin(scope, scope) && isWithin(scope, scopeOf('write'));
      }),
    );
  });
});

describe('thumbprints', () => {
  it('travel as 32 bytes, and zero means none', () => {
    expect(thumbprintOf(NO_KEY)).toBeNull();
    const thumbprint = Buffer.from('ab'.repeat(32), 'hex').toString('base64url');
    expect(thumbprintOf(jktOf(thumbprint))).toBe(thumbprint);
  });
});
