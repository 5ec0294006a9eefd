/**
 * One table of the errors that our REST interfaces answer with (RFC 9457 problem details).
 * `retry` tells the client what helps: the `same` request again soon, the same request `later` (after
 * `Retry-After` or when the world has changed), the request at another place (`elsewhere`), or `never` unchanged.
 */
export interface ErrorKind {
  readonly status: number;
  readonly title: string;
  readonly retry: 'same' | 'later' | 'elsewhere' | 'never';
}

const kind = (status: number, title: string, retry: ErrorKind['retry'] = 'never'): ErrorKind => ({
  status,
  title,
  retry,
});

export const ERROR_TABLE = {
  already_linked: kind(409, 'The wallet is linked already'),
  amount_too_large: kind(422, 'The amount is larger than budgets can count exactly'),
  asset_not_accepted: kind(422, 'Calls cannot be paid in this asset'),
  authorization_expired: kind(422, 'The spend authorization has expired'),
  authorization_not_yet_valid: kind(422, 'The spend authorization is not valid yet', 'later'),
  body_too_large: kind(413, 'The request body is too large'),
  call_refused: kind(422, 'A call of the job cannot be made'),
  callback_refused: kind(422, 'The callback address is not called'),
  chain_unavailable: kind(503, 'The chain cannot be read at the moment', 'later'),
  conflict: kind(409, 'The request conflicts with the current state'),
  deadline_exceeded: kind(504, 'The request did not finish in time', 'same'),
  dependency_unavailable: kind(503, 'A service this request needs is not available', 'later'),
  dpop_invalid: kind(401, 'The proof of possession is not valid'),
  dpop_replayed: kind(401, 'The proof of possession was used before'),
  dpop_required: kind(401, 'A proof of possession is required'),
  draining: kind(503, 'The server is shutting down', 'elsewhere'),
  expired_token: kind(401, 'The token has expired'),
  forbidden: kind(403, 'The caller may not do this'),
  idempotency_in_progress: kind(409, 'A request with this Idempotency-Key is still being handled', 'later'),
  idempotency_key_required: kind(400, 'An Idempotency-Key header is required'),
  idempotency_key_reused: kind(422, 'The Idempotency-Key was used with a different request'),
  insufficient_funds: kind(422, 'The balance is too low'),
  insufficient_scope: kind(403, 'The credential lacks a scope that this needs'),
  internal_error: kind(500, 'Something went wrong on our side', 'later'),
  invalid_argument: kind(422, 'The request was understood but cannot be carried out'),
  invalid_cursor: kind(400, 'The cursor is not valid for this list'),
  invalid_request: kind(400, 'The request is not valid'),
  invalid_scope: kind(422, 'The scope cannot be granted'),
  invalid_signature: kind(401, 'The signature does not match'),
  invalid_token: kind(401, 'The token is not valid'),
  job_too_large: kind(422, 'The job has too many calls'),
  malformed_json: kind(400, 'The body is not valid JSON'),
  method_not_allowed: kind(405, 'This resource does not support the method'),
  nonce_reused: kind(409, 'The nonce was used for another authorization'),
  nonce_used: kind(401, 'The nonce was used or was never issued'),
  not_found: kind(404, 'There is no such resource'),
  payer_not_accepted: kind(403, 'This payer may not pay for calls here'),
  policy_violation: kind(403, 'The policy of the signer refuses this'),
  precondition_failed: kind(412, 'The resource has changed since it was read'),
  precondition_required: kind(428, 'An If-Match header is required'),
  queue_full: kind(503, 'The service is at its limit', 'later'),
  rate_limited: kind(429, 'Too many requests', 'later'),
  refresh_token_reused: kind(401, 'The refresh token was used before; the session is closed'),
  session_revoked: kind(401, 'The session was closed'),
  signature_malleable: kind(422, 'The signature is a second form of another one'),
  snet_answer_lost: kind(502, 'The answer of the service was lost on the way', 'same'),
  snet_payment_refused: kind(502, 'The daemon of the service refused our payment', 'later'),
  snet_service_error: kind(502, 'The service answered with an error'),
  step_up_required: kind(403, 'A fresh proof of identity is required'),
  token_revoked: kind(401, 'The call token was revoked'),
  top_up_mismatch: kind(422, 'The authorization does not fit the budget that it tops up'),
  transaction_reverted: kind(422, 'The transaction would revert'),
  unauthenticated: kind(401, 'Credentials are required'),
  unsupported_media_type: kind(415, 'The content type is not supported'),
  wallet_refused: kind(422, 'The contract wallet does not accept the signature'),
  wallet_stuck: kind(422, 'The contract wallet did not judge the signature within its limits'),
  writes_paused: kind(503, 'Changes are paused', 'later'),
  wrong_audience: kind(422, 'The authorization is for another audience'),
  wrong_chain: kind(422, 'The authorization is for another chain'),
  wrong_contract: kind(422, 'The authorization is for another contract'),
  wrong_signing_domain: kind(422, 'The authorization was signed for another application'),
} as const satisfies Record<string, ErrorKind>;

/** A stable, documented name of an error; clients may switch on it. */
export type ErrorCode = keyof typeof ERROR_TABLE;

/** One thing that is wrong with a request, and where. */
export interface FieldError {
  /** Where: a JSON pointer into the body (`/wallet/address`), or `?name` (query), `{name}` (path), `header:name`. */
  readonly pointer: string;
  /** Which rule was broken, a short stable word: `required`, `unknown`, `type`, `format`, `range`… */
  readonly rule: string;
  /** What was expected, and the shape (never the secret value) of what came. */
  readonly detail: string;
}

/** An error whose message may be shown to the caller. Everything else becomes `internal_error`. */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly code: ErrorCode;
  readonly kind: ErrorKind;
  readonly errors: readonly FieldError[] | undefined;
  /** Seconds to wait before a retry, for the `Retry-After` header. */
  readonly retryAfterSeconds: number | undefined;
  /** Further members of the problem document. */
  readonly extra: Readonly<Record<string, unknown>> | undefined;

  /** @param detail one sentence: what was wrong, where, and what to do. */
  constructor(
    code: ErrorCode,
    detail: string,
    options: {
      errors?: readonly FieldError[] | undefined;
      retryAfterSeconds?: number | undefined;
      extra?: Readonly<Record<string, unknown>> | undefined;
      cause?: unknown;
    } = {},
  ) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.kind = ERROR_TABLE[code];
    this.errors = options.errors;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.extra = options.extra;
  }
}

/** An RFC 9457 problem document as we send it. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly retry: ErrorKind['retry'];
  readonly requestId?: string;
  readonly errors?: readonly FieldError[];
  readonly [member: string]: unknown;
}

/** Where each error code is explained; a relative reference, so that every deployment serves its own. */
export const problemType = (code: ErrorCode): string => `/docs/errors#${code}`;

export function toProblem(error: AppError, requestId?: string): Problem {
  return {
    ...error.extra,
    type: problemType(error.code),
    title: error.kind.title,
    status: error.kind.status,
    detail: error.message,
    code: error.code,
    retry: error.kind.retry,
    ...(requestId ? { requestId } : {}),
    ...(error.errors ? { errors: error.errors } : {}),
  };
}

/** Any thrown value as an AppError; the unknown keeps its cause for the log and tells the caller nothing. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  return new AppError('internal_error', 'An unexpected error occurred. Quote the request id to support.', {
    cause: error,
  });
}
