import { describe, expect, it } from '@jest/globals';
import { nearMisses } from './near-misses.ts';

describe('nearMisses', () => {
  const names = ['replicas', 'resources', 'enabled', 'enabler', 'tag', 'id'];
  const hits = (name: string, written: string) => new RegExp(nearMisses(name, names)).test(written);

  it.each([
    ['replicas', 'replcas'],
    ['replicas', 'replicaas'],
    ['replicas', 'replicsa'],
    ['replicas', 'Replicas'],
    ['replicas', 'replica'],
    ['enabled', 'enable'],
    ['tag', 'tags'],
    ['id', 'di'],
  ])('of %s has %s', (name, written) => {
    expect(hits(name, written)).toBe(true);
  });

  it('has no name that is right, and nothing far away', () => {
    for (const name of names) {
      for (const other of names) expect([name, other, hits(name, other)]).toEqual([name, other, false]);
      expect(hits(name, 'something')).toBe(false);
    }
  });
});
