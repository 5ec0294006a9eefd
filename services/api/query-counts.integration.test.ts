import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SigningKey, Transaction } from 'ethers';
import pg from 'pg';
import { WALLET } from './docs/examples.ts';
import { type ApiHarness, BOOTSTRAP_KEY, startApiHarness } from './testing/api-harness.ts';

const FEW = 2;
const MANY = 14;

/** What a list costs must not depend on how long it is: queries here, calls to other services there. */
describe('lists cost the same number of queries and calls, however long they are', () => {
  let h: ApiHarness;
  let ada: string;
  let queries = 0;
  const { query } = pg.Client.prototype;
  beforeAll(async () => {
    // biome-ignore lint/suspicious/noExplicitAny: every overload of pg's query, passed on as it came.
    (pg.Client.prototype as any).query = function counted(this: pg.Client, ...args: any[]) {
      queries++;
      // biome-ignore lint/suspicious/noExplicitAny: as above.
      return (query as any).apply(this, args);
    };
    h = await startApiHarness();
    h.user.owners.set(WALLET, 'ada');
    ada = await h.user.accessToken('ada', { expiresInSeconds: 3_600 });
  }, 60_000);
  afterAll(async () => {
    pg.Client.prototype.query = query;
    await h?.stop();
  });

  const post = async (path: string, body: unknown, token = BOOTSTRAP_KEY): Promise<string> => {
    const answer = await h.call('POST', path, { token, body });
    if (answer.status >= 300) throw new Error(`${path} answered ${JSON.stringify(answer.body)}`);
    return (answer.body.id ?? answer.body.credential?.id) as string;
  };
  const offer = { title: 'Panel', description: 'd', price: '1', payee: WALLET };
  const key = new SigningKey(`0x${'01'.repeat(32)}`);
  const signed = (nonce: number): string => {
    const transaction = Transaction.from({
      type: 2,
      chainId: 31337,
      to: WALLET,
      nonce,
      gasLimit: 21_000,
      maxFeePerGas: 2_000_000_000,
      maxPriorityFeePerGas: 1_000_000,
    });
    transaction.signature = key.sign(transaction.unsignedHash);
    return transaction.serialized;
  };
  let made = 0;

  const LISTS: [string, string, () => string, (index: number) => Promise<unknown>][] = [
    ['offers', '/v1/partner-offers', () => ada, () => post('/v1/partner-offers', offer)],
    [
      'redemptions',
      '/v1/redemptions',
      () => ada,
      async () =>
        post(
          `/v1/partner-offers/${await post('/v1/partner-offers', offer)}/redemptions`,
          { wallet: WALLET },
          ada,
        ),
    ],
    [
      'earning opportunities',
      '/v1/earning-opportunities',
      () => ada,
      () =>
        post('/v1/earning-opportunities', {
          title: 't',
          description: 'd',
          criterion: 'identity',
          target: 1,
          reward: '1',
        }),
    ],
    [
      'clients',
      '/v1/clients',
      () => BOOTSTRAP_KEY,
      () => post('/v1/clients', { name: 'c', scopes: ['tokens:read'] }),
    ],
    [
      'credentials',
      '/v1/clients/bootstrap/credentials',
      () => BOOTSTRAP_KEY,
      () => post('/v1/clients/bootstrap/credentials', {}),
    ],
    [
      'transactions that a wallet signed',
      '/v1/transactions/submitted',
      () => ada,
      () => post('/v1/transactions/submit', { rawTransaction: signed(made++) }, ada),
    ],
    [
      'watched wallets',
      '/v1/wallets',
      () => ada,
      (index) =>
        post('/v1/wallets/watch', { address: `0x${(0x1000 + index).toString(16).padStart(40, '0')}` }, ada),
    ],
    [
      'permissions',
      `/v1/permissions?owner=${WALLET}`,
      () => ada,
      async () => h.gateway.permissions.push(permission(made++)),
    ],
  ];
  const permission = (n: number): Record<string, unknown> => ({
    seq: String(n),
    dataOwnerId: '1',
    requesterId: '2',
    productId: String(n),
    dataHash: `0x${'cd'.repeat(32)}`,
    permissionHash: `0x${n.toString(16).padStart(64, '0')}`,
    stage: 'confirmed',
    blockNumber: '90',
    blockHash: `0x${'ab'.repeat(32)}`,
    blockTime: '2026-06-01T12:00:00.000Z',
    logIndex: n,
    transactionHash: `0x${n.toString(16).padStart(64, '0')}`,
  });

  it.each(LISTS)('%s', async (_name, path, token, add) => {
    const cost = async (): Promise<{ length: number; queries: number; calls: number }> => {
      // Twice: what is looked up once and remembered is not what a list costs.
      for (let warm = 0; warm < 2; warm++) await h.call('GET', path, { token: token() });
      const before = { queries, calls: h.gateway.calls.length + h.user.calls.length };
      const { status, body } = await h.call('GET', path, { token: token() });
      expect([status, body.code]).toEqual([200, undefined]);
      return {
        length: body.data.length,
        queries: queries - before.queries,
        calls: h.gateway.calls.length + h.user.calls.length - before.calls,
      };
    };
    for (let i = 0; i < FEW; i++) await add(i);
    const few = await cost();
    for (let i = FEW; i < MANY; i++) await add(i);
    const many = await cost();
    expect(many.length).toBeGreaterThanOrEqual(few.length + 10);
    // A background task may add one of its own in between; one per item would be twelve.
    expect(many.queries).toBeLessThanOrEqual(few.queries + 4);
    expect(many.calls).toBeLessThanOrEqual(few.calls + 2);
  });
});
