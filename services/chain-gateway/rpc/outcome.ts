import type { RpcRetryAdvice } from './ethereum-rpc.ts';

/**
 * What a call came to. `result` and `data` are JSON text exactly as the provider wrote it: the gateway forwards
 * bytes and parses a result only where it must look inside.
 */
export type RpcOutcome = RpcSuccess | RpcFailure;

export interface RpcSuccess {
  readonly ok: true;
  /** JSON text of the `result` member. */
  readonly result: string;
}

export interface RpcFailure {
  readonly ok: false;
  readonly code: number;
  readonly message: string;
  /** JSON text of the `data` member, absent when the error has none. */
  readonly data?: string | undefined;
  readonly retry: RpcRetryAdvice;
  readonly retryAfterSeconds?: number | undefined;
}

export function success(result: string): RpcSuccess {
  return { ok: true, result };
}

export function failure(
  code: number,
  message: string,
  retry: RpcRetryAdvice,
  extra: { data?: string | undefined; retryAfterSeconds?: number | undefined } = {},
): RpcFailure {
  return { ok: false, code, message, retry, data: extra.data, retryAfterSeconds: extra.retryAfterSeconds };
}
