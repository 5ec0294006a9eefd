import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startTestChain, type TestChain } from '../testing/test-chain.ts';
import { createTestPostgres, type TestPostgres } from '../testing/test-postgres.ts';
import { createTestRedis, type TestRedis } from '../testing/test-redis.ts';
import { checkExternals, ExternalsError } from './externals.ts';
import { freePort } from './parts/free-port.ts';

let chain: TestChain;
let other: TestChain;
let postgres: TestPostgres;
let redis: TestRedis;
beforeAll(async () => {
  [chain, other, postgres, redis] = await Promise.all([
    startTestChain(),
    startTestChain({ chainId: 4242 }),
    createTestPostgres(),
    createTestRedis(),
  ]);
});
afterAll(() => Promise.all([chain.stop(), other.stop(), postgres.drop(), redis.drop()]));

const problemsOf = async (env: Record<string, string>): Promise<readonly string[]> => {
  try {
    await checkExternals(env);
    return [];
  } catch (error) {
    if (error instanceof ExternalsError) return error.problems;
    throw error;
  }
};

describe('checkExternals', () => {
  it('is content without any and with all of them', async () => {
    expect(await checkExternals({})).toEqual({ warnings: [] });
    const env = {
      DATABASE_URL: postgres.url,
      REDIS_URL: redis.url,
      RPC_URLS: ` ${chain.url} , ${chain.url}/`,
    };
    expect(await checkExternals(env)).toEqual({
      databaseUrl: postgres.url,
      redisUrl: redis.url,
      rpcUrls: [chain.url, `${chain.url}/`],
      chainId: 31337,
      warnings: [],
    });
  });

  it('says where nothing answers and what to do, without the password', async () => {
    const port = await freePort();
    const problems = await problemsOf({
      DATABASE_URL: `postgres://me:hush@127.0.0.1:${port}/x`,
      REDIS_URL: `redis://:hush@127.0.0.1:${port}`,
    });
    expect(problems).toHaveLength(2);
    expect(problems[0]).toMatch(`DATABASE_URL: no answer from 127.0.0.1:${port}`);
    expect(problems[1]).toMatch(`REDIS_URL: no answer from 127.0.0.1:${port} (ECONNREFUSED). Start Redis`);
    expect(problems[1]).toContain('unset REDIS_URL');
    expect(problems.join()).not.toContain('hush');
  });

  it('refuses what is no URL', async () => {
    expect(
      await problemsOf({ DATABASE_URL: 'localhost', REDIS_URL: 'http://x', RPC_URLS: 'nonsense,ws://x' }),
    ).toEqual([
      expect.stringMatching(/^DATABASE_URL is not a URL such as postgres:/),
      expect.stringMatching(/^REDIS_URL is not a URL such as redis:/),
      expect.stringMatching(/^RPC_URLS: item 1 is not an http/),
      expect.stringMatching(/^RPC_URLS: item 2 is not an http/),
    ]);
  });

  it('refuses a server that wants another password', async () => {
    const wrong = new URL(postgres.url);
    wrong.password = 'wrong';
    expect((await problemsOf({ DATABASE_URL: wrong.href })).join()).toMatch(/password authentication failed/);
  });

  it('refuses URLs of different chains, and of another chain than CHAIN_ID', async () => {
    const urls = `${chain.url},${other.url}`;
    expect((await problemsOf({ RPC_URLS: urls })).join()).toMatch(/serves chain 4242, not 31337/);
    expect((await problemsOf({ RPC_URLS: chain.url, CHAIN_ID: '1' })).join()).toMatch(
      /serves chain 31337, not 1/,
    );
    expect((await problemsOf({ RPC_URLS: chain.url, CHAIN_ID: 'main' })).join()).toMatch(
      /CHAIN_ID=main is not/,
    );
  });

  it('asks for the manifest of a chain on which it deploys nothing', async () => {
    expect((await problemsOf({ RPC_URLS: other.url })).join()).toMatch(
      /serve chain 4242.*Set CONTRACTS_FILE/,
    );
    const missing = { RPC_URLS: other.url, CONTRACTS_FILE: '/no/such/file.json' };
    expect((await problemsOf(missing)).join()).toMatch(/file.json does not exist/);
    expect(await problemsOf({ RPC_URLS: other.url, CONTRACTS_FILE: import.meta.filename })).toEqual([]);
  });

  it('goes on with a warning when one of several providers is away, and stops when all are', async () => {
    const dead = `http://127.0.0.1:${await freePort()}/secret-key`;
    const { warnings, rpcUrls } = await checkExternals({ RPC_URLS: `${chain.url},${dead}` });
    expect(rpcUrls).toHaveLength(2);
    expect(warnings.join()).toMatch(/does not answer eth_chainId \(ECONNREFUSED\)/);
    expect(warnings.join()).not.toContain('secret-key');
    expect((await problemsOf({ RPC_URLS: dead })).join()).toMatch(/None of the RPC_URLS answers/);
  });

  it('says what an HTTP server that is no node answered', async () => {
    const page = await problemsOf({ RPC_URLS: `${redis.url.replace('redis:', 'http:')}` });
    expect(page.join()).toMatch(/None of the RPC_URLS answers/);
  });
});
