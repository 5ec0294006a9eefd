import { afterEach, describe, expect, it } from '@jest/globals';
import { WebSocket } from 'ws';
import { createManualClock } from '../../lib/time.ts';
import { createSyntheticChain } from './chain/synthetic-chain.ts';
import type { FaultInput } from './faults.ts';
import { type Simulator, type SimulatorOptions, startSimulator } from './simulator.ts';

const running: Simulator[] = [];
async function start(options: SimulatorOptions = {}): Promise<Simulator> {
  const simulator = await startSimulator({ synthetic: { blockTimeMs: 0, startHeight: 200 }, ...options });
  running.push(simulator);
  return simulator;
}
afterEach(async () => {
  await Promise.all(running.splice(0).map((simulator) => simulator.stop()));
});

interface Answer {
  id: unknown;
  // biome-ignore lint/suspicious/noExplicitAny: answers differ by method
  result?: any;
  error?: { code: number; message: string };
}

async function post(url: string, body: unknown): Promise<Response> {
  return fetch(url, { method: 'POST', body: JSON.stringify(body), signal: AbortSignal.timeout(5_000) });
}
async function call(simulator: Simulator, method: string, params: unknown[] = []): Promise<Answer> {
  return (await (await post(simulator.url, { jsonrpc: '2.0', id: 7, method, params })).json()) as Answer;
}
const withFaults = (...faults: FaultInput[]): Promise<Simulator> => start({ faults });

/** An exchange broken on the wire rejects; the reason is the platform's, so only its kind is asked. */
async function outcomeOf(simulator: Simulator): Promise<'answered' | 'broken' | 'pending'> {
  const attempt = call(simulator, 'eth_blockNumber').then(
    () => 'answered' as const,
    () => 'broken' as const,
  );
  return Promise.race([
    attempt,
    new Promise<'pending'>((resolve) => setTimeout(() => resolve('pending'), 300)),
  ]);
}

describe('a healthy synthetic node', () => {
  it('links blocks by parent hash and finds them, their transactions and receipts by hash', async () => {
    const simulator = await start();
    const { result: block } = await call(simulator, 'eth_getBlockByNumber', ['latest', true]);
    expect(block.number).toBe('0xc8');
    const { result: parent } = await call(simulator, 'eth_getBlockByHash', [block.parentHash, false]);
    expect(Number(parent.number)).toBe(199);
    const { result: receipt } = await call(simulator, 'eth_getTransactionReceipt', [
      block.transactions[1].hash,
    ]);
    expect(receipt).toMatchObject({ blockHash: block.hash, transactionIndex: '0x1', status: '0x1' });
    const { result: logs } = await call(simulator, 'eth_getLogs', [{ blockHash: block.hash }]);
    expect(logs).toHaveLength(4);
    expect(receipt.logs[0]).toEqual(logs[1]);
  });

  it('is the same chain in every process that has its seed', async () => {
    const [one, two, other] = await Promise.all([
      start(),
      start(),
      start({ synthetic: { blockTimeMs: 0, startHeight: 200, seed: 2 } }),
    ]);
    const hashes = await Promise.all(
      [one, two, other].map(
        async (each) => (await call(each, 'eth_getBlockByNumber', ['0x64', false])).result.hash,
      ),
    );
    expect(hashes[0]).toBe(hashes[1]);
    expect(hashes[0]).not.toBe(hashes[2]);
  });

  it('answers batches in order and echoes ids of any kind', async () => {
    const simulator = await start();
    const response = await post(simulator.url, [
      { jsonrpc: '2.0', id: 'a', method: 'eth_chainId' },
      { jsonrpc: '2.0', id: 2, method: 'eth_nope' },
    ]);
    expect(await response.json()).toMatchObject([
      { id: 'a', result: '0x7a69' },
      { id: 2, error: { code: -32601 } },
    ]);
    expect(simulator.stats.snapshot()).toMatchObject({ calls: 2, exchanges: 1, batches: 1, maxBatch: 2 });
  });

  it('replaces the last blocks on a reorg and keeps those below', async () => {
    const simulator = await start();
    const hashAt = async (height: number) =>
      (await call(simulator, 'eth_getBlockByNumber', [`0x${height.toString(16)}`, false])).result
        .hash as string;
    const before = [await hashAt(197), await hashAt(198), await hashAt(200)];
    await simulator.reorg(3);
    expect(await hashAt(197)).toBe(before[0]);
    expect(await hashAt(198)).not.toBe(before[1]);
    expect(await hashAt(200)).not.toBe(before[2]);
    expect((await call(simulator, 'eth_getBlockByHash', [before[2]])).result).toBeNull();
  });
});

