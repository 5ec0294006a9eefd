import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import pg from 'pg';
import { startTestChain, type TestChain } from './test-chain.ts';
import { createTestPostgres } from './test-postgres.ts';
import { createTestRedis } from './test-redis.ts';

describe('the servers of a test run', () => {
  it('gives every caller a database of its own and removes it', async () => {
    const [a, b] = await Promise.all([createTestPostgres(), createTestPostgres()]);
    expect(a.database).not.toBe(b.database);
    const client = new pg.Client({ connectionString: a.url });
    client.on('error', () => undefined);
    await client.connect();
    await client.query('CREATE TABLE only_here (id int)');
    const other = new pg.Client({ connectionString: b.url });
    await other.connect();
    const { rows } = await other.query("SELECT to_regclass('only_here') AS found");
    expect(rows[0].found).toBeNull();
    await other.end();
    await a.drop();
    await b.drop();
    await expect(client.query('SELECT 1')).rejects.toThrow();
  });

  it('gives every caller a logical Redis database of its own', async () => {
    const [a, b] = await Promise.all([createTestRedis(), createTestRedis()]);
    expect(a.db).not.toBe(b.db);
    const [left, right] = [new Redis(a.url), new Redis(b.url)];
    await left.set('key', 'left');
    expect(await right.get('key')).toBeNull();
    await b.flush();
    expect(await left.get('key')).toBe('left');
    await left.quit();
    await right.quit();
    await Promise.all([a.drop(), b.drop()]);
  });
});

describe('startTestChain', () => {
  let chain: TestChain;
  beforeAll(async () => {
    chain = await startTestChain();
  });
  afterAll(() => chain.stop());

  it('answers the development chain id and mines on demand', async () => {
    expect(Number(await chain.rpc('eth_chainId'))).toBe(31337);
    const before = Number(await chain.rpc('eth_blockNumber'));
    expect(await chain.mine(3)).toBe(before + 3);
  });

  it('goes back to a snapshot', async () => {
    const id = await chain.snapshot();
    const before = Number(await chain.rpc('eth_blockNumber'));
    await chain.mine(2);
    await chain.revert(id);
    expect(Number(await chain.rpc('eth_blockNumber'))).toBe(before);
  });

  it('replaces blocks in a reorg', async () => {
    const head = await chain.mine(5);
    const hashOf = async (number: number) =>
      (await chain.rpc<{ hash: string }>('eth_getBlockByNumber', [`0x${number.toString(16)}`, false])).hash;
    const [kept, replaced] = [await hashOf(head - 3), await hashOf(head)];
    await chain.reorg(2);
    expect(await hashOf(head - 3)).toBe(kept);
    expect(await hashOf(head)).not.toBe(replaced);
  });

  it('answers the finality tags behind the head', async () => {
    await chain.mine(20);
    const number = async (tag: string) =>
      Number((await chain.rpc<{ number: string }>('eth_getBlockByNumber', [tag, false])).number);
    const [latest, safe, finalized] = [
      await number('latest'),
      await number('safe'),
      await number('finalized'),
    ];
    expect(latest - safe).toBe(4);
    expect(latest - finalized).toBe(8);
  });
});
