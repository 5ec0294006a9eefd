import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { anvilCommand, DEV_CHAIN_ID, isChainReady, rpcCall } from '../stack/parts/anvil.ts';
import { freePort } from '../stack/parts/free-port.ts';
import { signalGroup, startAndWait } from '../stack/parts/spawn.ts';

export interface TestChainOptions {
  /** Seconds between blocks; without it every transaction is mined at once. */
  readonly blockTime?: number;
  readonly chainId?: number;
  /** Further anvil arguments, for example `['--no-mining']`. */
  readonly args?: readonly string[];
}

/** A chain that belongs to one test file. */
export interface TestChain {
  readonly url: string;
  readonly wsUrl: string;
  readonly chainId: number;
  readonly pid: number;
  rpc<T = unknown>(method: string, params?: readonly unknown[]): Promise<T>;
  /** Mines `count` empty blocks (default 1) and returns the new head's number. */
  mine(count?: number): Promise<number>;
  /** Remembers the state; {@link TestChain.revert} goes back to it, once. */
  snapshot(): Promise<string>;
  revert(id: string): Promise<void>;
  /** Replaces the newest `depth` blocks by as many empty ones (default) or others; a real reorg. */
  reorg(depth: number): Promise<void>;
  /** Freezes and wakes the process: connections are accepted by the kernel, and nobody answers. */
  freeze(): void;
  thaw(): void;
  stop(): Promise<void>;
}

/** Starts an anvil on a free port. Call `stop()` in `afterAll`. */
export async function startTestChain(options: TestChainOptions = {}): Promise<TestChain> {
  const { blockTime, chainId = DEV_CHAIN_ID, args = [] } = options;
  const dir = await mkdtemp(join(tmpdir(), 'rejuve-chain-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const running = await startAndWait({
    name: 'anvil',
    command: anvilCommand({ port, chainId, blockTimeSeconds: blockTime, extraArgs: args }),
    logFile: join(dir, 'anvil.log'),
    ready: () => isChainReady(url, chainId),
  });
  const rpc = <T>(method: string, params: readonly unknown[] = []): Promise<T> =>
    rpcCall<T>(url, method, params);
  return {
    url,
    wsUrl: `ws://127.0.0.1:${port}`,
    chainId,
    pid: running.pid,
    rpc,
    async mine(count = 1) {
      await rpc('anvil_mine', [`0x${count.toString(16)}`]);
      return Number(await rpc<string>('eth_blockNumber'));
    },
    snapshot: () => rpc<string>('evm_snapshot'),
    async revert(id) {
      if (!(await rpc<boolean>('evm_revert', [id]))) throw new Error(`there is no snapshot ${id}`);
    },
    async reorg(depth) {
      await rpc('anvil_reorg', [depth, []]);
    },
    freeze: () => {
      signalGroup(running.pid, 'SIGSTOP');
    },
    thaw: () => {
      signalGroup(running.pid, 'SIGCONT');
    },
    async stop() {
      signalGroup(running.pid, 'SIGCONT');
      await running.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
