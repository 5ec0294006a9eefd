import { AppError } from '../../../../lib/errors.ts';
import type { Principal as HttpPrincipal } from '../../../../lib/http/route.ts';
import type { Clock } from '../../../../lib/time.ts';
import type { Principal, SpendingAccount } from '../../admission/principal.ts';
import { type CallPriority, PRIORITIES } from './turn-queue.ts';

/** Who makes a call and what they ask for beside it. */
export interface Caller {
  readonly principal: string;
  readonly person: string | undefined;
  readonly account: SpendingAccount | undefined;
  readonly priority: CallPriority;
  readonly timeoutMs: number | undefined;
}

/** Times before this are durations that somebody took for moments: 2001-09-09, in milliseconds. */
const EARLIEST_TIME_MS = 1_000_000_000_000;

/**
 * The same headers as on JSON-RPC: `x-priority`, `x-deadline-ms` (a moment), `x-timeout-ms` (a duration), and
 * `x-requested-by`, the opaque id of the person for whom a service calls.
 * @throws AppError
 */
export function callerOf(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  principal: HttpPrincipal,
  clock: Pick<Clock, 'now'>,
): Caller {
  const one = (name: string): string | undefined => {
    const value = headers[name];
    return Array.isArray(value) ? value[0] : value;
  };
  const admitted = principal.claims?.admission as Principal | undefined;
  const allowed = (admitted?.priorities ?? PRIORITIES).filter((p): p is CallPriority =>
    PRIORITIES.includes(p as CallPriority),
  );
  const asked = one('x-priority');
  if (asked !== undefined && !PRIORITIES.includes(asked as CallPriority))
    throw new AppError(
      'invalid_request',
      `x-priority is one of ${PRIORITIES.join(', ')}, not "${asked.slice(0, 40)}".`,
    );
  if (asked !== undefined && !allowed.includes(asked as CallPriority))
    throw new AppError(
      'forbidden',
      `This credential may ask for priority ${allowed.join(', ')}, not ${asked}.`,
    );
  return {
    principal: admitted?.id ?? `${principal.kind}:${principal.id}`,
    person: one('x-requested-by'),
    account: admitted?.account,
    priority: (asked as CallPriority | undefined) ?? (admitted ? allowed[0] : undefined) ?? 'standard',
    timeoutMs: timeoutOf(one('x-timeout-ms'), one('x-deadline-ms'), clock.now()),
  };
}

function timeoutOf(
  timeout: string | undefined,
  deadline: string | undefined,
  now: number,
): number | undefined {
  let left: number | undefined;
  if (timeout !== undefined) {
    left = Number(timeout);
    if (!Number.isFinite(left) || left < 1)
      throw new AppError('invalid_request', 'x-timeout-ms is a number of milliseconds from 1.');
  }
  if (deadline === undefined) return left;
  const at = Number(deadline);
  if (!Number.isFinite(at) || at < EARLIEST_TIME_MS)
    throw new AppError(
      'invalid_request',
      `x-deadline-ms is a moment in Unix milliseconds such as ${now}; a duration goes into x-timeout-ms.`,
    );
  if (at <= now)
    throw new AppError(
      'deadline_exceeded',
      `The deadline passed ${now - at} ms before the call arrived; nothing was done.`,
    );
  return Math.min(left ?? Number.POSITIVE_INFINITY, at - now);
}