describe('faults on the wire', () => {
  it('latency: waits, with jitter inside its bounds', async () => {
    const simulator = await withFaults({ type: 'latency', ms: 60, jitterMs: 20 });
    const startedAt = performance.now();
    await call(simulator, 'eth_chainId');
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(39);
  });

  it('latency on a fraction: about that fraction is slow, decided by the seed', async () => {
    const counts: number[] = [];
    for (const seed of [5, 5]) {
      const simulator = await start({ seed, faults: [{ type: 'latency', ms: 1, probability: 0.05 }] });
      for (let index = 0; index < 200; index += 1) await call(simulator, 'eth_chainId');
      counts.push(simulator.stats.snapshot().faults.latency ?? 0);
    }
    expect(counts[0]).toBe(counts[1]);
    expect(counts[0]).toBeGreaterThan(1);
    expect(counts[0]).toBeLessThan(25);
  });

  it('error: a JSON-RPC error for the methods named only', async () => {
    const simulator = await withFaults({
      type: 'error',
      code: -32603,
      message: 'boom',
      methods: ['eth_get*'],
    });
    expect((await call(simulator, 'eth_getBalance', ['0x00', 'latest'])).error).toEqual({
      code: -32603,
      message: 'boom',
    });
    expect((await call(simulator, 'eth_chainId')).result).toBe('0x7a69');
  });

  it('http-error: the status, a body that is not JSON', async () => {
    const simulator = await withFaults({ type: 'http-error', status: 502 });
    const response = await post(simulator.url, { jsonrpc: '2.0', id: 1, method: 'eth_chainId' });
    expect(response.status).toBe(502);
    expect(response.headers.get('content-type')).toBe('text/html');
  });

  it.each([
    [undefined, null],
    [3, '3'],
    ['Wed, 21 Oct 2026 07:28:00 GMT', 'Wed, 21 Oct 2026 07:28:00 GMT'],
  ])('too-many-requests with Retry-After %p', async (retryAfter, header) => {
    const simulator = await withFaults({
      type: 'too-many-requests',
      ...(retryAfter === undefined ? {} : { retryAfter }),
    });
    const response = await post(simulator.url, { jsonrpc: '2.0', id: 1, method: 'eth_chainId' });
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBe(header);
  });

  it.each([429, -32005] as const)(
    'too-many-requests-in-body: code %d inside HTTP 200, per item of a batch',
    async (code) => {
      const simulator = await withFaults({
        type: 'too-many-requests-in-body',
        code,
        methods: ['eth_chainId'],
      });
      const response = await post(simulator.url, [
        { jsonrpc: '2.0', id: 1, method: 'eth_chainId' },
        { jsonrpc: '2.0', id: 2, method: 'eth_blockNumber' },
      ]);
      expect(response.status).toBe(200);
      expect(await response.json()).toMatchObject([
        { id: 1, error: { code } },
        { id: 2, result: '0xc8' },
      ]);
    },
  );

  it('timeout: never answers, and notices when the caller gives up', async () => {
    const simulator = await withFaults({ type: 'timeout' });
    await expect(
      fetch(simulator.url, {
        method: 'POST',
        body: '{"id":1,"method":"eth_chainId"}',
        signal: AbortSignal.timeout(150),
      }),
    ).rejects.toThrow();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(simulator.stats.snapshot()).toMatchObject({ abandoned: 1, inFlight: 0 });
  });

  it.each(['before-answer', 'mid-body'] as const)('reset %s: the connection breaks', async (when) => {
    expect(await outcomeOf(await withFaults({ type: 'reset', when }))).toBe('broken');
  });

  it('truncated: HTTP is intact, the JSON is cut', async () => {
    const simulator = await withFaults({ type: 'truncated', keep: 0.5 });
    const text = await (await post(simulator.url, { jsonrpc: '2.0', id: 1, method: 'eth_chainId' })).text();
    expect(text.length).toBeGreaterThan(5);
    expect(() => JSON.parse(text)).toThrow();
  });

  it('slow-drip: everything arrives, in small pieces', async () => {
    const simulator = await withFaults({ type: 'slow-drip', chunkBytes: 8, intervalMs: 20 });
    const startedAt = performance.now();
    expect((await call(simulator, 'eth_chainId')).result).toBe('0x7a69');
    expect(performance.now() - startedAt).toBeGreaterThan(70);
  });

  it('block-lag: the head, blocks, logs and state of a node that is behind', async () => {
    const simulator = await withFaults({ type: 'block-lag', blocks: 5 });
    expect((await call(simulator, 'eth_blockNumber')).result).toBe('0xc3');
    expect((await call(simulator, 'eth_getBlockByNumber', ['0xc8', false])).result).toBeNull();
    expect((await call(simulator, 'eth_getBlockByNumber', ['latest', false])).result.number).toBe('0xc3');
    expect(
      (await call(simulator, 'eth_getLogs', [{ fromBlock: '0xc3', toBlock: '0xc8' }])).result,
    ).toHaveLength(4);
    expect((await call(simulator, 'eth_call', [{ to: '0x01' }, '0xc8'])).error?.message).toBe(
      'header not found',
    );
  });

  it('frozen-head: stays where it was while the chain goes on', async () => {
    const simulator = await withFaults({ type: 'frozen-head' });
    expect((await call(simulator, 'eth_blockNumber')).result).toBe('0xc8');
    await simulator.mine(4);
    expect((await call(simulator, 'eth_blockNumber')).result).toBe('0xc8');
    simulator.faults.clear();
    expect((await call(simulator, 'eth_blockNumber')).result).toBe('0xcc');
  });

  it('wrong-empty: the empty value that fits the method', async () => {
    const simulator = await withFaults({ type: 'wrong-empty' });
    expect((await call(simulator, 'eth_getBlockByNumber', ['0x1', false])).result).toBeNull();
    expect((await call(simulator, 'eth_getLogs', [{}])).result).toEqual([]);
    expect((await call(simulator, 'eth_call', [{}])).result).toBe('0x');
  });

  it.each([1, 6, 64])(
    'fork of depth %d: its own branch from there, in one piece, and back when healed',
    async (depth) => {
      const chain = createSyntheticChain({ clock: createManualClock(), blockTimeMs: 0, startHeight: 200 });
      const [good, forked] = await Promise.all([
        start({ chain }),
        start({ chain, faults: [{ type: 'fork', depth }] }),
      ]);
      const blockAt = async (simulator: Simulator, height: number) =>
        (await call(simulator, 'eth_getBlockByNumber', [`0x${height.toString(16)}`, false])).result;
      const from = 200 - depth + 1;
      expect((await blockAt(forked, from - 1)).hash).toBe((await blockAt(good, from - 1)).hash);
      expect((await blockAt(forked, from)).parentHash).toBe((await blockAt(good, from - 1)).hash);
      expect((await blockAt(forked, from)).hash).not.toBe((await blockAt(good, from)).hash);
      chain.mine(1);
      expect((await blockAt(forked, 201)).parentHash).toBe((await blockAt(forked, 200)).hash);
      expect((await blockAt(forked, 201)).hash).not.toBe((await blockAt(good, 201)).hash);
      forked.faults.clear();
      expect((await blockAt(forked, 201)).hash).toBe((await blockAt(good, 201)).hash);
    },
  );

  it('wrong-chain-id', async () => {
    const simulator = await withFaults({ type: 'wrong-chain-id', chainId: 5 });
    expect((await call(simulator, 'eth_chainId')).result).toBe('0x5');
    expect((await call(simulator, 'net_version')).result).toBe('5');
  });

  it.each(['http', 'body'] as const)(
    'rate-limit told by %s: lets X calls a second through, batches counted by item',
    async (shape) => {
      const clock = createManualClock();
      const simulator = await start({ clock, faults: [{ type: 'rate-limit', callsPerSecond: 4, shape }] });
      const refused = async (calls: number): Promise<boolean> => {
        const response = await post(
          simulator.url,
          Array.from({ length: calls }, (_, id) => ({ jsonrpc: '2.0', id, method: 'eth_chainId' })),
        );
        const text = await response.text();
        expect(response.status === 429).toBe(shape === 'http' && text.includes('429'));
        return text.includes('"code":429');
      };
      expect([await refused(3), await refused(1), await refused(1)]).toEqual([false, false, true]);
      await clock.advance(500);
      expect([await refused(2), await refused(1)]).toEqual([false, true]);
    },
  );

  it('batch-limit, log-limit and unsupported say what providers say', async () => {
    const simulator = await withFaults(
      { type: 'batch-limit', maxCalls: 2 },
      { type: 'log-limit', maxBlocks: 10, maxResults: 12 },
      { type: 'unsupported', methods: ['debug_*'] },
    );
    const batch = await post(
      simulator.url,
      [1, 2, 3].map((id) => ({ jsonrpc: '2.0', id, method: 'eth_chainId' })),
    );
    expect(await batch.json()).toMatchObject({ error: { message: 'batch too large: at most 2 calls' } });
    const logs = (from: string) => call(simulator, 'eth_getLogs', [{ fromBlock: from, toBlock: '0xc8' }]);
    expect((await logs('0x64')).error?.message).toBe('query exceeds max block range 10');
    expect((await logs('0xc5')).error?.message).toBe('query returned more than 12 results');
    expect((await logs('0xc6')).result).toHaveLength(12);
    expect((await call(simulator, 'debug_traceCall')).error?.code).toBe(-32601);
  });

  it('a window opens, closes and repeats; `times` falls silent', async () => {
    const clock = createManualClock();
    const simulator = await start({
      clock,
      faults: [{ type: 'error', window: { afterMs: 100, forMs: 50, repeatMs: 1_000 }, times: 2 }],
    });
    const fails = async (): Promise<boolean> => (await call(simulator, 'eth_chainId')).error !== undefined;
    const seen: boolean[] = [await fails()];
    for (const step of [110, 50, 950, 1_000]) {
      await clock.advance(step);
      seen.push(await fails());
    }
    expect(seen).toEqual([false, true, false, true, false]);
  });
});

