import type { RpcRetryAdvice } from './ethereum-rpc.ts';
import { failure, type RpcFailure } from './outcome.ts';

/**
 * The gateway's JSON-RPC error codes (design section 4). Codes of the JSON-RPC 2.0 specification and of EIP-1474
 * keep their meaning; the rest are ours, in the range that the specification leaves to servers.
 */
export const RPC_ERROR = {
  revert: 3,
  parse: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internal: -32603,
  transactionRejected: -32003,
  limitExceeded: -32005,
  /** Every provider that may serve the call is unreachable or failing. */
  noProvider: -32011,
  rangeTooLarge: -32012,
  missingData: -32014,
  timeout: -32015,
  unauthorized: -32016,
  /** The credential is good, but not for this chain, method or kind of access. */
  forbidden: -32017,
  priorityNotAllowed: -32018,
  /** The client's own deadline lay in the past when the call arrived. */
  deadlinePassed: -32019,
  /** The call token's budget does not cover the call. */
  budgetExhausted: -32020,
  /** The call token has as many calls under way as it may. */
  tooManyInFlight: -32021,
} as const;

const RETRY_BY_CODE: Readonly<Record<number, RpcRetryAdvice>> = {
  [RPC_ERROR.limitExceeded]: 'later',
  [RPC_ERROR.noProvider]: 'later',
  [RPC_ERROR.missingData]: 'elsewhere',
  [RPC_ERROR.timeout]: 'later',
  [RPC_ERROR.internal]: 'later',
  [RPC_ERROR.tooManyInFlight]: 'later',
};

/** What a client should do after an error with this code: never retry unless the table says otherwise. */
export function retryAdvice(code: number): RpcRetryAdvice {
  return RETRY_BY_CODE[code] ?? 'never';
}

/** An error of the gateway's own making, with the retry advice of the table. */
export function gatewayError(
  code: number,
  message: string,
  extra: { data?: string; retryAfterSeconds?: number } = {},
): RpcFailure {
  return failure(code, message, retryAdvice(code), extra);
}

/** HTTP status for a lone call that failed. Answers of the chain itself are always 200, as JSON-RPC expects. */
export function httpStatusOf(outcome: RpcFailure): number {
  switch (outcome.code) {
    case RPC_ERROR.limitExceeded:
      return outcome.retryAfterSeconds === undefined ? 200 : 429;
    case RPC_ERROR.noProvider:
      return 503;
    case RPC_ERROR.unauthorized:
      return 401;
    case RPC_ERROR.budgetExhausted:
      return 402;
    case RPC_ERROR.forbidden:
    case RPC_ERROR.priorityNotAllowed:
      return 403;
    case RPC_ERROR.deadlinePassed:
      return 400;
    case RPC_ERROR.tooManyInFlight:
      return 429;
    default:
      return 200;
  }
}
