import { describe, expect, it } from '@jest/globals';
import { type GrantInterval, readersOn } from './readers.ts';

const DAY = 86_400_000;
const grant: GrantInterval = {
  dataHash: '0x01',
  productId: '1',
  requesterId: '2',
  purpose: null,
  grantedAt: DAY + 10,
  deadline: 3 * DAY,
  revokedAt: undefined,
  identityEndedAt: undefined,
};
const on = (day: number, change: Partial<GrantInterval> = {}) =>
  readersOn([{ ...grant, ...change }], day * DAY, (day + 1) * DAY);

describe('readersOn', () => {
  it('counts from the grant to its deadline', () => {
    expect(on(0)).toEqual([]);
    expect(on(1)).toHaveLength(1);
    expect(on(2)).toHaveLength(1);
    expect(on(3)).toEqual([]);
  });
  it('ends at the first of deadline, revocation and identity', () => {
    expect(on(1, { revokedAt: DAY + 20, identityEndedAt: DAY + 30 })[0]?.endedBy).toBe('revocation');
    expect(on(2, { revokedAt: DAY + 20 })).toEqual([]);
    expect(on(1, { identityEndedAt: DAY + 15 })[0]?.endedBy).toBe('identity');
  });
  it('counts a grant of unknown term as open', () => {
    expect(on(99, { deadline: undefined })[0]).toMatchObject({ until: null, endedBy: null });
  });
});
