import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createSeededRandom } from '../../../lib/random.ts';
import { createSealer } from '../../../lib/sealing.ts';
import { parseCsv } from './csv.ts';

describe('CSV', () => {
  it('gives back what was quoted', () => {
    const quote = (c: string) => `"${c.replace(/"/g, '""')}"`;
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.string(), { minLength: 2, maxLength: 5 }), { maxLength: 10 }),
        (rows) => {
          expect([...parseCsv(rows.map((r) => r.map(quote).join(',')).join('\r\n'))]).toEqual(rows);
        },
      ),
    );
    expect(() => [...parseCsv('a,"b')]).toThrow('never ends');
  });
});

describe('sealing', () => {
  it('opens with any configured key, for its purpose only, and notices changes', () => {
    const random = createSeededRandom(7);
    const old = createSealer([{ kid: 'a', secret: 'x'.repeat(32) }], random, 'rejuve-user-service');
    const both = createSealer(
      [
        { kid: 'b', secret: 'y'.repeat(32) },
        { kid: 'a', secret: 'x'.repeat(32) },
      ],
      random,
      'rejuve-user-service',
    );
    const sealed = old.seal('purpose', 'secret');
    expect(both.open('purpose', sealed)).toBe('secret');
    expect(() => both.open('other', sealed)).toThrow();
    expect(() => old.open('purpose', both.seal('purpose', 'z'))).toThrow('not configured');
    expect(() => old.open('purpose', `${sealed.slice(0, -2)}AA`)).toThrow();
  });
});
