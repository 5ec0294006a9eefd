import { afterEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { WebSocket } from 'ws';
import { systemClock } from '../../../lib/time.ts';
import { createSyntheticChain, type SyntheticChain } from '../../../tools/simulator/chain/synthetic-chain.ts';
import { type Simulator, startSimulator } from '../../../tools/simulator/simulator.ts';
import { type ReadGateway, startReadGateway } from '../testing/start-read-gateway.ts';

interface Head {
  number: string;
  hash: string;
  parentHash: string;
}
interface Answer {
  id: number;
  result?: unknown;
  error?: { code: number; message: string };
}
interface Client {
  readonly socket: WebSocket;
  readonly heads: Head[];
  ask(method: string, params?: unknown[]): Promise<Answer>;
}

let chain: SyntheticChain;
let providers: Simulator[] = [];
let gateway: ReadGateway | undefined;
const sockets: WebSocket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate();
  await gateway?.stop();
  await Promise.all(providers.splice(0).map((provider) => provider.stop()));
});

async function start(count: number): Promise<ReadGateway> {
  chain = createSyntheticChain({ clock: systemClock, blockTimeMs: 0, startHeight: 400 });
  providers = await Promise.all(Array.from({ length: count }, (_, seed) => startSimulator({ chain, seed })));
  gateway = await startReadGateway({
    chainId: chain.chainId,
    providers: providers.map(({ url, wsUrl }) => ({ url, wsUrl, attemptTimeoutMs: 1_000 })),
  });
  return gateway;
}

async function connect(url: string): Promise<Client> {
  const socket = new WebSocket(url);
  sockets.push(socket);
  const heads: Head[] = [];
  const waiting = new Map<number, (answer: Answer) => void>();
  socket.on('message', (data) => {
    const message = JSON.parse(data.toString());
    if (message.method === 'eth_subscription') heads.push(message.params.result);
    else waiting.get(message.id)?.(message);
  });
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  let id = 0;
  return {
    socket,
    heads,
    ask: (method, params = []) =>
      new Promise((resolve) => {
        id += 1;
        waiting.set(id, resolve);
        socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
      }),
  };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await systemClock.sleep(20);
  }
}

describe('subscriptions through the whole gateway', () => {
  it('announce only blocks that a read finds, while providers lag, freeze and die', async () => {
    const { wsUrl } = await start(3);
    const client = await connect(wsUrl);
    await client.ask('eth_subscribe', ['newHeads']);
    const unread: string[] = [];
    const reads: Promise<void>[] = [];
    client.socket.on('message', (data) => {
      const { method, params } = JSON.parse(data.toString());
      if (method !== 'eth_subscription') return;
      const { hash, number } = params.result as Head;
      reads.push(
        Promise.all([
          client.ask('eth_getBlockByHash', [hash, false]),
          client.ask('eth_getBalance', [`0x${'1'.repeat(40)}`, number]),
          client.ask('eth_blockNumber'),
        ]).then(([block, balance, head]) => {
          if (
            (block.result as Head | null)?.hash !== hash ||
            balance.error !== undefined ||
            Number(head.result) < Number(number)
          ) {
            unread.push(
              `${number}: ${JSON.stringify([block.error ?? block.result === null, balance.error, head])}`,
            );
          }
        }),
      );
    });
    const troubles = [
      () => providers[0]?.faults.set([{ type: 'block-lag', blocks: 3 }]),
      () => providers[0]?.faults.set([{ type: 'frozen-head' }]),
      () => providers[1]?.faults.set([{ type: 'error', probability: 0.3 }]),
      () => providers[0]?.down(),
      () => providers[0]?.up(),
      () => providers[0]?.faults.clear(),
    ];
    for (const trouble of troubles) {
      await trouble();
      chain.mine(1);
      await systemClock.sleep(150);
    }
    providers[1]?.faults.clear();
    await until(() => Number(client.heads.at(-1)?.number) === chain.head(), 'the last head');
    await Promise.all(reads);
    expect(unread).toEqual([]);
    expect(client.heads.map(({ number }) => Number(number))).toEqual([401, 402, 403, 404, 405, 406]);
  });

  it('do not follow a provider onto its own fork, and follow the chain through a real reorg', async () => {
    const { wsUrl } = await start(3);
    const client = await connect(wsUrl);
    await client.ask('eth_subscribe', ['newHeads']);
    chain.mine(2);
    await until(() => client.heads.length === 2, 'two heads');
    providers[0]?.faults.set([{ type: 'fork', depth: 2 }]);
    await systemClock.sleep(400);
    chain.mine(1);
    await until(() => client.heads.length >= 3, 'the third head');
    await systemClock.sleep(300);
    expect(client.heads.map(({ hash }) => hash)).toEqual(
      [401, 402, 403].map((height) => chain.view().hashAt(height)),
    );
    chain.reorg(2, 1);
    await until(() => client.heads.at(-1)?.hash === chain.view().hashAt(404), 'the new branch');
    expect(client.heads.slice(3).map(({ hash }) => hash)).toEqual(
      [402, 403, 404].map((height) => chain.view().hashAt(height)),
    );
  });
});

describe('whatever a client sends', () => {
  it('is answered by the letter of JSON-RPC, and the connection lives on', async () => {
    const { wsUrl } = await start(1);
    const client = await connect(wsUrl);
    const answers: unknown[] = [];
    client.socket.on('message', (data) => answers.push(JSON.parse(data.toString())));
    const json = fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.stringify(value));
    const call = fc
      .record(
        {
          jsonrpc: fc.constantFrom('2.0', '1.0', 2),
          id: fc.oneof(fc.integer(), fc.string(), fc.constant(null), fc.object()),
          method: fc.oneof(
            fc.constantFrom(
              'eth_subscribe',
              'eth_unsubscribe',
              'eth_getFilterChanges',
              'eth_newFilter',
              'eth_chainId',
            ),
            fc.string(),
            fc.integer(),
          ),
          params: fc.oneof(fc.array(fc.jsonValue()), fc.object(), fc.constant('x')),
        },
        { requiredKeys: [] },
      )
      .map((value) => JSON.stringify(value));
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string(),
          json,
          call,
          fc.array(call, { maxLength: 5 }).map((calls) => `[${calls.join(',')}]`),
        ),
        async (text) => {
          answers.length = 0;
          client.socket.send(text);
          // Messages of one connection may overtake each other, so a call of our own marks that all is quiet.
          const probe = await client.ask('eth_chainId');
          expect(probe.result).toBe('0x7a69');
          await systemClock.sleep(1);
          for (const answer of answers.flat() as {
            jsonrpc: string;
            error?: { code: number; message: string };
            method?: string;
          }[]) {
            expect(answer.jsonrpc).toBe('2.0');
            expect(answer.error?.code).not.toBe(-32603);
            if (answer.method === undefined) expect('error' in answer || 'result' in answer).toBe(true);
          }
          expect(client.socket.readyState).toBe(WebSocket.OPEN);
        },
      ),
      { numRuns: 300 },
    );
  });
});
