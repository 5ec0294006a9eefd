import { randomBytes } from 'node:crypto';
import { AbiCoder, keccak256, recoverAddress, Wallet } from 'ethers';
import { createLogger } from '../../../lib/log.ts';
import { createRedis, type Redis } from '../../../lib/redis.ts';
import { createPurse } from '../../../services/chain-gateway/admission/tokens/purse.ts';
import { exchangeBody, signSpend } from '../../../services/chain-gateway/testing/spend-client.ts';
import { startTestServers } from '../../testing/servers.ts';
import type { Figure } from '../figure.ts';
import type { BenchScenario } from '../scenario.ts';
import { BENCH_CHAIN_ID, type Stage, sleep } from '../stage.ts';

/** As far away as a good provider: what a channel waits for before the next call may be signed. */
const UPSTREAM_MS = 40;
const CONCURRENCY = [1, 8, 64, 256] as const;
const SECRET = 'a-secret-for-the-bench-of-thirty-two-characters';
const CONTRACT = `0x${'c0'.repeat(20)}`;
const PREFIX = 'bench';

interface Run {
  readonly callsPerSecond: number;
  readonly p95: number;
  readonly failed: number;
}

/**
 * The old way against the new, through the same gateway to the same upstream: a payment channel, where each call signs
 * the next cumulative amount and keeps the channel locked until it is answered, and one call token for all of them.
 */
export const callTokens: BenchScenario = {
  name: 'call-tokens',
  title: 'Payment channel or call token: calls per second and p95 at 1, 8, 64 and 256 concurrent calls',
  async run(stage, { quick }) {
    const servers = await startTestServers();
    try {
      return await measure(stage, servers, quick ? 2_000 : 10_000);
    } finally {
      await stage.stop();
      await servers.stop();
    }
  },
};

async function measure(
  stage: Stage,
  servers: { postgresUrl: string; redisUrl: string },
  durationMs: number,
): Promise<Figure[]> {
  const upstreams = await stage.upstreams(2, { faults: [{ type: 'latency', ms: UPSTREAM_MS }] });
  const env = {
    DATABASE_URL: servers.postgresUrl,
    REDIS_URL: servers.redisUrl,
    REDIS_PREFIX: PREFIX,
    SERVICE_AUTH_KEYS: `bench:${SECRET}`,
    CALL_TOKEN_PAYERS: '*',
    CALL_TOKEN_CONTRACT: CONTRACT,
    CALL_TOKEN_CHUNK: '100000000',
    RPC_ANONYMOUS: 'true',
  };
  const [gateway] = await Promise.all([
    stage.gateway(upstreams, env),
    stage.worker('ledger', upstreams, { ...env, WORKER_ROLES: 'transactions' }),
  ]);
  const { origin } = new URL(gateway.url);
  const url = `${origin}/rpc/${BENCH_CHAIN_ID}`;
  const payer = Wallet.createRandom();
  const token = await exchange(origin, payer);
  let asked = 0;

  /** One call that no cache knows. @returns false for anything but a result. */
  const call = async (headers: Record<string, string>): Promise<boolean> => {
    asked += 1;
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'eth_getStorageAt',
        params: [`0x${'ab'.repeat(20)}`, `0x${asked.toString(16)}`, '0x1'],
      }),
    });
    return ((await response.json()) as { result?: unknown }).result !== undefined;
  };
  const channel = createChannel(payer);
  const ways = {
    channel: () => channel.spend(1n, () => call({})),
    token: () => call({ authorization: `Bearer ${token}` }),
  };
  await runLanes(64, 1_000, ways.token);

  const figures: Figure[] = [];
  for (const lanes of CONCURRENCY) {
    const old = await runLanes(lanes, durationMs, ways.channel);
    const fresh = await runLanes(lanes, durationMs, ways.token);
    const name = `${lanes} concurrent`;
    figures.push(
      { name: `${name}: channel`, unit: 'calls/s', value: old.callsPerSecond },
      {
        name: `${name}: token`,
        unit: 'calls/s',
        value: fresh.callsPerSecond,
        note: `${(fresh.callsPerSecond / old.callsPerSecond).toFixed(1)} × the channel`,
        ...(lanes === 64 ? { aim: { min: 10 * old.callsPerSecond } } : {}),
      },
      { name: `${name}: channel p95`, unit: 'ms', value: old.p95 },
      { name: `${name}: token p95`, unit: 'ms', value: fresh.p95 },
      { name: `${name}: token errors`, unit: 'count', value: fresh.failed, aim: { max: 0 } },
    );
  }
  return [...figures, ...(await priceOfHold(servers.redisUrl))];
}

