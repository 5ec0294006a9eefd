import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../../lib/config.ts';
import type { OpenApiDocument } from '../../../lib/http/openapi.ts';
import { createLogger } from '../../../lib/log.ts';
import { createTestPostgres } from '../../../tools/testing/test-postgres.ts';
import { createTestRedis } from '../../../tools/testing/test-redis.ts';
import { apiConfig } from '../config.ts';
import { startApi } from '../start-api.ts';
import { startGatewayStandIn, startUserStandIn } from './stand-ins.ts';

export const BOOTSTRAP_KEY = 'rjv_bootstrap_0123456789abcdef0123456789abcdef';
export const RJV = '0x02c3296C6eb50249f290AE596F2bE9454bFfadaB';
export const TREASURY = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8';
const ISSUER = 'http://user.test';

export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests read answers of every shape.
  readonly body: any;
}

export type ApiHarness = Awaited<ReturnType<typeof startApiHarness>>;

/** What an API needs around it: real Postgres and Redis, stand-ins for the gateway and the user service. */
export async function startApiWorld(
  env: Record<string, string> = {},
  /** Contracts that this chain does not have. */
  without: readonly string[] = [],
) {
  const [postgres, redis, gateway, user] = await Promise.all([
    createTestPostgres(),
    createTestRedis(),
    startGatewayStandIn(RJV),
    startUserStandIn(ISSUER),
  ]);
  const dir = await mkdtemp(join(tmpdir(), 'rejuve-api-'));
  const manifest = join(dir, 'contracts.json');
  const contract = (digit: string, abi: string) => ({
    address: `0x${digit.repeat(40)}`,
    deployedBlock: 1,
    abi,
  });
  await writeFile(
    manifest,
    JSON.stringify({
      chainId: 31337,
      confirmations: 2,
      contracts: Object.fromEntries(
        Object.entries({
          RejuveToken: { address: RJV, deployedBlock: 1, abi: 'rejuve-token' },
          IdentityToken: {
            ...contract('2', 'identity-token'),
            eip712: { name: 'Rejuve Identities', version: '1' },
          },
          DataManagement: {
            ...contract('3', 'data-management'),
            eip712: { name: 'Rejuve Data Management', version: '1' },
          },
          ProductNFT: contract('4', 'product-nft'),
          EAS: contract('5', 'eas'),
          Multicall3: contract('6', 'multicall3'),
        }).filter(([name]) => !without.includes(name)),
      ),
      accounts: { treasury: { address: TREASURY }, lab: { address: `0x${'7'.repeat(40)}` } },
    }),
  );
  return {
    postgres,
    redis,
    gateway,
    user,
    env: {
      PORT: '0',
      LOG_LEVEL: 'silent',
      DRAIN_TIMEOUT_MS: '1000',
      DATABASE_URL: postgres.url,
      REDIS_URL: redis.url,
      REDIS_PREFIX: redis.prefix,
      SERVICE_AUTH_KEYS: `k1:${'s'.repeat(40)}`,
      GATEWAY_URL: gateway.url,
      USER_URL: user.url,
      USER_ISSUER: ISSUER,
      CONTRACTS_FILE: manifest,
      CHAIN_ID: '31337',
      CURSOR_SECRET: 'c'.repeat(40),
      API_BOOTSTRAP_KEY: BOOTSTRAP_KEY,
      REQUESTS_PER_MINUTE: '1000000',
      REQUESTS_PER_MINUTE_PER_ADDRESS: '10000000',
      ...env,
    },
    async drop(): Promise<void> {
      await Promise.all([gateway.close(), user.close()]);
      await Promise.all([postgres.drop(), redis.drop(), rm(dir, { recursive: true, force: true })]);
    },
  };
}

/** A whole API in this process. */
export async function startApiHarness(
  env: Record<string, string> = {},
  /** Contracts that this chain does not have. */
  without: readonly string[] = [],
) {
  const world = await startApiWorld(env, without);
  const { postgres, redis, gateway, user } = world;
  const config = loadConfig(apiConfig, { env: world.env });
  const closers: (() => Promise<void> | void)[] = [];
  const abort = new AbortController();
  const log = createLogger({ service: 'api', level: 'silent' });
  const server = await startApi(
    config,
    { defer: (_name, close) => closers.push(close), signal: abort.signal, shutdown: () => undefined },
    log,
  );

  async function call(
    method: string,
    path: string,
    options: { token?: string; body?: unknown; key?: string | false; headers?: Record<string, string> } = {},
  ): Promise<Answered> {
    const { token, body, key, headers = {} } = options;
    const answer = await fetch(`${server.url}${path}`, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(method === 'POST' && key !== false ? { 'idempotency-key': key ?? crypto.randomUUID() } : {}),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await answer.text();
    return {
      status: answer.status,
      headers: answer.headers,
      body:
        text !== '' && (answer.headers.get('content-type') ?? '').includes('json') ? JSON.parse(text) : text,
    };
  }

  return {
    url: server.url,
    postgres,
    redis,
    gateway,
    user,
    call,
    openapi: async (): Promise<OpenApiDocument> => (await call('GET', '/openapi.json')).body,
    /** A client with these scopes and an API key of it. */
    async client(scopes: readonly string[], more: Record<string, unknown> = {}) {
      const { body: made } = await call('POST', '/v1/clients', {
        token: BOOTSTRAP_KEY,
        body: { name: 'test', scopes, requestsPerMinute: 1_000_000, ...more },
      });
      const { body: issued } = await call('POST', `/v1/clients/${made.id}/credentials`, {
        token: BOOTSTRAP_KEY,
        body: {},
      });
      return {
        id: made.id as string,
        credentialId: issued.credential.id as string,
        key: issued.secret as string,
      };
    },
    async stop(): Promise<void> {
      abort.abort(new Error('the test is over'));
      for (const close of closers.reverse()) await close();
      await world.drop();
    },
  };
}
