import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { WebSocket } from 'ws';
import { startTestChain } from '../testing/test-chain.ts';
import { type Simulator, startSimulator } from './simulator.ts';

let chain: Awaited<ReturnType<typeof startTestChain>>;
let simulator: Simulator;
beforeAll(async () => {
  chain = await startTestChain({});
  await chain.mine(20);
  simulator = await startSimulator({ upstream: chain.url });
});
afterAll(async () => {
  await simulator?.stop();
  await chain?.stop();
});

async function call(method: string, params: unknown[] = []): Promise<{ result?: unknown; error?: unknown }> {
  const response = await fetch(simulator.url, {
    method: 'POST',
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    headers: { 'content-type': 'application/json' },
  });
  return (await response.json()) as { result?: unknown; error?: unknown };
}
interface Block {
  number: string;
  hash: string;
  parentHash: string;
}
const block = async (reference: string): Promise<Block | null> =>
  (await call('eth_getBlockByNumber', [reference, false])).result as Block | null;

describe('in front of a real node', () => {
  it('passes calls through untouched when nothing is set', async () => {
    simulator.faults.clear();
    expect(await call('eth_blockNumber')).toMatchObject({ result: await chain.rpc('eth_blockNumber', []) });
  });

  it('hides the newest blocks under block-lag', async () => {
    simulator.faults.set([{ type: 'block-lag', blocks: 3 }]);
    const head = Number(await chain.rpc('eth_blockNumber', []));
    expect(Number((await call('eth_blockNumber')).result)).toBe(head - 3);
    expect(Number((await block('latest'))?.number)).toBe(head - 3);
    expect(await block(`0x${head.toString(16)}`)).toBeNull();
  });

  it('forges another branch whose hashes link, and understands them when asked back', async () => {
    simulator.faults.clear();
    const real = await block('latest');
    simulator.faults.set([{ type: 'fork', depth: 2 }]);
    const forged = await block('latest');
    expect(forged?.number).toBe(real?.number);
    expect(forged?.hash).not.toBe(real?.hash);
    const parent = (await call('eth_getBlockByHash', [forged?.parentHash, false])).result as Block;
    expect(parent.hash).toBe(forged?.parentHash);
    const grandparent = (await call('eth_getBlockByHash', [parent.parentHash, false])).result as Block;
    simulator.faults.clear();
    expect(grandparent.hash).toBe((await block(grandparent.number))?.hash);
  });

  it('carries subscriptions', async () => {
    simulator.faults.clear();
    const socket = new WebSocket(simulator.wsUrl);
    const seen: string[] = [];
    await new Promise((resolve) => socket.once('open', resolve));
    const answered = new Promise<void>((resolve) =>
      socket.on('message', (data) => {
        const message = JSON.parse(data.toString());
        if (message.id === 1) resolve();
        else seen.push(message.params.result.hash);
      }),
    );
    socket.send('{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}');
    await answered;
    await simulator.mine(1);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(seen).toEqual([(await block('latest'))?.hash]);
    socket.close();
  });

  it('reorganises the node behind it', async () => {
    const before = await block('latest');
    await simulator.reorg(2);
    expect((await block(before?.number as string))?.hash).not.toBe(before?.hash);
  });

  it('answers 502 when the node is gone', async () => {
    const lonely = await startSimulator({ upstream: 'http://127.0.0.1:1' });
    const response = await fetch(lonely.url, { method: 'POST', body: '{"id":1,"method":"eth_chainId"}' });
    expect(response.status).toBe(502);
    await lonely.stop();
  });
});
