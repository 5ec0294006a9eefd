import type { Clock } from '../../../lib/time.ts';
import type { Hold, SpendingAccount } from '../admission/principal.ts';
import { note } from '../explain/trace.ts';
import type { RpcCall } from './call-path.ts';
import type { Coalescer, Flight } from './coalescer.ts';
import type { EngineAnswer } from './engine.ts';
import { RPC_ERROR } from './errors.ts';
import type { RpcFailure } from './outcome.ts';

/**
 * A hold covers this many attempts: the first, a retry and a hedge. More of them are the operator's loss, which the
 * retry budget bounds; a larger hold would shut clients out of budget that their calls hardly ever use.
 */
const ATTEMPTS_HELD = 3;

export interface PaidCalls {
  /**
   * Starts work upstream, or joins what is under way with this key; from a budget when the caller has one.
   * @param key undefined for work that is never shared
   * @param units price of one attempt
   */
  run(call: RpcCall, key: string | undefined, units: number, start: () => Flight): Promise<EngineAnswer>;
}

/**
 * Who pays for a shared upstream call: the one whose call caused it, and nobody else. Those who find it under way ride
 * along for nothing, as with a cached answer. The hold is taken before the work exists, so that a caller without
 * budget fails alone and never takes others with it; and it belongs to the work, not to the caller: when the caller's
 * own deadline passes while others still wait, it is settled by what the work really did cost.
 *
 * Work that ends before anything was sent is released. So is work for which no provider had an answer: that is our
 * failure. A call that runs into its deadline is charged for the attempts it caused, or short deadlines would make
 * upstream work free.
 */
export function createPaidCalls(deps: {
  coalescer: Coalescer;
  clock: Pick<Clock, 'monotonic'>;
  /** Unlike request ids, which clients choose, never the same twice: a repeated id would be a free call. */
  newCallId: () => string;
  /** Longest time a call may take, milliseconds: how much later than its leader a follower may want the answer. */
  callTimeoutMs: number;
}): PaidCalls {
  const { coalescer, clock } = deps;
  /** Callers that are just taking a hold, by key: others with the same key wait for the outcome, not for a hold of their own. */
  const reserving = new Map<string, Promise<void>>();

  async function reserve(call: RpcCall, account: SpendingAccount, units: number): Promise<Hold | RpcFailure> {
    const from = clock.monotonic();
    const hold = await account.hold({
      callId: deps.newCallId(),
      method: call.method,
      units: units * ATTEMPTS_HELD,
      // Later callers may keep the work alive for as long as one more call may take.
      deadlineMs: call.deadlineAt - from + deps.callTimeoutMs,
    });
    note(call.trace, clock.monotonic(), 'code' in hold ? 'hold-refused' : 'hold', undefined, {
      units: units * ATTEMPTS_HELD,
      ms: clock.monotonic() - from,
    });
    return hold;
  }

  function payFrom(hold: Hold, units: number, flight: Flight): Flight {
    const answer = flight.answer.then(
      (done) => {
        if (done.attempts === 0 || isOurFailure(done)) hold.release();
        else hold.settle(Math.min(done.units, units * ATTEMPTS_HELD));
        return done;
      },
      (error: unknown) => {
        hold.release();
        throw error;
      },
    );
    return { ...flight, answer };
  }

  async function pay(
    call: RpcCall,
    account: SpendingAccount,
    key: string | undefined,
    units: number,
    start: () => Flight,
  ): Promise<EngineAnswer> {
    if (key === undefined) {
      const hold = await reserve(call, account, units);
      return 'code' in hold ? refused(hold) : payFrom(hold, units, start()).answer;
    }
    for (;;) {
      if (coalescer.has(key, call)) return coalescer.join(key, call, start);
      const other = reserving.get(key);
      if (other === undefined) break;
      await other;
    }
    let finished: () => void = () => undefined;
    reserving.set(
      key,
      new Promise<void>((resolve) => {
        finished = resolve;
      }),
    );
    try {
      const hold = await reserve(call, account, units);
      if ('code' in hold) return refused(hold);
      if (coalescer.has(key, call)) {
        // Somebody without a budget began the same work meanwhile.
        hold.release();
        return coalescer.join(key, call, start);
      }
      return coalescer.join(key, call, () => payFrom(hold, units, start()));
    } finally {
      reserving.delete(key);
      finished();
    }
  }

  return {
    run(call, key, units, start) {
      const { account } = call.who;
      if (account !== undefined) return pay(call, account, key, units, start);
      return key === undefined ? start().answer : coalescer.join(key, call, start);
    },
  };
}

function isOurFailure({ outcome }: EngineAnswer): boolean {
  return !outcome.ok && (outcome.code === RPC_ERROR.noProvider || outcome.code === RPC_ERROR.limitExceeded);
}

const refused = (outcome: RpcFailure): EngineAnswer => ({
  outcome,
  errorKind: undefined,
  provider: undefined,
  attempts: 0,
  units: 0,
});
