import { type HDNodeWallet, Wallet } from 'ethers';
import { loadConfig } from '../../../lib/config.ts';
import type { ProcessScope } from '../../../lib/lifecycle.ts';
import { createLogger } from '../../../lib/log.ts';
import { createServiceAuth, type ServiceAuthKeys } from '../../../lib/service-auth.ts';
import { systemClock } from '../../../lib/time.ts';
import { createTestPostgres, type TestPostgres } from '../../../tools/testing/test-postgres.ts';
import { createTestRedis, type TestRedis } from '../../../tools/testing/test-redis.ts';
import { userConfig } from '../config.ts';
import { startUserService } from '../start-user-service.ts';
import { type StandInGateway, startStandInGateway } from './stand-in-gateway.ts';

export const TEST_SECRET = 'test-secret-that-is-long-enough-0123456789';
export const TEST_SERVICE_KEYS: ServiceAuthKeys = [{ kid: 't1', secret: TEST_SECRET }];
export const TEST_DOMAIN = 'app.test';

export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape.
  readonly body: any;
  readonly headers: Headers;
}

/** One running user service. */
export interface Replica {
  readonly url: string;
  stop(): Promise<void>;
}

/** A person with a key, signed in. */
export interface TestPerson {
  readonly wallet: HDNodeWallet | Wallet;
  readonly address: string;
  readonly personId: string;
  readonly sessionId: string;
  readonly accessToken: string;
  readonly refreshToken: string;
}

export interface Harness {
  readonly postgres: TestPostgres;
  readonly redis: TestRedis;
  readonly gateway: StandInGateway;
  readonly url: string;
  startReplica(env?: Record<string, string>): Promise<Replica>;
  call(
    method: string,
    path: string,
    options?: { token?: string; body?: unknown; headers?: Record<string, string>; url?: string },
  ): Promise<Answer>;
  /** Calls an internal route as the API does. */
  internal(method: string, path: string, body?: unknown): Promise<Answer>;
  signIn(wallet?: HDNodeWallet | Wallet): Promise<TestPerson>;
  linkWallet(personId: string, wallet: HDNodeWallet | Wallet): Promise<Answer>;
  /** Rows of a query on the service's schema. */
  // biome-ignore lint/suspicious/noExplicitAny: rows of any query.
  query(text: string, values?: unknown[]): Promise<any[]>;
  stop(): Promise<void>;
}

