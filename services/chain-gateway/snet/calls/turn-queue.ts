import { AppError } from '../../../../lib/errors.ts';
import type { Clock } from '../../../../lib/time.ts';

export const PRIORITIES = ['interactive', 'standard', 'background'] as const;
export type CallPriority = (typeof PRIORITIES)[number];

export interface TurnRequest {
  readonly priority: CallPriority;
  /** Those with fewer calls under way go first within a priority. */
  readonly principal: string;
  /** Monotonic milliseconds by which the call must be over. */
  readonly deadline: number;
  readonly signal?: AbortSignal | undefined;
}

export interface TurnQueue {
  /**
   * Waits for a turn.
   * @returns what ends the turn; call it exactly once
   * @throws AppError queue_full at once, with the time after which a turn is likely, when the call cannot make it
   */
  take(request: TurnRequest): Promise<() => void>;
  readonly waiting: number;
  readonly running: number;
  /** How long a call that came now would wait, milliseconds. */
  expectedWaitMs(priority: CallPriority): number;
}

interface Waiting extends TurnRequest {
  readonly start: () => void;
  readonly fail: (error: unknown) => void;
  timer: { cancel(): void } | undefined;
}

/** Weight of the newest call in the average duration. */
const ALPHA = 0.1;

/** So many calls at once; the others wait by priority, then the principal with the fewest, then the earliest deadline. */
export function createTurnQueue(options: {
  name: string;
  concurrency: number;
  limit: number;
  clock: Clock;
}): TurnQueue {
  const { name, concurrency, limit, clock } = options;
  const queues: Record<CallPriority, Waiting[]> = { interactive: [], standard: [], background: [] };
  const runningOf = new Map<string, number>();
  let running = 0;
  let averageMs = 0;

  const waiting = (): number => PRIORITIES.reduce((sum, priority) => sum + queues[priority].length, 0);
  const ahead = (priority: CallPriority): number =>
    PRIORITIES.slice(0, PRIORITIES.indexOf(priority) + 1).reduce((sum, p) => sum + queues[p].length, 0);
  const expectedWaitMs = (priority: CallPriority): number =>
    running < concurrency ? 0 : ((ahead(priority) + 1) * averageMs) / concurrency;

  function begin(principal: string): () => void {
    running += 1;
    runningOf.set(principal, (runningOf.get(principal) ?? 0) + 1);
    const from = clock.monotonic();
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      running -= 1;
      const left = (runningOf.get(principal) ?? 1) - 1;
      if (left > 0) runningOf.set(principal, left);
      else runningOf.delete(principal);
      const took = clock.monotonic() - from;
      averageMs = averageMs === 0 ? took : averageMs + ALPHA * (took - averageMs);
      startNext();
    };
  }

  function startNext(): void {
    if (running >= concurrency) return;
    for (const priority of PRIORITIES) {
      const queue = queues[priority];
      let best: Waiting | undefined;
      for (const candidate of queue) {
        if (best === undefined) best = candidate;
        else {
          const fewer = (runningOf.get(candidate.principal) ?? 0) - (runningOf.get(best.principal) ?? 0);
          if (fewer < 0 || (fewer === 0 && candidate.deadline < best.deadline)) best = candidate;
        }
      }
      if (best === undefined) continue;
      queue.splice(queue.indexOf(best), 1);
      best.timer?.cancel();
      best.start();
      return;
    }
  }

  const tooLate = (waitMs: number): AppError =>
    new AppError(
      'queue_full',
      `${name} is busy: ${running} calls are under way and ${waiting()} wait; a turn is likely in ${Math.ceil(waitMs)} ms, later than the deadline of this call.`,
      {
        retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)),
        extra: { expectedWaitMs: Math.ceil(waitMs) },
      },
    );

  return {
    get waiting() {
      return waiting();
    },
    get running() {
      return running;
    },
    expectedWaitMs,
    async take(request) {
      if (running < concurrency && waiting() === 0) return begin(request.principal);
      const waitMs = expectedWaitMs(request.priority);
      const leftMs = request.deadline - clock.monotonic();
      // It would have to be answered by then, too.
      if (waitMs + averageMs > leftMs) throw tooLate(waitMs);
      if (waiting() >= limit)
        throw new AppError('queue_full', `${name} is busy: ${limit} calls wait already.`, {
          retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)),
          extra: { expectedWaitMs: Math.ceil(waitMs) },
        });
      return new Promise((resolve, reject) => {
        const queue = queues[request.priority];
        const entry: Waiting = {
          ...request,
          timer: undefined,
          start: () => resolve(begin(request.principal)),
          fail: reject,
        };
        const leave = (error: unknown): void => {
          const at = queue.indexOf(entry);
          if (at === -1) return;
          queue.splice(at, 1);
          entry.timer?.cancel();
          entry.fail(error);
        };
        entry.timer = clock.setTimeout(() => leave(tooLate(expectedWaitMs(request.priority))), leftMs);
        request.signal?.addEventListener('abort', () => leave(request.signal?.reason), { once: true });
        queue.push(entry);
        startNext();
      });
    },
  };
}
