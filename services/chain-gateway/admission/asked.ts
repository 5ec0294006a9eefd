import type { IncomingHttpHeaders } from 'node:http';
import type { Clock } from '../../../lib/time.ts';
import { gatewayError, RPC_ERROR } from '../rpc/errors.ts';
import type { RpcPriority } from '../rpc/ethereum-rpc.ts';
import type { Caller } from '../rpc/front-door.ts';
import type { RpcFailure } from '../rpc/outcome.ts';
import type { Principal } from './principal.ts';

/** The classes that a client can name, highest first. */
export const CLIENT_PRIORITIES = ['interactive', 'standard', 'background'] as const;

/** Times before this are no deadlines but durations that somebody took for one: 2001-09-09, in milliseconds. */
const EARLIEST_TIME_MS = 1_000_000_000_000;

/**
 * What a request asks for beside its calls, within what its principal may ask for:
 * - `x-priority`: `interactive`, `standard` or `background`;
 * - `x-deadline-ms`: the moment, in Unix milliseconds, after which an answer is of no use;
 * - `x-timeout-ms`: the same as a duration from now.
 *
 * The nearer of the two times counts, and never more than `callTimeoutMs`. What cannot be granted becomes a refusal of
 * every call in the request, so that each is answered under its own id.
 */
export function callerFrom(
  headers: IncomingHttpHeaders,
  principal: Principal,
  requestId: string,
  callTimeoutMs: number,
  clock: Pick<Clock, 'now'>,
): Caller {
  let timeoutMs = callTimeoutMs;
  let priority = principal.priorities[0];
  let refusal: RpcFailure | undefined;
  const askedTimeout = headers['x-timeout-ms'];
  if (askedTimeout !== undefined) {
    const ms = Number(askedTimeout);
    if (Number.isFinite(ms) && ms >= 1) timeoutMs = Math.min(ms, callTimeoutMs);
  }
  const askedDeadline = headers['x-deadline-ms'];
  if (askedDeadline !== undefined) {
    const at = deadlineOf(askedDeadline, clock.now());
    if (typeof at === 'number') timeoutMs = Math.min(timeoutMs, at);
    else refusal = at;
  }
  const askedPriority = headers['x-priority'];
  if (askedPriority !== undefined) {
    const asked = priorityOf(askedPriority, principal);
    if (typeof asked === 'string') priority = asked;
    else refusal ??= asked;
  }
  return { requestId, principal, priority, timeoutMs, refusal };
}

/** Milliseconds left, or why there are none. */
function deadlineOf(given: string | string[], now: number): number | RpcFailure {
  const at = Number(given);
  if (!Number.isFinite(at) || at < EARLIEST_TIME_MS) {
    return gatewayError(
      RPC_ERROR.invalidRequest,
      `x-deadline-ms is a moment in Unix milliseconds such as ${now}, not "${short(given)}"; a duration goes into x-timeout-ms`,
    );
  }
  const left = at - now;
  if (left > 0) return left;
  return gatewayError(
    RPC_ERROR.deadlinePassed,
    `the deadline passed ${-left} ms ago, before the call arrived here: nothing was done`,
    { data: JSON.stringify({ reason: 'deadline_passed', serverTimeMs: now, lateMs: -left }) },
  );
}

function priorityOf(given: string | string[], principal: Principal): RpcPriority | RpcFailure {
  const asked = CLIENT_PRIORITIES.find((name) => name === given);
  if (asked === undefined) {
    return gatewayError(
      RPC_ERROR.invalidRequest,
      `x-priority is one of ${CLIENT_PRIORITIES.join(', ')}, not "${short(given)}"`,
    );
  }
  if (principal.priorities.includes(asked)) return asked;
  return gatewayError(
    RPC_ERROR.priorityNotAllowed,
    `${principal.id} may not ask for priority ${asked}; it may ask for ${principal.priorities.join(', ')}`,
    { data: JSON.stringify({ reason: 'priority_not_allowed', allowed: principal.priorities }) },
  );
}

const short = (given: string | string[]): string => String(given).slice(0, 40);
