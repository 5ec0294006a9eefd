import type { Clock, Timer } from '../../../lib/time.ts';
import type { RpcPriority } from '../rpc/ethereum-rpc.ts';

/** A call that waits until some provider's rate limit has room. */
export interface QueuedCall {
  readonly work: { readonly priority: RpcPriority; readonly deadlineAt: number };
  /** How long until the next provider has room, milliseconds. */
  readonly waitMs: number;
  readonly ready: () => void;
  readonly cancelled: () => boolean;
}

export interface CapacityQueue {
  /** Takes the call, or says after how many seconds it is worth coming back: nothing waits longer than it is worth. */
  enqueue(call: QueuedCall): { retryAfterSeconds: number } | undefined;
  length(): number;
}

const LANES: readonly RpcPriority[] = ['internal', 'interactive', 'standard', 'background'];

/**
 * A short queue in front of providers that are at their rate limit. It smooths bursts; under lasting overload it is
 * full and the rest is refused at once, because a call that waits for nothing only makes the next one wait too.
 */
export function createCapacityQueue(deps: {
  clock: Clock;
  /** Calls per second that leave the queue. */
  rate: () => number;
  maxWaitMs: number;
}): CapacityQueue {
  const { clock, maxWaitMs } = deps;
  const lanes: Record<RpcPriority, QueuedCall[]> = {
    internal: [],
    interactive: [],
    standard: [],
    background: [],
  };
  let timer: Timer | undefined;
  let pumping = false;
  let pumped: QueuedCall | undefined;
  let requeued = false;
  let nextWaitMs = 0;

  const length = (): number => LANES.reduce((sum, lane) => sum + lanes[lane].length, 0);
  const ahead = (priority: RpcPriority): number => {
    let count = 0;
    for (const lane of LANES) {
      count += lanes[lane].length;
      if (lane === priority) break;
    }
    return count;
  };
  const arm = (waitMs: number): void => {
    if (timer === undefined) timer = clock.setTimeout(pump, Math.max(1, waitMs));
  };
  const pump = (): void => {
    timer = undefined;
    pumping = true;
    for (const lane of LANES) {
      const queue = lanes[lane];
      while (queue.length > 0) {
        const call = queue.shift() as QueuedCall;
        if (call.cancelled()) continue;
        pumped = call;
        requeued = false;
        call.ready();
        pumped = undefined;
        if (requeued) {
          pumping = false;
          arm(nextWaitMs);
          return;
        }
      }
    }
    pumping = false;
  };

  return {
    length,
    enqueue(call) {
      const { priority, deadlineAt } = call.work;
      if (pumping && pumped !== undefined) {
        // It was let go a moment too early: back to the front of its lane.
        requeued = true;
        nextWaitMs = call.waitMs;
        lanes[priority].unshift(call);
        return undefined;
      }
      const rate = deps.rate();
      const drainMs = Number.isFinite(rate) && rate > 0 ? (ahead(priority) / rate) * 1_000 : 0;
      const expected = call.waitMs + drainMs;
      const patience = Math.min(maxWaitMs, deadlineAt - clock.monotonic());
      if (expected > patience) return { retryAfterSeconds: Math.max(1, Math.ceil(expected / 1_000)) };
      lanes[priority].push(call);
      arm(call.waitMs);
      return undefined;
    },
  };
}
