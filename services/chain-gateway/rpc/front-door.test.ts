import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { unlimitedPrincipal } from '../admission/principal.ts';
import { createVirtualGateway, type VirtualGateway } from '../testing/virtual-gateway.ts';
import type { Reply } from './front-door.ts';

const caller = {
  requestId: 'test',
  principal: unlimitedPrincipal('anonymous', 'test'),
  priority: 'standard' as const,
  timeoutMs: 1_000,
};
let gateway: VirtualGateway;

beforeAll(async () => {
  gateway = await createVirtualGateway();
});
afterAll(() => gateway.close());

async function send(body: unknown): Promise<Reply> {
  const pending = gateway.path.door.handle(typeof body === 'string' ? body : JSON.stringify(body), caller);
  if (pending instanceof Promise) await gateway.clock.advance(2_000);
  return pending;
}
const bodyOf = (reply: Reply): unknown => JSON.parse(reply.body ?? 'null');

const call = (id: unknown, method = 'eth_chainId', params: unknown = []): object => ({
  jsonrpc: '2.0',
  id,
  method,
  params,
});

describe('JSON-RPC 2.0 by the letter', () => {
  it.each([
    ['no JSON', '{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]', -32700],
    ['nothing', '', -32700],
    ['a batch that is no JSON', '[{"jsonrpc":"2.0","method":"sum"},{"jsonrpc"', -32700],
    ['an empty batch', '[]', -32600],
    ['a number', '1', -32600],
    ['null', 'null', -32600],
    ['a string', '"eth_chainId"', -32600],
    ['no version', '{"id":1,"method":"eth_chainId"}', -32600],
    ['another version', '{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}', -32600],
    ['a method that is no string', '{"jsonrpc":"2.0","id":1,"method":1}', -32600],
    ['an id that is an object', '{"jsonrpc":"2.0","id":{},"method":"eth_chainId"}', -32600],
    ['params that are a string', '{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":"bar"}', -32600],
    ['params by name', '{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":{}}', -32602],
    ['an unknown method', '{"jsonrpc":"2.0","id":1,"method":"no such method"}', -32601],
    ['a method that acts on the node', '{"jsonrpc":"2.0","id":1,"method":"admin_addPeer"}', -32601],
    [
      'a method that signs with keys of the node',
      '{"jsonrpc":"2.0","id":1,"method":"eth_sendTransaction","params":[{}]}',
      -32601,
    ],
    [
      'a block that is none',
      '{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":["0x0","newest"]}',
      -32602,
    ],
    ['a prototype as a method', '{"jsonrpc":"2.0","id":1,"method":"__proto__"}', -32601],
    ['a method of every object', '{"jsonrpc":"2.0","id":1,"method":"constructor"}', -32601],
  ])('refuses %s', async (_name, body, code) => {
    expect(bodyOf(await send(body))).toMatchObject({ jsonrpc: '2.0', error: { code } });
  });

  it('refuses params that are nested absurdly deep', async () => {
    const deep = `${'['.repeat(5_000)}${']'.repeat(5_000)}`;
    const body = `{"jsonrpc":"2.0","id":1,"method":"eth_call","params":[${deep}]}`;
    expect(bodyOf(await send(body))).toMatchObject({ error: { code: -32602 } });
  });

  it('names the limit when a batch is too long', async () => {
    const reply = bodyOf(await send(Array.from({ length: 1_001 }, (_, index) => call(index))));
    expect(reply).toMatchObject({
      error: { code: -32600, message: 'a batch may have at most 1000 calls, this one has 1001' },
    });
  });

  it('does not answer notifications, alone or in a batch', async () => {
    expect((await send({ jsonrpc: '2.0', method: 'eth_chainId' })).body).toBeUndefined();
    expect(
      (
        await send([
          { jsonrpc: '2.0', method: 'eth_chainId' },
          { jsonrpc: '2.0', method: 'nope nope' },
        ])
      ).body,
    ).toBeUndefined();
    expect(bodyOf(await send([{ jsonrpc: '2.0', method: 'eth_chainId' }, call(7)]))).toEqual([
      { jsonrpc: '2.0', id: 7, result: '0x7a69' },
    ]);
  });

  it('gives every invalid item of a batch its own error', async () => {
    expect(bodyOf(await send([1, 2, call('x')]))).toEqual([
      expect.objectContaining({ id: null, error: expect.objectContaining({ code: -32600 }) }),
      expect.objectContaining({ id: null, error: expect.objectContaining({ code: -32600 }) }),
      { jsonrpc: '2.0', id: 'x', result: '0x7a69' },
    ]);
  });

  it('echoes an id that does not fit a double as it was written', async () => {
    const reply = await send('{"jsonrpc":"2.0","id":12345678901234567890123,"method":"eth_chainId"}');
    expect(reply.body).toContain('"id":12345678901234567890123,');
  });

  it('answers a batch in its order with its ids, whatever is in it', async () => {
    const id = fc.oneof(fc.string({ maxLength: 20 }), fc.integer(), fc.constant(null));
    const method = fc.constantFrom(
      ['eth_chainId', []],
      ['eth_blockNumber', []],
      ['eth_getBalance', ['0x01', 'latest']],
      ['eth_getBalance', ['0x02', '0x5']],
      ['eth_call', [{ to: '0x01' }, 'latest']],
      ['eth_getBlockByNumber', ['0x3', false]],
      ['eth_unknownThing', []],
      ['bad name', []],
    );
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(id, method), { minLength: 1, maxLength: 30 }), async (items) => {
        const reply = bodyOf(
          await send(items.map(([itemId, [name, params]]) => call(itemId, name as string, params))),
        ) as { id: unknown }[];
        expect(reply.map((answer) => answer.id)).toEqual(items.map(([itemId]) => itemId));
      }),
      { numRuns: 60 },
    );
  });

  it('answers any bytes with a JSON-RPC error and stays alive', async () => {
    const fuzzed = fc.oneof(
      fc.string({ maxLength: 300 }),
      fc.json(),
      fc.json().map((json) => `{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":[${json}]}`),
      fc.json().map((json) => `{"jsonrpc":"2.0","id":1,"method":"eth_getLogs","params":[${json}]}`),
      fc
        .json()
        .map((json) => `{"jsonrpc":"2.0","id":${json},"method":"eth_sendRawTransaction","params":[${json}]}`),
      fc.string().map((text) => JSON.stringify(call(1, text))),
    );
    await fc.assert(
      fc.asyncProperty(fuzzed, async (text) => {
        const reply = await send(text);
        if (reply.body === undefined) return;
        for (const answer of [JSON.parse(reply.body)].flat() as Record<string, unknown>[]) {
          expect(answer.jsonrpc).toBe('2.0');
          expect(answer).toHaveProperty('id');
          const error = answer.error as { code: number; message: string } | undefined;
          expect(
            error === undefined
              ? 'result' in answer
              : Number.isInteger(error.code) && error.message.length > 0,
          ).toBe(true);
          expect(error?.code).not.toBe(-32603);
        }
      }),
      { numRuns: 400 },
    );
  });
});

describe('a method that nobody knows', () => {
  it.each([
    ['eth_getBalnce', 'eth_getBalance'],
    ['getBalance', undefined],
    ['eth_getbalance', 'eth_getBalance'],
    ['foo_bar', undefined],
  ])('%s is answered with the name that was meant: %s', async (method, meant) => {
    const { error } = bodyOf(await send(call(1, method, []))) as { error: { code: number; message: string } };
    expect(error.code).toBe(-32601);
    if (meant === undefined) expect(error.message).not.toContain('did you mean');
    else expect(error.message).toContain(`did you mean ${meant}?`);
  });
});
