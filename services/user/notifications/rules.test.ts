import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { STAGES, type Stage } from '../gateway/schemas.ts';
import { addressesOf, type Notice, noticesOf } from './matching.ts';
import { noticeKey, planInbox } from './rules.ts';
import { describeNotice } from './texts.ts';

const notice = (personId: string, eventKey: string, stage: Stage): Notice => ({
  personId,
  eventKey,
  stage,
  type: 'transfer.in',
  data: {},
  occurredAt: new Date(0),
});
const anyNotice = fc
  .tuple(fc.constantFrom('p', 'q'), fc.constantFrom('1', '2', '3'), fc.constantFrom(...STAGES))
  .map(([p, k, s]) => notice(p, k, s));

const event = (type: string, data: Record<string, unknown>) => ({
  seq: 1,
  chainId: 1,
  type,
  stage: 'pending' as const,
  key: 'k',
  blockNumber: 1,
  blockHash: '0x',
  blockTime: new Date(0),
  logIndex: 0,
  transactionHash: '0x',
  contract: { address: '0xc' },
  data,
});
const A = `0x${'a'.repeat(40)}`;
const B = `0x${'b'.repeat(40)}`;

describe('the inbox', () => {
  it('ends the same however the stages are cut into batches, with one row for each person and event', () => {
    fc.assert(
      fc.property(
        fc.array(anyNotice, { maxLength: 40 }),
        fc.array(fc.nat(40), { maxLength: 5 }),
        (notices, cuts) => {
          const play = (batches: Notice[][]) => {
            const stored = new Map<string, Stage>();
            const inserts: string[] = [];
            for (const batch of batches) {
              const plan = planInbox(batch, stored);
              expect(
                new Set(plan.map((c) => (c.do === 'insert' ? noticeKey(c.notice) : noticeKey(c)))).size,
              ).toBe(plan.length);
              for (const c of plan) {
                if (c.do === 'insert') {
                  inserts.push(noticeKey(c.notice));
                  stored.set(noticeKey(c.notice), c.notice.stage);
                } else stored.set(noticeKey(c), c.stage);
              }
            }
            expect(new Set(inserts).size).toBe(inserts.length);
            return stored;
          };
          const edges = [0, ...cuts.filter((c) => c <= notices.length).sort((x, y) => x - y), notices.length];
          const cut = edges.slice(1).map((end, i) => notices.slice(edges[i], end));
          const oneByOne = play(notices.map((n) => [n]));
          expect([...play(cut)].sort()).toEqual([...oneByOne].sort());
          for (const n of notices) {
            const last = notices.filter((m) => noticeKey(m) === noticeKey(n)).at(-1);
            if (last?.stage !== 'reverted') expect(oneByOne.get(noticeKey(n))).not.toBe('reverted');
          }
        },
      ),
    );
  });
});

describe('matching', () => {
  const people = new Map([
    [A, 'ada'],
    [B, 'bob'],
  ]);
  it('tells both sides of a transfer, and a person with both wallets once', () => {
    const of = (map: Map<string, string>) =>
      noticesOf(event('transfer.erc20', { from: A, to: B, amount: '1' }), (x) => map.get(x));
    expect(of(people).map((n) => `${n.personId} ${n.type}`)).toEqual(['ada transfer.out', 'bob transfer.in']);
    expect(
      of(
        new Map([
          [A, 'ada'],
          [B, 'ada'],
        ]),
      ).map((n) => n.type),
    ).toEqual(['transfer.self']);
    expect(of(new Map())).toEqual([]);
  });
  it('keeps hashes of health data to itself', () => {
    const [n] = noticesOf(event('data.submitted', { owner: A, ownerId: '1', dataHash: '0xdead' }), (x) =>
      people.get(x),
    );
    expect(JSON.stringify(n)).not.toContain('dead');
    expect(addressesOf(event('x', { a: A, b: 5, c: '0x12' }))).toEqual([A]);
  });
});

describe('texts', () => {
  it('exist in both languages for whatever comes, and say when something was taken back', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.dictionary(fc.string(), fc.string()),
        fc.constantFrom('en', 'de-CH', 'fr'),
        fc.constantFrom(...STAGES),
        (type, data, locale, stage) => {
          const text = describeNotice({ type, data, stage }, locale);
          expect(text.title.length).toBeGreaterThan(0);
          if (stage === 'reverted') expect(text.title).toMatch(/^(Taken back|Zurückgenommen)/);
        },
      ),
    );
  });
});
