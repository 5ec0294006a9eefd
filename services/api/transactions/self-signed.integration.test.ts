import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SigningKey, Transaction } from 'ethers';
import { eventually } from '../../../tools/testing/eventually.ts';
import { WALLET } from '../docs/examples.ts';
import { type ApiHarness, startApiHarness } from '../testing/api-harness.ts';

const KEY = new SigningKey(`0x${'01'.repeat(32)}`);
const BLOCK = `0x${'b1'.repeat(32)}`;

function sign(nonce: number, change: Partial<Transaction> = {}): string {
  const transaction = Transaction.from({
    type: 2,
    chainId: 31337,
    to: WALLET,
    nonce,
    gasLimit: 21_000,
    maxFeePerGas: 3_000_000_000,
    maxPriorityFeePerGas: 1_000_000_001,
    ...change,
  });
  transaction.signature = KEY.sign(transaction.unsignedHash);
  return transaction.serialized;
}

describe('transactions that a wallet signed itself', () => {
  let h: ApiHarness;
  let ada: string;
  const chain = { block: undefined as number | undefined, finalized: 0, nonce: 0, status: '0x1' };
  beforeAll(async () => {
    h = await startApiHarness();
    h.user.owners.set(WALLET, 'ada');
    ada = await h.user.accessToken('ada');
    const hex = (n: number): string => `0x${n.toString(16)}`;
    h.gateway.rpc.set('eth_getTransactionReceipt', () =>
      chain.block === undefined
        ? null
        : { blockNumber: hex(chain.block), blockHash: BLOCK, status: chain.status },
    );
    h.gateway.rpc.set('eth_getBlockByNumber', ([tag]) => ({
      number: hex(tag === 'finalized' ? chain.finalized : 100),
      hash: BLOCK,
      timestamp: '0x66000000',
    }));
    h.gateway.rpc.set('eth_getTransactionCount', () => hex(chain.nonce));
  }, 60_000);
  afterAll(() => h?.stop());

  async function submit(nonce: number): Promise<string> {
    const answer = await h.call('POST', '/v1/transactions/submit', {
      token: ada,
      body: { rawTransaction: sign(nonce) },
    });
    expect(answer.status).toBe(202);
    return answer.body.id as string;
  }

  /** Opens the stream, and reads until it ends. */
  async function follow(id: string, lastEventId?: string) {
    const response = await fetch(`${h.url}/v1/transactions/${id}/events`, {
      headers: {
        authorization: `Bearer ${ada}`,
        ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
      },
    });
    const seen: string[] = [];
    const done = (async () => {
      let text = '';
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        text += new TextDecoder().decode(chunk);
        for (const [, state] of text.matchAll(/data: .*?"state":"(\w+)"/g)) seen.push(state as string);
        text = text.slice(text.lastIndexOf('\n\n') + 2);
      }
    })();
    return { response, seen, done };
  }

  it('are followed by events until they are final, and from the last event seen', async () => {
    Object.assign(chain, { block: undefined, finalized: 0 });
    const id = await submit(0);
    const { response, seen, done } = await follow(id);
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    await eventually(() => expect(seen).toEqual(['submitted']));
    chain.block = 100;
    await eventually(() => expect(seen).toEqual(['submitted', 'included']));
    chain.block = 97;
    await eventually(() => expect(seen).toEqual(['submitted', 'included', 'confirmed']));
    chain.finalized = 98;
    await done;
    expect(seen).toEqual(['submitted', 'included', 'confirmed', 'finalized']);
    const again = await follow(id, `confirmed:${BLOCK}`);
    await again.done;
    expect(again.seen).toEqual(['finalized']);
  }, 30_000);

  it('are cancelled by their own wallet: the answer says how, and the replacement outbids', async () => {
    Object.assign(chain, { block: undefined, finalized: 0 });
    const id = await submit(7);
    const refused = await h.call('POST', `/v1/transactions/${id}/cancel`, { token: ada });
    expect(refused).toMatchObject({ status: 409, body: { code: 'conflict' } });
    expect(refused.body.detail).toContain(`{"cancels": "${id}"}`);
    const { status, body } = await h.call('POST', '/v1/transactions/prepare', {
      token: ada,
      body: { cancels: id },
    });
    expect(status).toBe(200);
    expect(body.summary).toContain('nonce 7');
    expect(body.transaction).toMatchObject({ nonce: 7, to: WALLET, from: WALLET, value: '0', data: '0x' });
    // At least a tenth more of both fees, rounded up (what nodes ask of a replacement).
    expect(BigInt(body.transaction.maxFeePerGas)).toBeGreaterThanOrEqual(3_300_000_000n);
    expect(BigInt(body.transaction.maxPriorityFeePerGas)).toBeGreaterThanOrEqual(1_100_000_002n);

    const other = await h.user.accessToken('bob');
    const foreign = await h.call('POST', '/v1/transactions/prepare', { token: other, body: { cancels: id } });
    expect(foreign.status).toBe(404);
    chain.block = 100;
    const late = await h.call('POST', '/v1/transactions/prepare', { token: ada, body: { cancels: id } });
    expect(late).toMatchObject({ status: 409 });
    expect(late.body.detail).toContain('included');
  });

  it('say that another transaction took their place once that is final', async () => {
    Object.assign(chain, { block: undefined, finalized: 90, nonce: 9 });
    const id = await submit(8);
    const { body } = await h.call('GET', `/v1/transactions/${id}`, { token: ada });
    expect(body).toMatchObject({ state: 'replaced', error: { code: 'nonce_used' } });
    chain.nonce = 0;
  });

  it('are one transaction, whoever repeats the request while the first one runs', async () => {
    Object.assign(chain, { block: undefined, finalized: 0 });
    const key = crypto.randomUUID();
    const answers = await Promise.all(
      Array.from({ length: 50 }, () =>
        h.call('POST', '/v1/transactions/submit', { token: ada, key, body: { rawTransaction: sign(20) } }),
      ),
    );
    const good = answers.filter(({ status }) => status === 202);
    expect(answers.every(({ status }) => status === 202 || status === 409)).toBe(true);
    expect(good.length).toBeGreaterThan(0);
    expect(new Set(good.map(({ body }) => body.id)).size).toBe(1);
  });
});
