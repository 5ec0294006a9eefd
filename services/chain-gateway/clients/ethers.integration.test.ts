import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type Contract,
  ContractFactory,
  JsonRpcProvider,
  NonceManager,
  Wallet,
  WebSocketProvider,
} from 'ethers';
import { WebSocket } from 'ws';
import { rejuveTokenAbi } from '../../../contracts/abi/rejuve-token.ts';
import { rejuveTokenBytecode } from '../../../contracts/bytecode/rejuve-token.generated.ts';
import { type ClientWorld, startClientWorld } from '../testing/start-client-world.ts';

let world: ClientWorld;
beforeAll(async () => {
  world = await startClientWorld();
});
afterAll(() => world?.stop());

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe('ethers', () => {
  it('deploys, sends, reads, filters and listens over HTTP', async () => {
    const provider = new JsonRpcProvider(world.gateway.url, undefined, { pollingInterval: 200 });
    try {
      const admin = world.account(0);
      const signer = new NonceManager(new Wallet(admin.privateKey, provider));
      const factory = new ContractFactory(rejuveTokenAbi as never, rejuveTokenBytecode, signer);
      const deployed = await factory.deploy(admin.address);
      const token = (await deployed.waitForDeployment()) as Contract;
      expect(await provider.getCode(token)).not.toBe('0x');
      expect((await provider.getNetwork()).chainId).toBe(31_337n);

      const heard: bigint[] = [];
      await token.on('Transfer', (_from, _to, amount: bigint) => heard.push(amount));
      const receiver = world.account(5).address;
      for (const amount of [1_000_000n, 2_000_000n]) {
        const receipt = await (await token.getFunction('mint')(receiver, amount)).wait();
        expect(receipt.status).toBe(1);
      }
      expect(await token.getFunction('balanceOf')(receiver)).toBe(3_000_000n);
      const logs = await token.queryFilter('Transfer', 0, 'latest');
      expect(logs).toHaveLength(2);
      await until(() => heard.length === 2, 'two Transfer events');
      expect(heard).toEqual([1_000_000n, 2_000_000n]);
      await token.removeAllListeners();

      await expect(token.getFunction('mint').staticCall(receiver, 10n ** 20n)).rejects.toMatchObject({
        code: 'CALL_EXCEPTION',
      });
      const fees = await provider.getFeeData();
      expect(fees.maxFeePerGas).toBeGreaterThan(0n);
      const [block, balance, nonce] = await Promise.all([
        provider.getBlock('latest', true),
        provider.getBalance(admin.address),
        provider.getTransactionCount(admin.address),
      ]);
      expect(block?.prefetchedTransactions).toHaveLength(1);
      expect(balance).toBeGreaterThan(0n);
      expect(nonce).toBe(3);
    } finally {
      provider.destroy();
    }
  });

  it('follows blocks, logs and pending transactions over WebSocket, through the death of a provider', async () => {
    const provider = new WebSocketProvider(() => new WebSocket(world.gateway.wsUrl) as never);
    try {
      const blocks: number[] = [];
      const pending: string[] = [];
      await provider.on('block', (number: number) => blocks.push(number));
      await provider.on('pending', (hash: string) => pending.push(hash));
      const wallet = new Wallet(world.account(1).privateKey, provider);
      const start = await provider.getBlockNumber();
      await new Promise((resolve) => setTimeout(resolve, 300));
      const first = await wallet.sendTransaction({ to: world.account(6).address, value: 1n });
      await first.wait();
      await world.providers[0].down();
      await world.chain.mine(3);
      await until(() => blocks.at(-1) === start + 4, 'four heads');
      await world.providers[0].up();
      await world.chain.mine(1);
      await until(() => blocks.at(-1) === start + 5, 'the fifth head');
      expect(blocks).toEqual([1, 2, 3, 4, 5].map((index) => start + index));
      expect(new Set(pending).size).toBe(pending.length);
    } finally {
      await provider.destroy();
      await world.providers[0].up();
    }
  });
});
