import { describe, expect, it } from '@jest/globals';
import { decideEligibility } from './eligibility.ts';

const facts = {
  now: 1_000,
  startsAt: 0,
  endsAt: 2_000,
  target: 2,
  progress: 2,
  maxClaims: 5,
  claims: 4,
  claimedByPerson: false,
  linkedWallets: 1,
};
const failing = (change: Partial<typeof facts>): string[] =>
  decideEligibility({ ...facts, ...change })
    .why.filter((term) => !term.holds)
    .map((term) => term.term);

describe('decideEligibility', () => {
  it('lets a person claim who has done it all', () => {
    expect(decideEligibility(facts).eligible).toBe(true);
  });
  it('names what is missing', () => {
    expect(failing({ now: 2_000 })).toEqual(['open']);
    expect(failing({ startsAt: 1_001 })).toEqual(['open']);
    expect(failing({ claims: 5 })).toEqual(['available']);
    expect(failing({ claimedByPerson: true })).toEqual(['not-claimed']);
    expect(failing({ linkedWallets: 0 })).toEqual(['wallet']);
    expect(failing({ progress: 1 })).toEqual(['progress']);
  });
});
