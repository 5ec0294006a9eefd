import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { WebSocket } from 'ws';
import { createMetrics } from '../../../lib/metrics.ts';
import { createSeededRandom } from '../../../lib/random.ts';
import { systemClock } from '../../../lib/time.ts';
import { createSyntheticChain, type SyntheticChain } from '../../../tools/simulator/chain/synthetic-chain.ts';
import { type Simulator, startSimulator } from '../../../tools/simulator/simulator.ts';
import { type EthereumRpc, RpcCallError } from '../rpc/ethereum-rpc.ts';
import {
  createSubscriptions,
  DEFAULT_SUBSCRIPTION_LIMITS,
  type SubscriptionLimits,
} from './create-subscriptions.ts';
import type { RpcContext } from './local-method.ts';
import { createRpcWebSocketServer } from './ws-server.ts';

const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** The smallest read path there is: asks the providers in turn until one answers. The real one has its own tests. */
function rpcOver(urls: readonly string[]): EthereumRpc {
  return {
    async request(method, params) {
      let last: unknown;
      for (const url of urls) {
        try {
          const response = await fetch(url, {
            method: 'POST',
            body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
            signal: AbortSignal.timeout(500),
          });
          const answer = (await response.json()) as {
            result?: unknown;
            error?: { code: number; message: string };
          };
          if (answer.error !== undefined) throw new RpcCallError(answer.error.code, answer.error.message);
          return answer.result;
        } catch (error) {
          last = error;
        }
      }
      throw last;
    },
  };
}

interface Gateway {
  url: string;
  call(method: string, params?: unknown[], context?: RpcContext): Promise<unknown>;
  metrics: ReturnType<typeof createMetrics>;
  pushedBy(): string | undefined;
  close(deadlineMs: number): Promise<void>;
}