describe('down and up', () => {
  it('refuses connections, resets open ones, and comes back on the same port', async () => {
    const simulator = await start();
    const url = simulator.url;
    await simulator.down();
    expect(await outcomeOf(simulator)).toBe('broken');
    expect((await fetch(`${simulator.controlUrl}/control`)).status).toBe(200);
    await simulator.up();
    expect(simulator.url).toBe(url);
    expect(await outcomeOf(simulator)).toBe('answered');
  });
});

describe('the control API', () => {
  const control = (simulator: Simulator, path: string, method = 'GET', body?: unknown): Promise<Response> =>
    fetch(`${simulator.controlUrl}${path}`, {
      method,
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });

  it('sets, adds, lists and removes faults; refuses a bad one whole', async () => {
    const simulator = await start();
    expect((await control(simulator, '/control/faults', 'PUT', [{ type: 'timeout', id: 'a' }])).status).toBe(
      200,
    );
    const refused = await control(simulator, '/control/faults', 'PUT', [
      { type: 'error' },
      { type: 'latency', ms: -1 },
    ]);
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({ problems: [expect.stringContaining('faults[1].ms')] });
    expect(simulator.faults.list().map(({ id }) => id)).toEqual(['a']);
    await control(simulator, '/control/faults', 'POST', { type: 'error', id: 'b' });
    await control(simulator, '/control/faults?id=a', 'DELETE');
    expect(simulator.faults.list().map(({ id }) => id)).toEqual(['b']);
    await control(simulator, '/control/faults', 'DELETE');
    expect(simulator.faults.any()).toBe(false);
  });

  it('runs a YAML scenario on the clock', async () => {
    const clock = createManualClock();
    const simulator = await start({ clock, synthetic: { blockTimeMs: 0, startHeight: 10 } });
    const yaml = `
name: an outage
timeline:
  - { at: 1s, set: [{ type: error }] }
  - { at: 1500ms, clear: true, mine: 2 }
  - { at: 2s, down: true }
  - { at: 3000, up: true }
`;
    expect((await control(simulator, '/control/scenario', 'PUT', yaml)).status).toBe(200);
    await clock.advance(1_000);
    expect((await call(simulator, 'eth_chainId')).error).toBeDefined();
    await clock.advance(500);
    expect((await call(simulator, 'eth_blockNumber')).result).toBe('0xc');
    await clock.advance(500);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(simulator.isUp()).toBe(false);
    await clock.advance(1_000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(simulator.isUp()).toBe(true);
    expect(simulator.scenario.status()).toMatchObject({ name: 'an outage', done: 4, failures: [] });
  });

  it('says what is wrong with a scenario', async () => {
    const simulator = await start();
    const response = await control(
      simulator,
      '/control/scenario',
      'PUT',
      'timeline: [{ at: 3 fortnights, down: true }]',
    );
    expect(response.status).toBe(400);
    expect(((await response.json()) as { error: string }).error).toContain('timeline.0.at');
  });
});

describe('WebSocket', () => {
  async function connect(simulator: Simulator): Promise<{
    ask: (method: string, params?: unknown[]) => Promise<Answer>;
    // biome-ignore lint/suspicious/noExplicitAny: heads and logs
    events: any[];
    closed: Promise<number>;
    socket: WebSocket;
  }> {
    const socket = new WebSocket(simulator.wsUrl);
    const events: unknown[] = [];
    const waiting = new Map<unknown, (answer: Answer) => void>();
    socket.on('message', (data) => {
      const message = JSON.parse(data.toString());
      if (message.method === 'eth_subscription') events.push(message.params.result);
      else waiting.get(message.id)?.(message);
    });
    const closed = new Promise<number>((resolve) => socket.on('close', resolve));
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    let id = 0;
    return {
      socket,
      events: events as never[],
      closed,
      ask: (method, params = []) =>
        new Promise((resolve) => {
          id += 1;
          waiting.set(id, resolve);
          socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
        }),
    };
  }
  const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 60));

  it('sends heads and logs, and removes logs of a branch that lost', async () => {
    const simulator = await start();
    const caller = await connect(simulator);
    const heads = await caller.ask('eth_subscribe', ['newHeads']);
    await simulator.mine(2);
    await settle();
    expect(caller.events.map(({ number }) => number)).toEqual(['0xc9', '0xca']);
    expect((await caller.ask('eth_unsubscribe', [heads.result])).result).toBe(true);
    caller.events.length = 0;
    await caller.ask('eth_subscribe', ['logs', {}]);
    await simulator.reorg(1);
    await settle();
    expect(caller.events.map(({ removed }) => removed)).toEqual([
      true,
      true,
      true,
      true,
      false,
      false,
      false,
      false,
    ]);
  });

  it('holds heads back under block-lag and lets them go when it heals', async () => {
    const simulator = await withFaults({ type: 'block-lag', blocks: 2 });
    const caller = await connect(simulator);
    await caller.ask('eth_subscribe', ['newHeads']);
    await simulator.mine(3);
    await settle();
    expect(caller.events.map(({ number }) => number)).toEqual(['0xc9']);
    simulator.faults.clear();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(caller.events.map(({ number }) => number)).toEqual(['0xc9', '0xca', '0xcb']);
  });

  it('tells a subscriber of a forked node about its branch', async () => {
    const simulator = await withFaults({ type: 'fork', depth: 3 });
    const caller = await connect(simulator);
    await caller.ask('eth_subscribe', ['newHeads']);
    await simulator.mine(1);
    await settle();
    const polled = await call(simulator, 'eth_getBlockByNumber', ['0xc9', false]);
    expect(caller.events[0]?.hash).toBe(polled.result.hash);
  });

  it('breaks connections: on reset, when down, and on a notification when told so', async () => {
    const simulator = await start();
    const first = await connect(simulator);
    simulator.faults.set([{ type: 'reset' }]);
    void first.ask('eth_chainId');
    expect(await first.closed).toBe(1006);
    simulator.faults.set([{ type: 'reset', methods: ['eth_subscription'] }]);
    const second = await connect(simulator);
    await second.ask('eth_subscribe', ['newHeads']);
    await simulator.mine(1);
    expect(await second.closed).toBe(1006);
    simulator.faults.clear();
    const third = await connect(simulator);
    await simulator.down();
    expect(await third.closed).toBe(1006);
  });
});
