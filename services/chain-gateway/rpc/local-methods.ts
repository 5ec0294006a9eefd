import type { Clock } from '../../../lib/time.ts';
import type { ChainView } from '../heads/chain-view.ts';
import type { RpcCall } from './call-path.ts';
import { gatewayError, RPC_ERROR } from './errors.ts';
import { type RpcOutcome, success } from './outcome.ts';

/** Answers a call inside the gateway. */
export type LocalMethod = (call: RpcCall) => RpcOutcome | Promise<RpcOutcome>;

export interface LocalMethods {
  find(method: string): LocalMethod | undefined;
  /** Adds a method (filters and subscriptions live in a folder of their own). */
  register(method: string, handler: LocalMethod): void;
}

/** Longest wait for the very first head, milliseconds. */
const FIRST_HEAD_WAIT_MS = 3_000;

/** Methods that need no provider: what the gateway knows itself, and what it refuses with a reason. */
export function createLocalMethods(deps: {
  view: ChainView;
  clock: Pick<Clock, 'monotonic' | 'setTimeout'>;
  version: string;
  chainId: number;
}): LocalMethods {
  const { view, chainId, clock } = deps;
  const constant = (value: unknown): LocalMethod => {
    const answer = success(JSON.stringify(value));
    return () => answer;
  };
  /** Just started, or every provider is away: the first head is worth waiting for. */
  const firstHead = (call: RpcCall): Promise<RpcOutcome> =>
    new Promise((resolve) => {
      const finish = (outcome: RpcOutcome): void => {
        stop();
        timer.cancel();
        resolve(outcome);
      };
      const stop = view.onHead(({ head }) => finish(success(`"0x${head.toString(16)}"`)));
      const timer = clock.setTimeout(
        () =>
          finish(
            gatewayError(RPC_ERROR.noProvider, 'no provider has told its head yet', { retryAfterSeconds: 1 }),
          ),
        Math.min(FIRST_HEAD_WAIT_MS, Math.max(0, call.deadlineAt - clock.monotonic())),
      );
    });
  const methods = new Map<string, LocalMethod>([
    ['eth_chainId', constant(`0x${chainId.toString(16)}`)],
    ['net_version', constant(String(chainId))],
    ['net_listening', constant(true)],
    ['eth_accounts', constant([])],
    ['eth_syncing', constant(false)],
    ['web3_clientVersion', constant(`rejuve-chain-gateway/${deps.version}`)],
    [
      'eth_blockNumber',
      (call) => {
        const head = view.head();
        return head === undefined ? firstHead(call) : success(`"0x${head.toString(16)}"`);
      },
    ],
  ]);
  return {
    find: (method) => methods.get(method),
    register: (method, handler) => {
      methods.set(method, handler);
    },
  };
}
