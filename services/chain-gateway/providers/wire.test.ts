import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeReply, encodeCalls, retryAfterMs } from './wire.ts';

const ok = (body: string, status = 200, retryAfter?: string) => ({
  ok: true as const,
  status,
  retryAfter,
  body,
});

describe('answers of providers', () => {
  it('finds each answer by id, in any order', () => {
    const body = '[{"id":2,"jsonrpc":"2.0","result":"b"}, {"jsonrpc":"2.0","id":1,"result":{"x":[1,"]}"]}}]';
    expect(decodeReply(ok(body), 2, 0)).toEqual([
      { kind: 'result', result: '{"x":[1,"]}"]}' },
      { kind: 'result', result: '"b"' },
    ]);
  });

  it('notices an answer that is missing from a batch', () => {
    const [first, second] = decodeReply(ok('[{"jsonrpc":"2.0","id":1,"result":1}]'), 2, 0);
    expect(first).toEqual({ kind: 'result', result: '1' });
    expect(second).toMatchObject({ kind: 'fault', fault: 'malformed' });
  });

  it('spreads one error over the whole batch', () => {
    const body = '{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"batch too large"}}';
    expect(decodeReply(ok(body), 2, 0)).toEqual([
      expect.objectContaining({ kind: 'error', code: -32600 }),
      expect.objectContaining({ kind: 'error', code: -32600 }),
    ]);
  });

  it("keeps the bytes of an error's data", () => {
    const body =
      '{"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"execution reverted","data":"0x08c379a0"}}';
    expect(decodeReply(ok(body), 1, 0)[0]).toMatchObject({ kind: 'error', code: 3, data: '"0x08c379a0"' });
  });

  it.each([
    [429, 'rate-limited'],
    [401, 'unauthorized'],
    [403, 'unauthorized'],
    [500, 'http'],
    [502, 'http'],
  ])('reads HTTP %i as %s', (status, fault) => {
    expect(decodeReply(ok('<html>', status, '2'), 1, 0)[0]).toMatchObject({
      kind: 'fault',
      fault,
      status,
      retryAfterMs: 2_000,
    });
  });

  it('never takes a cut answer for a whole one', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.double({ min: 0, max: 0.999, noNaN: true }), (value, share) => {
        const body = `{"jsonrpc":"2.0","id":1,"result":${JSON.stringify(value)}}`;
        const cut = body.slice(0, Math.floor(body.length * share));
        expect(decodeReply(ok(cut), 1, 0)[0]?.kind).toBe('fault');
      }),
    );
  });

  it('forwards any result byte for byte', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue(), { minLength: 1, maxLength: 6 }), (values) => {
        const texts = values.map((value) => JSON.stringify(value));
        const answers = texts.map((text, index) => `{"jsonrpc":"2.0","id":${index + 1},"result":${text}}`);
        const body = answers.length === 1 ? (answers[0] as string) : `[${answers.join(',')}]`;
        expect(decodeReply(ok(body), values.length, 0)).toEqual(
          texts.map((result) => ({ kind: 'result', result })),
        );
      }),
    );
  });

  it('writes calls that are JSON with ids of its own', () => {
    const one = { method: 'eth_call', params: '[1]' };
    expect(JSON.parse(encodeCalls([one]))).toEqual({
      jsonrpc: '2.0',
      id: 1,
      method: 'eth_call',
      params: [1],
    });
    expect((JSON.parse(encodeCalls([one, one])) as { id: number }[]).map(({ id }) => id)).toEqual([1, 2]);
  });
});

describe('Retry-After', () => {
  it('takes seconds and dates, and no more than a minute', () => {
    const now = Date.parse('2026-01-01T00:00:00Z');
    expect(retryAfterMs('2', now)).toBe(2_000);
    expect(retryAfterMs('Thu, 01 Jan 2026 00:00:03 GMT', now)).toBe(3_000);
    expect(retryAfterMs('86400', now)).toBe(60_000);
    expect(retryAfterMs('soon', now)).toBeUndefined();
    expect(retryAfterMs('-5', now)).toBe(0);
  });
});
