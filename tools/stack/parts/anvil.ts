import { createRequire } from 'node:module';
import { saveIntervalSeconds } from './chain-state.ts';
import { type Command, findOnPath, plainEnvironment } from './command.ts';

/** The chain id of the development chain; wallets know it as "localhost". */
export const DEV_CHAIN_ID = 31337;

/**
 * Blocks per epoch of the embedded chain. anvil answers `safe` one epoch and `finalized` two epochs behind the
 * head, so with 2 s blocks a transaction is final after 16 s instead of mainnet's 13 minutes.
 */
const SLOTS_IN_AN_EPOCH = 4;

/** The anvil binary of the npm package for this machine, else the one on the PATH. */
export function anvilBinary(): string {
  const arch = { x64: 'amd64', arm64: 'arm64' }[process.arch as string] ?? process.arch;
  const platform = process.platform;
  try {
    return createRequire(import.meta.url).resolve(`@foundry-rs/anvil-${platform}-${arch}/bin/anvil`);
  } catch (cause) {
    const found = findOnPath('anvil');
    if (found !== undefined) return found;
    throw new Error(
      `There is no anvil for ${platform}/${process.arch}: the npm package @foundry-rs/anvil has none. ` +
        'Install Foundry (https://getfoundry.sh) or set RPC_URLS to a chain of your own.',
      { cause },
    );
  }
}

export interface AnvilOptions {
  readonly port: number;
  readonly chainId?: number;
  /** Seconds between blocks; without it every transaction is mined at once. */
  readonly blockTimeSeconds?: number | undefined;
  /** File that the chain is loaded from and saved to; without it the chain lives in memory only. */
  readonly stateFile?: string | undefined;
  readonly extraArgs?: readonly string[];
}

/** The command that runs an anvil on loopback. */
export function anvilCommand(options: AnvilOptions): Command {
  const { port, chainId = DEV_CHAIN_ID, blockTimeSeconds, stateFile, extraArgs = [] } = options;
  const args = ['--host', '127.0.0.1', '--port', `${port}`, '--chain-id', `${chainId}`];
  args.push('--slots-in-an-epoch', `${SLOTS_IN_AN_EPOCH}`);
  if (blockTimeSeconds !== undefined) args.push('--block-time', `${blockTimeSeconds}`);
  if (stateFile !== undefined) {
    // Often enough that a killed chain comes back a few blocks short, which readers see as a reorg: what was final
    // stays so.
    args.push('--state', stateFile, '--state-interval', `${saveIntervalSeconds(stateFile)}`);
  }
  return {
    file: anvilBinary(),
    args: [...args, ...extraArgs],
    env: plainEnvironment({ NO_COLOR: '1' }),
    stopSignal: 'SIGTERM',
  };
}

/**
 * One JSON-RPC call to a node.
 *
 * @throws Error when the node cannot be reached, does not speak JSON-RPC, or answers an error.
 */
export async function rpcCall<T>(
  url: string,
  method: string,
  params: readonly unknown[] = [],
  timeoutMs = 5_000,
): Promise<T> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    signal: AbortSignal.timeout(timeoutMs),
  });
  const text = await response.text();
  let answer: { result?: T; error?: { code: number; message: string } };
  try {
    answer = JSON.parse(text);
  } catch (cause) {
    throw new Error(`HTTP ${response.status} and no JSON: ${text.slice(0, 120)}`, { cause });
  }
  if (answer.error) throw new Error(`${method}: ${answer.error.message} (${answer.error.code})`);
  if (!('result' in answer)) throw new Error(`HTTP ${response.status}, neither result nor error`);
  return answer.result as T;
}

/** True when the node at `url` answers; with `chainId` only when it is that chain. */
export async function isChainReady(url: string, chainId?: number): Promise<boolean> {
  try {
    const seen = Number(await rpcCall<string>(url, 'eth_chainId', [], 1_000));
    return chainId === undefined || seen === chainId;
  } catch {
    return false;
  }
}
