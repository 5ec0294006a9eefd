import { gatewayError, RPC_ERROR } from '../../rpc/errors.ts';
import type { RpcFailure } from '../../rpc/outcome.ts';

/**
 * Why a call that is paid by a call token was refused. The JSON-RPC code says what kind of thing went wrong, `data.reason`
 * exactly what; nothing is charged for any of them.
 */
const REASONS = {
  token_invalid: { code: RPC_ERROR.unauthorized, retryAfterSeconds: undefined },
  token_expired: { code: RPC_ERROR.unauthorized, retryAfterSeconds: undefined },
  token_revoked: { code: RPC_ERROR.unauthorized, retryAfterSeconds: undefined },
  token_wrong_audience: { code: RPC_ERROR.unauthorized, retryAfterSeconds: undefined },
  token_wrong_chain: { code: RPC_ERROR.forbidden, retryAfterSeconds: undefined },
  dpop_required: { code: RPC_ERROR.unauthorized, retryAfterSeconds: undefined },
  dpop_invalid: { code: RPC_ERROR.unauthorized, retryAfterSeconds: undefined },
  dpop_replayed: { code: RPC_ERROR.unauthorized, retryAfterSeconds: undefined },
  authorization_expired: { code: RPC_ERROR.unauthorized, retryAfterSeconds: undefined },
  authorization_not_yet_valid: { code: RPC_ERROR.unauthorized, retryAfterSeconds: undefined },
  budget_exhausted: { code: RPC_ERROR.budgetExhausted, retryAfterSeconds: undefined },
  over_max_per_call: { code: RPC_ERROR.budgetExhausted, retryAfterSeconds: undefined },
  too_many_in_flight: { code: RPC_ERROR.tooManyInFlight, retryAfterSeconds: 1 },
  call_repeated: { code: RPC_ERROR.invalidRequest, retryAfterSeconds: undefined },
  /** Answered with 503: Redis or Postgres is away, or nobody posts what was spent. */
  accounting_unavailable: { code: RPC_ERROR.noProvider, retryAfterSeconds: 2 },
} as const;

export type TokenReason = keyof typeof REASONS;

/** @param extra further members of `data`: limits and what is left, never anything secret. */
export function tokenFailure(
  reason: TokenReason,
  message: string,
  extra: Readonly<Record<string, string | number>> = {},
): RpcFailure {
  const { code, retryAfterSeconds } = REASONS[reason];
  return gatewayError(code, message, {
    data: JSON.stringify({ reason, ...extra }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
}
