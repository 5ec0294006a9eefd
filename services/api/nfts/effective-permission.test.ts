import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  type ConsentFact,
  decidePermission,
  type GrantEvent,
  type PermissionFacts,
  revocationOf,
} from './effective-permission.ts';

const NOW = Date.UTC(2026, 5, 1);
const grant: GrantEvent = {
  requesterId: '1',
  blockNumber: 100,
  blockTime: NOW - 60_000,
  logIndex: 0,
  transactionHash: '0xaa',
  stage: 'confirmed',
  dataOwnerId: '9',
};
const consent: ConsentFact = {
  seq: 1,
  action: 'grant',
  recordedAt: NOW - 70_000,
  headBlock: null,
  transactionHash: '0xaa',
  expirationSeconds: 3600n,
};
const revoke = (seq: number, change: Partial<ConsentFact> = {}): ConsentFact => ({
  seq,
  action: 'revoke',
  recordedAt: NOW - 1_000,
  headBlock: 100,
  transactionHash: null,
  expirationSeconds: null,
  ...change,
});
const facts: PermissionFacts = {
  requesterId: '1',
  now: NOW,
  chainStatus: 1,
  chainDeadline: BigInt(NOW / 1000 + 600),
  grants: [grant],
  consents: [consent],
  ownerIdentityLive: true,
  requesterIdentityLive: true,
};
const failing = (change: Partial<PermissionFacts>): string[] =>
  decidePermission({ ...facts, ...change })
    .why.filter((term) => !term.holds)
    .map((term) => term.term);

describe('decidePermission', () => {
  it('holds when every term holds, and says why', () => {
    const verdict = decidePermission(facts);
    expect(verdict.effective).toBe(true);
    expect(verdict.why).toHaveLength(5);
    expect(verdict.deadline).toBe(new Date(NOW + 600_000).toISOString());
  });

  it('fails each term for its own reason only', () => {
    expect(failing({ chainStatus: 0 })).toEqual(['granted']);
    expect(failing({ requesterId: '2' })).toEqual(['requesterMatches', 'notExpired']);
    expect(failing({ chainDeadline: BigInt(NOW / 1000) })).toEqual(['notExpired']);
    expect(failing({ consents: [consent, revoke(2)] })).toEqual(['notRevoked']);
    expect(failing({ ownerIdentityLive: false })).toEqual(['identityLive']);
    expect(failing({ requesterIdentityLive: false })).toEqual(['identityLive']);
  });

  it('does not lend the deadline of another requester’s later grant', () => {
    const later = {
      ...grant,
      requesterId: '2',
      transactionHash: '0xbb',
      blockTime: NOW - 1_000,
      blockNumber: 110,
    };
    const hour = decidePermission({
      ...facts,
      grants: [later, grant],
      chainDeadline: BigInt(NOW / 1000 + 9_999),
    });
    expect(hour.deadline).toBe(new Date(grant.blockTime + 3_600_000).toISOString());
    const unknown = decidePermission({ ...facts, grants: [later, grant], consents: [] });
    expect(unknown.effective).toBe(false);
  });
});

describe('revocationOf', () => {
  it('covers a grant that was relayed before and mined after it', () => {
    const mined = { ...grant, blockNumber: 500, blockTime: NOW + 60_000 };
    expect(revocationOf(mined, [consent, revoke(2)])).toBeDefined();
  });
  it('does not cover a grant that was relayed after it, even in the same block time', () => {
    expect(revocationOf(grant, [revoke(1), { ...consent, seq: 2 }])).toBeUndefined();
  });
  it('covers a foreign grant up to the height it knew, whatever the clocks say', () => {
    const foreign = { ...grant, transactionHash: '0xff', blockTime: NOW + 5_000 };
    expect(revocationOf(foreign, [revoke(2)])).toBeDefined();
    expect(revocationOf({ ...foreign, blockNumber: 101 }, [revoke(2)])).toBeUndefined();
  });
  it('lets nothing be effective that was revoked last', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 12 }), (grants) => {
        const consents = grants.map((isGrant, seq) =>
          isGrant
            ? { ...consent, seq, transactionHash: `0x${seq}` }
            : revoke(seq, { headBlock: 0, recordedAt: 0 }),
        );
        const events = consents
          .filter((c) => c.action === 'grant')
          .map((c) => ({ ...grant, transactionHash: c.transactionHash as string, blockNumber: 100 + c.seq }))
          .reverse();
        const verdict = decidePermission({ ...facts, grants: events, consents });
        expect(verdict.effective).toBe(grants.at(-1) === true);
      }),
    );
  });
});
