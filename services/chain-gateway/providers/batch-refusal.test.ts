import { describe, expect, it } from '@jest/globals';
import { batchRefusal } from './wire.ts';

const reply = (body: unknown, status = 200) => ({
  ok: true as const,
  status,
  retryAfter: undefined,
  body: typeof body === 'string' ? body : JSON.stringify(body),
});
const error = (code: number, message: string) => ({ jsonrpc: '2.0', id: null, error: { code, message } });

describe('a batch refused for being a batch', () => {
  it.each([
    [error(-32600, 'batch too large: at most 5 calls'), 5],
    [error(-32000, 'Batch size 20 exceeds the limit of 10'), 10],
    [error(-32600, 'invalid request'), 1],
    [error(-32005, 'batch requests are not supported'), 1],
  ])('%j: pieces of %d', (body, pieces) => {
    expect(batchRefusal(reply(body), 20)).toBe(pieces);
  });

  it('halves when the body is too large', () => {
    expect(batchRefusal(reply('<html>', 413), 20)).toBe(10);
  });

  it.each([
    ['answers', reply([{ jsonrpc: '2.0', id: 1, result: '0x1' }])],
    ['a rate limit', reply(error(429, 'too many batch requests'))],
    ['a rate limit told by status', reply(error(-32600, 'batch'), 429)],
    ['a failing server', reply(error(-32603, 'internal error'))],
    ['a broken wire', { ok: false as const, fault: 'reset' as const, message: 'ECONNRESET' }],
  ])('%s: not such a refusal', (_what, answer) => {
    expect(batchRefusal(answer as never, 20)).toBeUndefined();
  });

  it('is none for a single call', () => {
    expect(batchRefusal(reply(error(-32600, 'batch too large: at most 1 calls')), 1)).toBeUndefined();
  });
});
