import { hash as digest } from 'node:crypto';
import type * as Ethers from 'ethers';
import type { Backend, ChainLens, RpcCall, RpcOutcome } from '../backend.ts';
import { type ChainView, hex } from './chain-view.ts';
import { type LogFilter, matchesLogFilter } from './log-filter.ts';
import { answerMulticall, MULTICALL3_ADDRESS } from './multicall.ts';
import type { SyntheticChain } from './synthetic-chain.ts';

/** A call to this address reverts with a reason, so that reverts can be tested without a contract. */
export const REVERTING_ADDRESS = '0x000000000000000000000000000000000000dead';
/** Error(string) "always reverts", ABI-encoded. */
const REVERT_DATA = `0x08c379a0${'20'.padStart(64, '0')}${'e'.padStart(64, '0')}${Buffer.from('always reverts').toString('hex').padEnd(64, '0')}`;

class RpcError extends Error {
  readonly code: number;
  readonly data: unknown;
  constructor(code: number, message: string, data?: unknown) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

interface Seen {
  readonly view: ChainView;
  readonly head: number;
}

/** Answers JSON-RPC from the synthetic chain. */
export function createSyntheticBackend(deps: { chain: SyntheticChain; multicall3?: boolean }): Backend {
  const { chain, multicall3 = false } = deps;

  function look(lens: ChainLens | undefined): Seen {
    const head = Math.min(chain.head(), lens?.maxHeight ?? Number.POSITIVE_INFINITY);
    const view =
      lens?.forkFrom === undefined
        ? chain.view()
        : chain.view().withFork({ from: lens.forkFrom, salt: lens.forkSalt ?? 'fork' });
    return { view, head };
  }

  /** Height of a tag, number or EIP-1898 object; undefined for a block this node does not have. */
  function heightOf(reference: unknown, seen: Seen): number | undefined {
    if (reference === undefined || reference === null || reference === 'latest' || reference === 'pending')
      return seen.head;
    if (reference === 'safe') return Math.min(chain.safe(), seen.head);
    if (reference === 'finalized') return Math.min(chain.finalized(), seen.head);
    if (reference === 'earliest') return 0;
    if (typeof reference === 'string' && /^0x[0-9a-f]{64}$/i.test(reference))
      return visible(seen.view.heightOf(reference.toLowerCase()), seen);
    if (typeof reference === 'string' && /^0x[0-9a-f]+$/i.test(reference))
      return visible(Number(reference), seen);
    if (typeof reference === 'object') {
      const { blockHash, blockNumber } = reference as { blockHash?: unknown; blockNumber?: unknown };
      return heightOf(blockHash ?? blockNumber, seen);
    }
    throw new RpcError(-32602, `invalid block reference ${JSON.stringify(reference)}`);
  }

  const visible = (height: number | undefined, seen: Seen): number | undefined =>
    height === undefined || height > seen.head ? undefined : height;

  function stateHeight(reference: unknown, seen: Seen): number {
    const height = heightOf(reference, seen);
    if (height === undefined) throw new RpcError(-32000, 'header not found');
    return height;
  }

  const word = (text: string): string => `0x${digest('sha256', text, 'hex')}`;

  function receipt(transactionHash: string, seen: Seen): unknown {
    const place = seen.view.locate(transactionHash);
    if (place === undefined || place.height > seen.head) return null;
    const transaction = seen.view.transactions(place.height)[place.index];
    if (transaction === undefined) return null;
    const logs = seen.view.logs(place.height).filter((log) => log.transactionHash === transactionHash);
    return {
      type: '0x2',
      status: '0x1',
      transactionHash,
      transactionIndex: hex(place.index),
      blockHash: seen.view.hashAt(place.height),
      blockNumber: hex(place.height),
      from: transaction.from,
      to: transaction.to,
      contractAddress: null,
      gasUsed: '0x5208',
      cumulativeGasUsed: hex(21_000 * (place.index + 1)),
      effectiveGasPrice: '0x3b9aca07',
      logs,
      logsBloom: `0x${(logs.length === 0 ? '00' : 'ff').repeat(256)}`,
    };
  }

  function getLogs(filter: LogFilter, seen: Seen): unknown[] {
    let from: number;
    let to: number;
    if (filter.blockHash !== undefined) {
      const height = visible(seen.view.heightOf(filter.blockHash), seen);
      if (height === undefined) throw new RpcError(-32000, 'unknown block');
      from = height;
      to = height;
    } else {
      // A node answers with what it has: a range that ends above its head is not an error.
      from =
        filter.fromBlock === undefined
          ? seen.head
          : (heightOf(filter.fromBlock, seen) ?? Number.POSITIVE_INFINITY);
      to = heightOf(filter.toBlock, seen) ?? seen.head;
      if (
        typeof filter.fromBlock === 'string' &&
        typeof filter.toBlock === 'string' &&
        from !== Number.POSITIVE_INFINITY &&
        from > to
      ) {
        throw new RpcError(-32602, 'invalid block range params');
      }
    }
    const found: unknown[] = [];
    for (let height = from; height <= to; height += 1) {
      for (const log of seen.view.logs(height)) if (matchesLogFilter(filter, log)) found.push(log);
    }
    return found;
  }

  function call(params: readonly unknown[], seen: Seen): unknown {
    const transaction = (params[0] ?? {}) as { to?: string; data?: string; input?: string };
    const height = stateHeight(params[1], seen);
    const to = transaction.to?.toLowerCase();
    const data = transaction.data ?? transaction.input ?? '0x';
    if (to === REVERTING_ADDRESS) throw new RpcError(3, 'execution reverted: always reverts', REVERT_DATA);
    const answer = (target: string, input: string): string =>
      word(`call|${target}|${input}|${seen.view.hashAt(height)}`);
    if (multicall3 && to === MULTICALL3_ADDRESS)
      return import('ethers').then((ethers) => answerMulticall(ethers, data, answer));
    return answer(to ?? '', data);
  }

  function sendRaw(raw: unknown, { keccak256, Transaction }: typeof Ethers): string {
    if (typeof raw !== 'string') throw new RpcError(-32602, 'missing raw transaction');
    let parsed: Ethers.Transaction;
    try {
      parsed = Transaction.from(raw);
    } catch (cause) {
      throw new RpcError(-32602, `rlp: cannot decode transaction (${(cause as Error).message})`);
    }
    if (parsed.chainId !== 0n && parsed.chainId !== BigInt(chain.chainId)) {
      throw new RpcError(-32000, `invalid chain id for signer: have ${parsed.chainId} want ${chain.chainId}`);
    }
    const hash = keccak256(raw);
    try {
      return chain.submit({
        hash,
        fields: {
          type: hex(parsed.type ?? 0),
          from: parsed.from?.toLowerCase(),
          to: parsed.to?.toLowerCase() ?? null,
          nonce: hex(parsed.nonce),
          gas: hex(parsed.gasLimit),
          value: hex(parsed.value),
          input: parsed.data,
          chainId: hex(parsed.chainId),
          ...(parsed.maxFeePerGas === null ? {} : { maxFeePerGas: hex(parsed.maxFeePerGas) }),
          ...(parsed.maxPriorityFeePerGas === null
            ? {}
            : { maxPriorityFeePerGas: hex(parsed.maxPriorityFeePerGas) }),
          gasPrice: hex(parsed.gasPrice ?? parsed.maxFeePerGas ?? 0n),
          v: hex(parsed.signature?.v ?? 0),
          r: parsed.signature?.r,
          s: parsed.signature?.s,
        },
      });
    } catch (cause) {
      throw new RpcError(-32000, (cause as Error).message);
    }
  }

  function feeHistory(params: readonly unknown[], seen: Seen): unknown {
    const count = Math.min(1_024, Number(params[0] ?? 1));
    const newest = stateHeight(params[1], seen);
    const percentiles = Array.isArray(params[2]) ? params[2] : [];
    return {
      oldestBlock: hex(Math.max(0, newest - count + 1)),
      baseFeePerGas: Array.from({ length: count + 1 }, () => '0x3b9aca07'),
      gasUsedRatio: Array.from({ length: count }, () => 0.5),
      reward: Array.from({ length: count }, () => percentiles.map(() => '0x3b9aca00')),
    };
  }

  function answer({ method, params }: RpcCall, seen: Seen): unknown {
    switch (method) {
      case 'eth_chainId':
        return hex(chain.chainId);
      case 'net_version':
        return String(chain.chainId);
      case 'web3_clientVersion':
        return 'rejuve-simulator/synthetic';
      case 'eth_syncing':
        return false;
      case 'net_listening':
        return true;
      case 'eth_accounts':
        return [];
      case 'eth_blockNumber':
        return hex(seen.head);
      case 'eth_gasPrice':
        return '0x3b9aca07';
      case 'eth_maxPriorityFeePerGas':
        return '0x3b9aca00';
      case 'eth_feeHistory':
        return feeHistory(params, seen);
      case 'eth_getBlockByNumber':
      case 'eth_getBlockByHash': {
        const height = heightOf(params[0], seen);
        return height === undefined ? null : seen.view.block(height, params[1] === true);
      }
      case 'eth_getBlockReceipts': {
        const height = heightOf(params[0], seen);
        return height === undefined
          ? null
          : seen.view.transactions(height).map(({ hash }) => receipt(hash, seen));
      }
      case 'eth_getBlockTransactionCountByNumber':
      case 'eth_getBlockTransactionCountByHash': {
        const height = heightOf(params[0], seen);
        return height === undefined ? null : hex(seen.view.transactions(height).length);
      }
      case 'eth_getTransactionByHash': {
        const place = seen.view.locate(String(params[0]));
        return place === undefined || place.height > seen.head
          ? null
          : (seen.view.transactions(place.height)[place.index] ?? null);
      }
      case 'eth_getTransactionReceipt':
        return receipt(String(params[0]), seen);
      case 'eth_getLogs':
        return getLogs((params[0] ?? {}) as LogFilter, seen);
      case 'eth_call':
        return call(params, seen);
      case 'eth_estimateGas':
        call([params[0], 'latest'], seen);
        return '0x5208';
      case 'eth_getBalance':
        return hex(
          BigInt(
            word(`balance|${String(params[0]).toLowerCase()}|${stateHeight(params[1], seen)}`).slice(0, 18),
          ),
        );
      case 'eth_getCode':
        stateHeight(params[1], seen);
        return multicall3 && String(params[0]).toLowerCase() === MULTICALL3_ADDRESS ? '0x6080' : '0x';
      case 'eth_getStorageAt':
        return word(
          `storage|${String(params[0]).toLowerCase()}|${String(params[1])}|${stateHeight(params[2], seen)}`,
        );
      case 'eth_getTransactionCount':
        return hex(
          chain.submittedBy(
            String(params[0]),
            params[1] === 'pending' ? Number.POSITIVE_INFINITY : stateHeight(params[1], seen),
          ),
        );
      default:
        throw new RpcError(-32601, `the method ${method} does not exist/is not available`);
    }
  }

  return {
    kind: 'synthetic',
    async call(request, lens): Promise<RpcOutcome> {
      try {
        // ethers is loaded on first use: it would be most of the start-up time, and few runs need it.
        if (request.method === 'eth_sendRawTransaction')
          return { result: sendRaw(request.params[0], await import('ethers')) };
        const result = answer(request, look(lens));
        return { result: result instanceof Promise ? await result : result };
      } catch (error) {
        if (!(error instanceof RpcError)) throw error;
        return {
          error: {
            code: error.code,
            message: error.message,
            ...(error.data === undefined ? {} : { data: error.data }),
          },
        };
      }
    },
    head: async () => chain.head(),
    async subscribe(kind, filter, listener) {
      if (kind === 'newHeads') {
        return chain.onHead(({ from, to }) => {
          for (let height = from; height <= to; height += 1) {
            const { transactions: _hashes, uncles: _uncles, ...header } = chain.view().block(height, false);
            listener(header);
          }
        });
      }
      if (kind === 'logs') {
        const wanted = (filter ?? {}) as LogFilter;
        return chain.onHead(({ from, to, previous }) => {
          if (previous !== undefined) {
            for (let height = previous.to; height >= from; height -= 1) {
              for (const log of previous.view.logs(height).reverse()) {
                if (matchesLogFilter(wanted, log)) listener({ ...log, removed: true });
              }
            }
          }
          for (let height = from; height <= to; height += 1) {
            for (const log of chain.view().logs(height)) if (matchesLogFilter(wanted, log)) listener(log);
          }
        });
      }
      if (kind === 'newPendingTransactions') {
        return chain.onHead(({ to }) => {
          // What the next block will hold is what is pending now.
          for (const transaction of chain.view().transactions(to + 1))
            listener(filter === true ? transaction : transaction.hash);
        });
      }
      throw new RpcError(-32602, `no "${kind}" subscription in eth namespace`);
    },
    close: async () => chain.close(),
  };
}