async function exchange(
  origin: string,
  payer: Wallet | ReturnType<typeof Wallet.createRandom>,
): Promise<string> {
  const signed = await signSpend(
    payer,
    { chainId: BENCH_CHAIN_ID, verifyingContract: CONTRACT },
    { maxAmount: 10n ** 12n, maxPerCall: 10n ** 6n, maxInFlight: 10_000n },
  );
  const response = await fetch(`${origin}/v1/call-tokens`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(exchangeBody(signed)),
  });
  const body = (await response.json()) as { access_token?: string };
  if (body.access_token === undefined) throw new Error(`no token: ${JSON.stringify(body)}`);
  return body.access_token;
}

/**
 * A payment channel as a daemon keeps it: the amount must rise by exactly one price, the signature is checked, and the
 * channel stays locked until the call is done, because only then is the next amount known.
 */
function createChannel(payer: Wallet | ReturnType<typeof Wallet.createRandom>) {
  const id = randomBytes(32);
  let paid = 0n;
  let free: Promise<unknown> = Promise.resolve();
  const digestOf = (amount: bigint): string =>
    keccak256(AbiCoder.defaultAbiCoder().encode(['bytes32', 'uint256', 'uint256'], [id, 0, amount]));
  const locked = async (price: bigint, work: () => Promise<boolean>): Promise<boolean> => {
    const amount = paid + price;
    const digest = digestOf(amount);
    const signature = payer.signingKey.sign(digest);
    if (recoverAddress(digestOf(paid + price), signature) !== payer.address) return false;
    const done = await work();
    if (done) paid = amount;
    return done;
  };
  return {
    spend(price: bigint, work: () => Promise<boolean>): Promise<boolean> {
      const turn = free.then(() => locked(price, work));
      free = turn.catch(() => undefined);
      return turn;
    },
  };
}

/** Closed loop: as many callers as lanes, each with the next call when the last is answered. */
async function runLanes(lanes: number, durationMs: number, call: () => Promise<boolean>): Promise<Run> {
  const times: number[] = [];
  let failed = 0;
  const startedAt = performance.now();
  const until = startedAt + durationMs;
  const lane = async (): Promise<void> => {
    while (performance.now() < until) {
      const from = performance.now();
      if (await call()) times.push(performance.now() - from);
      else failed += 1;
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  const seconds = (performance.now() - startedAt) / 1_000;
  times.sort((a, b) => a - b);
  return {
    callsPerSecond: times.length / seconds,
    p95: times[Math.floor(times.length * 0.95)] ?? Number.NaN,
    failed,
  };
}

/** What one hold costs Redis (its own count of microseconds in the script) and a replica (its CPU). */
async function priceOfHold(redisUrl: string): Promise<Figure[]> {
  const log = createLogger({ service: 'bench', level: 'fatal' });
  const purse = createPurse({ url: redisUrl, prefix: 'price', log });
  const redis = createRedis({ url: redisUrl, log, role: 'bench' });
  const base = { generation: 'g', allotmentId: 'a', epoch: 1 };
  await purse.setGeneration('g');
  await purse.load({
    ...base,
    lease: 1,
    granted: 10 ** 9,
    maxInFlight: 10_000,
    maxPerCall: 1_000,
    validAfter: 0,
    validBefore: 10 ** 13,
    price: 1,
  });
  const round = async (from: number, count: number): Promise<void> => {
    for (let i = from; i < from + count; i += 64)
      await Promise.all(
        Array.from({ length: 64 }, (_, lane) =>
          purse.hold({ ...base, callId: `c${i + lane}`, units: 60, expiresInMs: 60_000, method: 'eth_call' }),
        ),
      );
  };
  await round(0, 1_000);
  await sleep(100);
  const before = await scriptCost(redis);
  const cpu = process.cpuUsage();
  await round(2_000, 6_400);
  const spent = process.cpuUsage(cpu);
  const after = await scriptCost(redis);
  await purse.close();
  redis.disconnect();
  return [
    {
      name: 'hold: Redis',
      unit: 'µs/call',
      value: (after.microseconds - before.microseconds) / (after.calls - before.calls),
      aim: { max: 100 },
      note: 'time inside the script, by INFO commandstats',
    },
    {
      name: 'hold: CPU of the replica',
      unit: 'µs/call',
      value: (spent.user + spent.system) / (after.calls - before.calls),
    },
  ];
}

async function scriptCost(redis: Redis): Promise<{ calls: number; microseconds: number }> {
  const found = /cmdstat_evalsha:calls=(\d+),usec=(\d+)/.exec(await redis.info('commandstats'));
  return { calls: Number(found?.[1] ?? 0), microseconds: Number(found?.[2] ?? 0) };
}
