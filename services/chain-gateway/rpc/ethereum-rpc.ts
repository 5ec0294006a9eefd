/**
 * The one interface through which the rest of the gateway (transactions, indexer, events, subscriptions)
 * talks to a chain. Behind it sits the whole read path: cache, coalescing, provider selection, retries,
 * hedging and the served head. Callers never see which provider answered.
 */

/**
 * Who goes first when providers are short of capacity. Clients ask for `interactive` (a person waits), `standard` or
 * `background`; `internal` is for transactions under way and the indexer's head, which nobody can ask for.
 */
export type RpcPriority = 'internal' | 'interactive' | 'standard' | 'background';

export interface RpcCallOptions {
  /** Aborts the call for this caller only; other callers who share the same upstream call are not affected. */
  readonly signal?: AbortSignal;
  /** Milliseconds from now after which the caller has no use for an answer. Default: the gateway's call timeout. */
  readonly deadlineMs?: number;
  /** Makes the call's path visible under `/internal/explain/{requestId}`. */
  readonly requestId?: string;
  readonly priority?: RpcPriority;
  /** Who pays: shown in `/internal/cost`. Default `internal`. */
  readonly principal?: string;
}

export interface EthereumRpc {
  /**
   * Performs one JSON-RPC call and resolves to its `result` (parsed JSON, `null` included).
   * Rejects with {@link RpcCallError}: for an error that the chain itself gave (revert, nonce too low ...)
   * and for one of the gateway's own (timeout, no provider, limit).
   */
  request(method: string, params: readonly unknown[], options?: RpcCallOptions): Promise<unknown>;
}

/** What to do after an error: nothing will help, the same place may help, another provider may help, or try again later. */
export type RpcRetryAdvice = 'never' | 'same' | 'elsewhere' | 'later';

/** A JSON-RPC error as an exception. `code` follows the gateway's error table (rpc/errors.ts). */
export class RpcCallError extends Error {
  override readonly name = 'RpcCallError';
  /** JSON-RPC error code: 3 revert, -32003 transaction rejected, -32015 timeout ... */
  readonly code: number;
  /** The `data` member of the JSON-RPC error: revert bytes, or the gateway's explanation. */
  readonly data: unknown;
  readonly retry: RpcRetryAdvice;
  /** Seconds after which a retry makes sense, when known. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: number,
    message: string,
    options: { data?: unknown; retry?: RpcRetryAdvice; retryAfterSeconds?: number; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.data = options.data;
    this.retry = options.retry ?? 'never';
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}
