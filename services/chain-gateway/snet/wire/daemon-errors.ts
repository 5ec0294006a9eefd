import { status } from '@grpc/grpc-js';

/** The daemon's own status: the nonce in the payment is not the channel's newest. Not one of gRPC's sixteen. */
export const INCORRECT_NONCE = 1000;

/**
 * What an error of the daemon means for a payment.
 * - `busy`: another payment on this channel is under way; nothing happened.
 * - `stale`: our idea of the channel is old (nonce, amount, block); nothing happened, ask for its state.
 * - `token`: the prepaid token is not accepted; nothing happened, get another.
 * - `exhausted`: what was prepaid is used up; nothing happened.
 * - `funds`: the channel has not enough, or expires soon; nothing happened.
 * - `unsupported`: this daemon does not know this kind of payment.
 * - `free-limit`: no free calls are left.
 * - `refused`: another reason before the call; nothing happened.
 * - `overloaded`: the daemon sheds load before it looks at the payment.
 * - `unknown`: the answer was lost on the way; the call may have been made and paid.
 * - `service`: the service itself answered with an error; the daemon took the payment and gave it back.
 */
export type DaemonVerdict =
  | 'busy'
  | 'stale'
  | 'token'
  | 'exhausted'
  | 'funds'
  | 'unsupported'
  | 'free-limit'
  | 'refused'
  | 'overloaded'
  | 'unknown'
  | 'service';

/** Status and text of the daemon's refusals, in the order in which they are tried. Codes are gRPC's. */
const RULES: readonly [code: number, text: RegExp, verdict: DaemonVerdict][] = [
  [status.FAILED_PRECONDITION, /^another transaction on (channel|this user)/, 'busy'],
  [INCORRECT_NONCE, /./, 'stale'],
  [status.UNAUTHENTICATED, /^income -?\d+ does not equal to price \d+/, 'stale'],
  [status.UNAUTHENTICATED, /^payment channel is near to be expired/, 'funds'],
  [status.UNAUTHENTICATED, /^not enough tokens on payment channel/, 'funds'],
  [status.UNAUTHENTICATED, /^payment channel ".*" not found/, 'funds'],
  [status.UNAUTHENTICATED, /^payment (signature|is not signed|signer)/, 'refused'],
  [status.UNAUTHENTICATED, /^(sign is not valid|token sign is not valid)/, 'token'],
  [status.INTERNAL, /^internal error: .*Usage Exceeded/i, 'exhausted'],
  [status.INTERNAL, /^internal error: .*free call limit has been exceeded/i, 'free-limit'],
  [status.INTERNAL, /^internal error: authentication failed as the (signature|Free Call Token)/i, 'token'],
  [
    status.INTERNAL,
    /^internal error: (token |payload .* used to generate the Token|organization .* is not associated|groupId .* is not associated|invalid token)/i,
    'token',
  ],
  [status.INTERNAL, /^payment channel error: /, 'refused'],
  [status.INTERNAL, /^cannot (get mutex|determine current block)/, 'refused'],
  [status.INTERNAL, /can't connect to service/, 'service'],
  [status.INVALID_ARGUMENT, /^unexpected "snet-payment-type"/, 'unsupported'],
  [
    status.INVALID_ARGUMENT,
    /^(missing|too many values for key|incorrect (format|binary key name)|invalid token)/,
    'refused',
  ],
  [status.RESOURCE_EXHAUSTED, /rate limiting/, 'overloaded'],
  [status.UNAVAILABLE, /^No requests are currently being processed/, 'overloaded'],
  // No connection was made: the request never left.
  [
    status.UNAVAILABLE,
    /^(No connection established|Failed to connect|name resolution failed)/i,
    'overloaded',
  ],
  [status.UNAVAILABLE, /./s, 'unknown'],
  [status.CANCELLED, /./s, 'unknown'],
  [status.DEADLINE_EXCEEDED, /./s, 'unknown'],
];

/** Judges the end of a paid call. */
export function judgeCallError(error: { code: number; details: string }): DaemonVerdict {
  const rule = RULES.find(([code, text]) => code === error.code && text.test(error.details));
  return rule?.[2] ?? 'service';
}

/** Judges an answer of the token service: it gives plain errors, whose text alone tells them apart. */
export function judgeTokenError(error: { code: number; details: string }): DaemonVerdict {
  const { code, details } = error;
  if (code === status.UNIMPLEMENTED) return 'unsupported';
  if (/^another transaction on channel/.test(details)) return 'busy';
  if (
    /greater than last signed amount|incorrect payment channel nonce|signature passed has expired/.test(
      details,
    )
  )
    return 'stale';
  if (
    /cannot be greater than full amount|not enough tokens|near to be expired|channel is not found/.test(
      details,
    )
  )
    return 'funds';
  if (/unable to retrieve planned Amount/.test(details)) return 'exhausted';
  if (code === status.UNAVAILABLE || code === status.DEADLINE_EXCEEDED || code === status.CANCELLED)
    return 'unknown';
  return 'refused';
}

/** True when the payment can not have been taken: the same call may be tried again without a second charge. */
export const neverReached = (verdict: DaemonVerdict): boolean =>
  verdict !== 'unknown' && verdict !== 'service';
