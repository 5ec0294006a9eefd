import { setTimeout as sleep } from 'node:timers/promises';
import type { Hex } from './hex.ts';

export interface Receipt {
  readonly transactionHash: Hex;
  readonly blockNumber: number;
  readonly succeeded: boolean;
}

/** The few calls that deploying needs. Speaks to one node directly: it runs before any gateway exists. */
export interface ChainClient {
  /** Answers the `result`. Throws {@link ChainClientError} naming node and method. */
  request<T>(method: string, params?: readonly unknown[]): Promise<T>;
  /** Waits until the transaction is in a block. Throws {@link ChainClientError} after `timeoutMs`. */
  waitForReceipt(hash: Hex, timeoutMs: number): Promise<Receipt>;
}

export class ChainClientError extends Error {
  override readonly name = 'ChainClientError';
}

/** One call to a healthy node takes milliseconds; longer than this it is not there. */
const REQUEST_TIMEOUT_MS = 10_000;
/** Short against any block time, long against the cost of asking. */
const RECEIPT_POLL_MS = 50;

export function createChainClient(rpcUrl: string): ChainClient {
  let nextId = 1;

  async function request<T>(method: string, params: readonly unknown[] = []): Promise<T> {
    let answer: { result?: T; error?: { message?: string; data?: unknown } };
    try {
      const response = await fetch(rpcUrl, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: nextId++, method, params }),
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      });
      answer = (await response.json()) as typeof answer;
    } catch (cause) {
      const reason = (cause as { cause?: Error }).cause?.message ?? (cause as Error).message;
      throw new ChainClientError(`${method}: no JSON-RPC answer from ${rpcUrl}: ${reason}`, { cause });
    }
    if (answer.error) {
      const data = answer.error.data === undefined ? '' : ` (${JSON.stringify(answer.error.data)})`;
      throw new ChainClientError(`${method}: ${answer.error.message ?? 'failed without a message'}${data}`);
    }
    return answer.result as T;
  }

  async function waitForReceipt(hash: Hex, timeoutMs: number): Promise<Receipt> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const raw = await request<{ blockNumber: Hex; status: Hex } | null>('eth_getTransactionReceipt', [
        hash,
      ]);
      if (raw) {
        return {
          transactionHash: hash,
          blockNumber: Number(raw.blockNumber),
          succeeded: Number(raw.status) === 1,
        };
      }
      if (performance.now() > deadline) {
        throw new ChainClientError(`transaction ${hash} is in no block after ${timeoutMs} ms`);
      }
      await sleep(RECEIPT_POLL_MS);
    }
  }

  return { request, waitForReceipt };
}