/** Waits until `check` answers something; fails with `what` after `timeoutMs`. */
export async function eventually<T>(
  what: string,
  check: () => Promise<T | undefined | false>,
  timeoutMs = 10_000,
): Promise<T> {
  const end = Date.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await check();
      if (value !== undefined && value !== false) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`${what} did not happen within ${timeoutMs} ms`, { cause: last });
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** A user service against a real Postgres and Redis, and a gateway on the wire. */
export async function startHarness(env: Record<string, string> = {}): Promise<Harness> {
  const { default: pg } = await import('pg');
  const postgres = await createTestPostgres();
  const redis = await createTestRedis();
  const gateway = await startStandInGateway(TEST_SERVICE_KEYS);
  const replicas: Replica[] = [];
  const pool = new pg.Pool({ connectionString: postgres.url, max: 3, options: '-c search_path=users' });
  pool.on('error', () => undefined);
  const service = createServiceAuth({ self: 'api', keys: TEST_SERVICE_KEYS, clock: systemClock });

  const startReplica = async (more: Record<string, string> = {}): Promise<Replica> => {
    const closers: (() => Promise<void> | void)[] = [];
    const abort = new AbortController();
    const scope: ProcessScope = {
      defer: (_name, close) => closers.push(close),
      signal: abort.signal,
      shutdown: () => undefined,
    };
    const config = loadConfig(userConfig, {
      env: {
        PORT: '0',
        DATABASE_URL: postgres.url,
        REDIS_URL: redis.url,
        REDIS_PREFIX: redis.prefix,
        SERVICE_AUTH_KEYS: `t1:${TEST_SECRET}`,
        GATEWAY_URL: gateway.url,
        USER_ISSUER: 'http://user.test',
        SIWE_DOMAIN: TEST_DOMAIN,
        DRAIN_TIMEOUT_MS: '500',
        ...env,
        ...more,
      },
    });
    const log = createLogger({ service: 'user', level: process.env.TEST_LOG ?? 'silent' });
    const { url } = await startUserService(config, scope, log);
    let stopped = false;
    const replica = {
      url,
      async stop() {
        if (stopped) return;
        stopped = true;
        abort.abort(new Error('stop'));
        for (const close of closers.reverse()) await close();
      },
    };
    replicas.push(replica);
    return replica;
  };
  const first = await startReplica();

  const call: Harness['call'] = async (method, path, options = {}) => {
    const response = await fetch((options.url ?? first.url) + path, {
      method,
      headers: {
        ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
        ...options.headers,
      },
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    });
    const text = await response.text();
    const json = (response.headers.get('content-type') ?? '').includes('json');
    return {
      status: response.status,
      body: json && text !== '' ? JSON.parse(text) : text,
      headers: response.headers,
    };
  };
  const internal: Harness['internal'] = async (method, path, body) =>
    call(method, path, { token: await service.sign('user'), ...(body === undefined ? {} : { body }) });

  return {
    postgres,
    redis,
    gateway,
    url: first.url,
    startReplica,
    call,
    internal,
    async signIn(wallet = Wallet.createRandom()) {
      const challenge = await call('POST', '/v1/auth/nonce', { body: { address: wallet.address } });
      const signature = await wallet.signMessage(challenge.body.message);
      const answer = await call('POST', '/v1/auth/siwe', {
        body: { message: challenge.body.message, signature },
      });
      if (answer.status !== 200)
        throw new Error(`sign-in answered ${answer.status}: ${JSON.stringify(answer.body)}`);
      return { wallet, address: wallet.address, ...answer.body };
    },
    async linkWallet(personId, wallet) {
      const challenge = await internal('POST', `/internal/people/${personId}/wallets/challenge`, {
        address: wallet.address,
      });
      return internal('POST', `/internal/people/${personId}/wallets`, {
        message: challenge.body.message,
        signature: await wallet.signMessage(challenge.body.message),
      });
    },
    query: async (text, values = []) => (await pool.query(text, values)).rows,
    async stop() {
      for (const replica of replicas) await replica.stop();
      await pool.end();
      await gateway.close();
      await postgres.drop();
      await redis.drop();
    },
  };
}

/** An open event stream that remembers what it got. */
export function openStream(url: string, token: string, lastEventId?: string) {
  const abort = new AbortController();
  const events: { id: string; data: Record<string, unknown>; at: number }[] = [];
  let status = 0;
  const opened = fetch(`${url}/v1/notifications/stream`, {
    headers: {
      authorization: `Bearer ${token}`,
      ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
    },
    signal: abort.signal,
  });
  const done = opened
    .then(async (response) => {
      status = response.status;
      let buffer = '';
      const decoder = new TextDecoder();
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        buffer += decoder.decode(chunk, { stream: true });
        for (let end = buffer.indexOf('\n\n'); end >= 0; end = buffer.indexOf('\n\n')) {
          const block = buffer.slice(0, end).split('\n');
          buffer = buffer.slice(end + 2);
          const id = block.find((l) => l.startsWith('id: '))?.slice(4);
          const data = block.find((l) => l.startsWith('data: '))?.slice(6);
          if (id !== undefined && data !== undefined)
            events.push({ id, data: JSON.parse(data), at: Date.now() });
        }
      }
    })
    .catch(() => undefined);
  return {
    events,
    opened,
    get status() {
      return status;
    },
    async close() {
      abort.abort();
      await done;
    },
  };
}