async function startGateway(
  rpc: EthereumRpc,
  options: {
    webSocketUrls?: readonly string[];
    limits?: Partial<SubscriptionLimits>;
    authenticate?: () => Promise<{ principal?: string }>;
  } = {},
): Promise<Gateway> {
  const metrics = createMetrics({ service: 'test', processMetrics: false });
  const random = createSeededRandom(3);
  const limits = { ...DEFAULT_SUBSCRIPTION_LIMITS, headPollMs: 30, pendingPollMs: 30, ...options.limits };
  const { webSocketUrls } = options;
  const subscriptions = createSubscriptions({
    rpc,
    clock: systemClock,
    random,
    log,
    metrics,
    chainId: 31_337,
    limits,
    ...(webSocketUrls === undefined ? {} : { webSocketUrls: () => webSocketUrls }),
  });
  const call = async (method: string, params: unknown[] = [], context: RpcContext = {}): Promise<unknown> => {
    const local = subscriptions.localMethods.get(method);
    return local === undefined ? rpc.request(method, params) : local(params, context);
  };
  async function answer(body: string, context: RpcContext): Promise<string> {
    const { id, method, params } = JSON.parse(body);
    return call(method, params, context).then(
      (result) => JSON.stringify({ jsonrpc: '2.0', id, result }),
      (error) =>
        JSON.stringify({ jsonrpc: '2.0', id, error: { code: error.code ?? -32603, message: error.message } }),
    );
  }
  const sockets = createRpcWebSocketServer({
    answer,
    limits,
    clock: systemClock,
    random,
    log,
    metrics: subscriptions.webSocketMetrics,
    authenticate: options.authenticate ?? (async () => ({})),
  });
  const server: Server = createServer();
  server.on('upgrade', sockets.upgrade);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(async () => {
    await sockets.close(200);
    subscriptions.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/rpc/31337`,
    call,
    metrics,
    pushedBy: subscriptions.pushedBy,
    close: sockets.close,
  };
}

interface Client {
  socket: WebSocket;
  // biome-ignore lint/suspicious/noExplicitAny: heads, logs and hashes
  events: any[];
  ask(
    method: string,
    params?: unknown[],
  ): Promise<{ result?: unknown; error?: { code: number; message: string } }>;
  closed: Promise<{ code: number; reason: string }>;
}

async function connect(url: string): Promise<Client> {
  const socket = new WebSocket(url);
  const events: unknown[] = [];
  const waiting = new Map<number, (answer: never) => void>();
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() })),
  );
  socket.on('message', (data) => {
    const message = JSON.parse(data.toString());
    if (message.method === 'eth_subscription') events.push(message.params.result);
    else waiting.get(message.id)?.(message as never);
  });
  cleanups.push(() => socket.terminate());
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  let id = 0;
  return {
    socket,
    events,
    closed,
    ask: (method, params = []) =>
      new Promise((resolve) => {
        id += 1;
        waiting.set(id, resolve as never);
        socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
      }),
  };
}

function newChain(): SyntheticChain {
  return createSyntheticChain({
    clock: systemClock,
    blockTimeMs: 0,
    startHeight: 500,
    transactionsPerBlock: 2,
  });
}
async function newProvider(chain: SyntheticChain, options = {}): Promise<Simulator> {
  const simulator = await startSimulator({ chain, ...options });
  cleanups.push(() => simulator.stop());
  return simulator;
}
async function until(condition: () => boolean, what: string, timeoutMs = 4_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
const numbers = (client: Client): number[] => client.events.map(({ number }) => Number(number));
const rest = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 120));

describe('newHeads', () => {
  it('tells every block once and in order, however fast they come', async () => {
    const chain = newChain();
    const provider = await newProvider(chain);
    const client = await connect((await startGateway(rpcOver([provider.url]))).url);
    await client.ask('eth_subscribe', ['newHeads']);
    for (const blocks of [1, 5, 1, 12]) {
      chain.mine(blocks);
      await until(() => numbers(client).at(-1) === chain.head(), 'the newest head');
    }
    expect(numbers(client)).toEqual(Array.from({ length: 19 }, (_, index) => 501 + index));
    expect(client.events[0]).not.toHaveProperty('transactions');
  });

  it('asks upstream once for any number of subscribers', async () => {
    const chain = newChain();
    const provider = await newProvider(chain);
    const gateway = await startGateway(rpcOver([provider.url]), { limits: { headPollMs: 60 } });
    const clients = await Promise.all(Array.from({ length: 20 }, () => connect(gateway.url)));
    for (const client of clients) await client.ask('eth_subscribe', ['logs', {}]);
    provider.stats.reset();
    chain.mine(3);
    await until(() => clients.every((client) => client.events.length === 6), 'logs at every client');
    expect(provider.stats.snapshot().byMethod.eth_getLogs).toBe(3);
  });

  it('starts again from the new branch after a reorg', async () => {
    const chain = newChain();
    const provider = await newProvider(chain);
    const client = await connect((await startGateway(rpcOver([provider.url]))).url);
    await client.ask('eth_subscribe', ['newHeads']);
    chain.mine(4);
    await until(() => client.events.length === 4, 'four heads');
    chain.reorg(3, 1);
    await until(() => numbers(client).at(-1) === 505, 'the new branch');
    expect(numbers(client)).toEqual([501, 502, 503, 504, 502, 503, 504, 505]);
    for (let index = 5; index < 8; index += 1)
      expect(client.events[index].parentHash).toBe(client.events[index - 1].hash);
    expect(client.events[4].parentHash).toBe(client.events[0].hash);
  });

  it('misses nothing and repeats nothing when a provider dies and another takes over', async () => {
    const chain = newChain();
    const [alpha, beta] = [await newProvider(chain), await newProvider(chain)];
    const gateway = await startGateway(rpcOver([alpha.url, beta.url]), {
      webSocketUrls: [alpha.wsUrl, beta.wsUrl],
    });
    const client = await connect(gateway.url);
    await client.ask('eth_subscribe', ['newHeads']);
    await until(() => gateway.pushedBy() === alpha.wsUrl, 'alpha pushes');
    chain.mine(2);
    await until(() => client.events.length === 2, 'heads from alpha');
    await alpha.down();
    chain.mine(3);
    await until(() => numbers(client).at(-1) === 505, 'heads while failing over');
    await until(() => gateway.pushedBy() === beta.wsUrl, 'beta pushes');
    chain.mine(1);
    await until(() => numbers(client).at(-1) === 506, 'heads from beta');
    await rest();
    expect(numbers(client)).toEqual([501, 502, 503, 504, 505, 506]);
  });

  it('fills in what was mined while every provider was away', async () => {
    const chain = newChain();
    const provider = await newProvider(chain);
    const client = await connect((await startGateway(rpcOver([provider.url]))).url);
    await client.ask('eth_subscribe', ['newHeads']);
    await provider.down();
    chain.mine(30);
    await rest();
    await provider.up();
    await until(() => numbers(client).at(-1) === 530, 'the backfill');
    expect(numbers(client)).toEqual(Array.from({ length: 30 }, (_, index) => 501 + index));
  });

  it('closes with the missing range when the gap is too long to fill', async () => {
    const chain = newChain();
    const provider = await newProvider(chain);
    const client = await connect(
      (await startGateway(rpcOver([provider.url]), { limits: { maxBackfill: 10 } })).url,
    );
    await client.ask('eth_subscribe', ['newHeads']);
    await rest();
    await provider.down();
    chain.mine(50);
    await provider.up();
    expect(await client.closed).toEqual({
      code: 1013,
      reason: 'blocks 501 to 549 were missed: read them, then subscribe again',
    });
  });
});

describe('logs', () => {
  it('filters, and takes back what a reorg orphaned before telling what replaced it', async () => {
    const chain = newChain();
    const provider = await newProvider(chain);
    const client = await connect((await startGateway(rpcOver([provider.url]))).url);
    const address = '0x1000000000000000000000000000000000000001';
    await client.ask('eth_subscribe', ['logs', { address }]);
    chain.mine(3);
    const expected = [501, 502, 503]
      .flatMap((height) => chain.view().logs(height))
      .filter((entry) => entry.address === address);
    await until(() => client.events.length === expected.length, 'logs');
    expect(client.events).toEqual(expected);
    const before = expected.filter((entry) => Number(entry.blockNumber) > 501);
    client.events.length = 0;
    chain.reorg(2);
    const after = [502, 503]
      .flatMap((height) => chain.view().logs(height))
      .filter((entry) => entry.address === address);
    await until(() => client.events.length === before.length + after.length, 'the reorg');
    expect(client.events).toEqual([
      ...before.reverse().map((entry) => ({ ...entry, removed: true })),
      ...after,
    ]);
  });

  it('is late rather than incomplete when logs cannot be read', async () => {
    const chain = newChain();
    const provider = await newProvider(chain);
    const client = await connect((await startGateway(rpcOver([provider.url]))).url);
    await client.ask('eth_subscribe', ['logs', {}]);
    provider.faults.set([{ type: 'error', methods: ['eth_getLogs'], times: 3 }]);
    chain.mine(4);
    await until(() => client.events.length === 8, 'all logs');
    expect(client.events.map((entry) => Number(entry.blockNumber))).toEqual([
      501, 501, 502, 502, 503, 503, 504, 504,
    ]);
  });

  it('survives a provider on a fork: its branch is told, taken back, and the truth told', async () => {
    const chain = newChain();
    const [alpha, beta] = [await newProvider(chain), await newProvider(chain)];
    const client = await connect((await startGateway(rpcOver([alpha.url, beta.url]))).url);
    await client.ask('eth_subscribe', ['logs', {}]);
    chain.mine(1);
    await until(() => client.events.length === 2, 'the first block');
    alpha.faults.set([{ type: 'fork', depth: 1 }]);
    await until(() => client.events.length === 6, 'the false branch');
    await alpha.down();
    await until(() => client.events.length === 10, 'the true branch');
    const standing = new Map<string, unknown>();
    for (const entry of client.events) {
      const key = `${entry.blockHash}:${entry.logIndex}`;
      if (entry.removed) standing.delete(key);
      else standing.set(key, entry);
    }
    expect([...standing.values()]).toEqual(chain.view().logs(501));
  });
});

describe('newPendingTransactions', () => {
  it.each([true, false])('tells each hash once (pushed by a provider: %p)', async (pushed) => {
    const chain = newChain();
    const provider = await newProvider(chain);
    const gateway = await startGateway(
      rpcOver([provider.url]),
      pushed ? { webSocketUrls: [provider.wsUrl] } : {},
    );
    const client = await connect(gateway.url);
    await client.ask('eth_subscribe', ['newPendingTransactions']);
    if (pushed)
      await until(
        () => provider.stats.snapshot().webSockets.subscriptions === 1,
        'the upstream subscription',
      );
    await rest();
    client.events.length = 0;
    chain.mine(1);
    await until(() => client.events.length >= 2, 'pending hashes');
    await rest();
    expect(new Set(client.events).size).toBe(client.events.length);
    expect(client.events[0]).toMatch(/^0x[0-9a-f]{64}$/);
  });
});

describe('clients', () => {
  it('hear nothing after eth_unsubscribe, and leave nothing behind', async () => {
    const chain = newChain();
    const provider = await newProvider(chain);
    const gateway = await startGateway(rpcOver([provider.url]));
    const client = await connect(gateway.url);
    const { result: id } = await client.ask('eth_subscribe', ['newHeads']);
    expect((await client.ask('eth_unsubscribe', [id])).result).toBe(true);
    expect((await client.ask('eth_unsubscribe', [id])).error).toMatchObject({
      code: -32000,
      message: 'subscription not found',
    });
    await rest();
    provider.stats.reset();
    chain.mine(1);
    await rest();
    expect(client.events).toEqual([]);
    expect(provider.stats.snapshot().calls).toBe(0);
  });

  it('are told what is wrong with a subscription', async () => {
    const provider = await newProvider(newChain());
    const gateway = await startGateway(rpcOver([provider.url]), { limits: { maxPerConnection: 1 } });
    const client = await connect(gateway.url);
    const wrong = async (...params: unknown[]): Promise<string | undefined> =>
      (await client.ask('eth_subscribe', params)).error?.message;
    expect(await wrong('newStuff')).toBe(
      'eth_subscribe: "newStuff" is none of newHeads, logs, newPendingTransactions',
    );
    expect(await wrong('logs', { address: '0x12' })).toBe('address: "0x12" is not valid');
    expect(await wrong('logs', { topics: [null, ['0x1']] })).toBe('topics[1]: "0x1" is not valid');
    expect(await wrong('logs', { topics: [null, null, null, null, null] })).toBe(
      'topics: a log has at most 4, got 5',
    );
    await client.ask('eth_subscribe', ['newHeads']);
    expect(await wrong('newHeads')).toBe('at most 1 subscriptions per connection');
    await expect(gateway.call('eth_subscribe', ['newHeads'])).rejects.toThrow('needs a WebSocket');
  });

  it('who do not read are cut off, and the others are not held up', async () => {
    const chain = newChain();
    const provider = await newProvider(chain);
    const gateway = await startGateway(rpcOver([provider.url]), { limits: { maxBufferedBytes: 20_000 } });
    const [slow, quick] = [await connect(gateway.url), await connect(gateway.url)];
    for (const client of [slow, quick]) await client.ask('eth_subscribe', ['newHeads']);
    slow.socket.pause();
    let mined = 0;
    const cutOffs = async (): Promise<number> => {
      const metric = await gateway.metrics.registry
        .getSingleMetric('gateway_subscription_cutoffs_total')
        ?.get();
      return metric?.values[0]?.value ?? 0;
    };
    // The kernel's socket buffers swallow the first megabytes.
    while ((await cutOffs()) === 0 && mined < 12_000) {
      chain.mine(500);
      mined += 500;
      await until(() => numbers(quick).at(-1) === chain.head(), 'heads at the quick client', 10_000);
    }
    expect(await cutOffs()).toBe(1);
    expect(numbers(quick)).toHaveLength(mined);
    slow.socket.resume();
    await slow.closed;
  }, 60_000);

  it('are refused beyond the limits with a status and a reason', async () => {
    const provider = await newProvider(newChain());
    const full = await startGateway(rpcOver([provider.url]), {
      limits: { maxConnections: 1, maxMessageBytes: 1_000 },
    });
    const client = await connect(full.url);
    await expect(connect(full.url)).rejects.toThrow('503');
    client.socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'x'.repeat(2_000) }));
    expect((await client.closed).code).toBe(1009);
    const closed = await startGateway(rpcOver([provider.url]), {
      authenticate: () => Promise.reject(new Error('no token')),
    });
    await expect(connect(closed.url)).rejects.toThrow('401');
    const other = await connect(full.url);
    other.socket.send(Buffer.from([1, 2, 3]));
    expect(await other.closed).toEqual({ code: 1003, reason: 'JSON-RPC wants text messages' });
  });

  it('are told to go elsewhere when the gateway stops', async () => {
    const provider = await newProvider(newChain());
    const gateway = await startGateway(rpcOver([provider.url]));
    const client = await connect(gateway.url);
    await Promise.all([
      gateway.close(1_000),
      expect(client.closed).resolves.toEqual({
        code: 1001,
        reason: 'the server is going away: connect again',
      }),
    ]);
    await expect(connect(gateway.url)).rejects.toThrow('503');
  });
});

describe('filters', () => {
  it('hand out blocks once each, over a change of provider', async () => {
    const chain = newChain();
    const [alpha, beta] = [await newProvider(chain), await newProvider(chain)];
    const gateway = await startGateway(rpcOver([alpha.url, beta.url]));
    const id = await gateway.call('eth_newBlockFilter');
    chain.mine(2);
    const hash = (height: number): string => chain.view().hashAt(height);
    expect(await gateway.call('eth_getFilterChanges', [id])).toEqual([hash(501), hash(502)]);
    await alpha.down();
    chain.mine(1);
    expect(await gateway.call('eth_getFilterChanges', [id])).toEqual([hash(503)]);
    expect(await gateway.call('eth_getFilterChanges', [id])).toEqual([]);
    chain.reorg(2);
    expect(await gateway.call('eth_getFilterChanges', [id])).toEqual([hash(502), hash(503)]);
  });

  it('hand out logs, and take back those of a lost branch', async () => {
    const chain = newChain();
    const gateway = await startGateway(rpcOver([(await newProvider(chain)).url]));
    const id = await gateway.call('eth_newFilter', [{}]);
    chain.mine(12);
    const logsOf = (from: number, to: number) =>
      Array.from({ length: to - from + 1 }, (_, index) => chain.view().logs(from + index)).flat();
    expect(await gateway.call('eth_getFilterChanges', [id])).toEqual(logsOf(501, 512));
    const lost = logsOf(511, 512);
    chain.reorg(2, 1);
    expect(await gateway.call('eth_getFilterChanges', [id])).toEqual([
      ...lost.reverse().map((entry) => ({ ...entry, removed: true })),
      ...logsOf(511, 513),
    ]);
    expect(await gateway.call('eth_getFilterLogs', [id])).toEqual(logsOf(513, 513));
  });

  it('hand changes out once to two polls at the same time', async () => {
    const chain = newChain();
    const gateway = await startGateway(rpcOver([(await newProvider(chain)).url]));
    const id = await gateway.call('eth_newBlockFilter');
    chain.mine(3);
    const polls = await Promise.all(
      [1, 2, 3].map(() => gateway.call('eth_getFilterChanges', [id]) as Promise<string[]>),
    );
    expect(polls.flat()).toHaveLength(3);
  });

  it('show pending transactions once', async () => {
    const chain = newChain();
    const gateway = await startGateway(rpcOver([(await newProvider(chain)).url]));
    const id = await gateway.call('eth_newPendingTransactionFilter');
    expect(await gateway.call('eth_getFilterChanges', [id])).toEqual([]);
    chain.mine(1);
    expect(await gateway.call('eth_getFilterChanges', [id])).toHaveLength(2);
    expect(await gateway.call('eth_getFilterChanges', [id])).toEqual([]);
  });

  it('expire, are bounded, are private, and say so', async () => {
    const chain = newChain();
    const gateway = await startGateway(rpcOver([(await newProvider(chain)).url]), {
      limits: { ttlMs: 80, maxFilters: 2, maxBlocksBehind: 5 },
    });
    const id = await gateway.call('eth_newBlockFilter', [], { principal: 'ann' });
    await expect(gateway.call('eth_getFilterChanges', [id], { principal: 'bob' })).rejects.toMatchObject({
      code: -32000,
      message: 'filter not found',
    });
    await gateway.call('eth_newBlockFilter');
    await expect(gateway.call('eth_newBlockFilter')).rejects.toMatchObject({ code: -32005 });
    await new Promise((resolve) => setTimeout(resolve, 100));
    await expect(gateway.call('eth_getFilterChanges', [id], { principal: 'ann' })).rejects.toThrow(
      'filter not found',
    );
    const late = await gateway.call('eth_newBlockFilter');
    chain.mine(6);
    await expect(gateway.call('eth_getFilterChanges', [late])).rejects.toThrow(
      '6 blocks behind, more than 5',
    );
    const last = await gateway.call('eth_newFilter', [{}]);
    expect(await gateway.call('eth_uninstallFilter', [last])).toBe(true);
    expect(await gateway.call('eth_uninstallFilter', [last])).toBe(false);
    await expect(gateway.call('eth_newFilter', [{ address: 'x' }])).rejects.toMatchObject({ code: -32602 });
  });
});
