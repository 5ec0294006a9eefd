import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createPublicClient, createWalletClient, http, parseEther, webSocket } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { anvil } from 'viem/chains';
import { rejuveTokenAbi } from '../../../contracts/abi/rejuve-token.ts';
import { rejuveTokenBytecode } from '../../../contracts/bytecode/rejuve-token.generated.ts';
import { type ClientWorld, startClientWorld } from '../testing/start-client-world.ts';

let world: ClientWorld;
beforeAll(async () => {
  world = await startClientWorld();
});
afterAll(() => world?.stop());

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function deployToken(): Promise<`0x${string}`> {
  const account = privateKeyToAccount(world.account(0).privateKey);
  const wallet = createWalletClient({ account, chain: anvil, transport: http(world.gateway.url) });
  const client = createPublicClient({
    chain: anvil,
    transport: http(world.gateway.url),
    pollingInterval: 100,
  });
  const hash = await wallet.deployContract({
    abi: rejuveTokenAbi,
    bytecode: rejuveTokenBytecode,
    args: [account.address],
  });
  const { contractAddress } = await client.waitForTransactionReceipt({ hash });
  return contractAddress as `0x${string}`;
}

describe('viem', () => {
  it('deploys, writes, batches reads and watches events through filters over HTTP', async () => {
    const account = privateKeyToAccount(world.account(0).privateKey);
    const transport = http(world.gateway.url, { batch: true, retryCount: 0 });
    const client = createPublicClient({ chain: anvil, transport, pollingInterval: 100 });
    const wallet = createWalletClient({ account, chain: anvil, transport });
    const address = await deployToken();
    const receiver = world.account(7).address;

    const seen: bigint[] = [];
    const stopEvents = client.watchContractEvent({
      address,
      abi: rejuveTokenAbi,
      eventName: 'Transfer',
      onLogs: (logs) => seen.push(...logs.map(({ args }) => args.value as bigint)),
    });
    const heads: bigint[] = [];
    const stopBlocks = client.watchBlockNumber({
      onBlockNumber: (number) => heads.push(number),
      emitMissed: true,
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    for (const value of [5n, 6n, 7n]) {
      const hash = await wallet.writeContract({
        address,
        abi: rejuveTokenAbi,
        functionName: 'mint',
        args: [receiver, value],
      });
      await client.waitForTransactionReceipt({ hash });
    }
    await until(() => seen.length === 3, 'three Transfer events');
    expect(seen).toEqual([5n, 6n, 7n]);
    await until(() => heads.length >= 3, 'block numbers');
    stopEvents();
    stopBlocks();

    const balances = await Promise.all(
      Array.from({ length: 30 }, () =>
        client.readContract({ address, abi: rejuveTokenAbi, functionName: 'balanceOf', args: [receiver] }),
      ),
    );
    expect(new Set(balances)).toEqual(new Set([18n]));
    await expect(
      client.simulateContract({
        address,
        abi: rejuveTokenAbi,
        functionName: 'mint',
        args: [receiver, 1n],
        account: receiver,
      }),
    ).rejects.toThrow('AccessControlUnauthorizedAccount');
    const logs = await client.getContractEvents({
      address,
      abi: rejuveTokenAbi,
      eventName: 'Transfer',
      fromBlock: 0n,
    });
    expect(logs).toHaveLength(3);
  });

  it('watches blocks, events and pending transactions over WebSocket, through the death of a provider', async () => {
    const account = privateKeyToAccount(world.account(2).privateKey);
    const transport = webSocket(world.gateway.wsUrl, { reconnect: false, retryCount: 0 });
    const client = createPublicClient({ chain: anvil, transport });
    const wallet = createWalletClient({ account, chain: anvil, transport });
    const start = await client.getBlockNumber();
    const blocks: bigint[] = [];
    const pending: string[] = [];
    const errors: Error[] = [];
    const stops = [
      client.watchBlocks({
        onBlock: (block) => blocks.push(block.number as bigint),
        onError: (error) => errors.push(error),
      }),
      client.watchPendingTransactions({ onTransactions: (hashes) => pending.push(...hashes), batch: false }),
    ];
    await new Promise((resolve) => setTimeout(resolve, 400));
    const hash = await wallet.sendTransaction({ to: world.account(8).address, value: parseEther('1') });
    await client.waitForTransactionReceipt({ hash });
    await world.providers[1].down();
    await world.chain.mine(2);
    await until(() => blocks.length >= 3, 'heads during the outage');
    await world.providers[1].up();
    await world.chain.mine(1);
    await until(() => blocks.length >= 4, 'the last head');
    expect(blocks).toEqual([1n, 2n, 3n, 4n].map((index) => start + index));
    expect(errors).toEqual([]);
    for (const stop of stops) stop();
    await (await client.transport.getRpcClient()).close();
  });
});
