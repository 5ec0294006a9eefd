import { createContext, runWithContext } from '../../lib/context.ts';
import type { Logger } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import type { Clock } from '../../lib/time.ts';
import { isConflict } from './kube-error.ts';
import { NotLeadingError } from './leader-election.ts';
import type { ControllerMetrics } from './metrics.ts';
import { createRateLimiter, type RateLimiter } from './rate-limiter.ts';
import { createWorkQueue, type WorkQueue } from './work-queue.ts';

/** When to look at the object again; undefined when only a change matters. */
export interface Result {
  readonly requeueAfterMs?: number;
}

/** An error that trying again cannot cure: it is logged and counted, and the key waits for a change. */
export class TerminalError extends Error {
  override readonly name = 'TerminalError';
}

/** Brings the world closer to what the object says. Reads state, never the event that woke it. */
export type Reconcile = (
  key: string,
  context: { log: Logger; reconcileId: string },
) => Promise<Result | undefined>;

export interface Controller {
  readonly name: string;
  readonly queue: Pick<WorkQueue, 'add' | 'addAfter' | 'depth'>;
  /** Starts the workers. Until then keys only gather. */
  start(): void;
  /** Lets running reconciles finish. */
  stop(): Promise<void>;
}

export interface ControllerDeps {
  readonly name: string;
  readonly reconcile: Reconcile;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: ControllerMetrics;
  /** How many keys are worked on at the same time; never the same key twice. */
  readonly concurrency?: number;
  readonly rateLimiter?: RateLimiter;
}

export function createController(deps: ControllerDeps): Controller {
  const { name, reconcile, clock, random, log, metrics, concurrency = 4 } = deps;
  const rateLimiter = deps.rateLimiter ?? createRateLimiter({ clock });
  const queue = createWorkQueue({ clock, rateLimiter, observer: metrics.queueObserver(name) });
  metrics.watchQueue(name, queue, concurrency);
  let workers: Promise<void>[] = [];

  async function handle(key: string): Promise<void> {
    const reconcileId = random.uuid();
    const startedAt = clock.monotonic();
    const childLog = log.child({ controller: name, key, reconcileId });
    metrics.started(name);
    try {
      const context = createContext({ requestId: reconcileId, newId: () => reconcileId });
      const result = await runWithContext(context, () => reconcile(key, { log: childLog, reconcileId }));
      queue.forget(key);
      if (result?.requeueAfterMs !== undefined) queue.addAfter(key, result.requeueAfterMs);
      metrics.finished(
        name,
        result?.requeueAfterMs === undefined ? 'success' : 'requeue_after',
        clock.monotonic() - startedAt,
      );
    } catch (error) {
      metrics.finished(name, 'error', clock.monotonic() - startedAt);
      if (error instanceof TerminalError) {
        queue.forget(key);
        childLog.warn({ err: error }, 'this cannot be cured by trying again; waiting for a change');
      } else {
        queue.addRateLimited(key);
        // A conflict is how optimistic concurrency works, and a lost lease ends the process: nobody needs to act.
        const expected = isConflict(error) || error instanceof NotLeadingError;
        childLog[expected ? 'debug' : 'warn'](
          { err: error, failures: rateLimiter.failures(key) },
          'reconcile failed; will try again',
        );
      }
    }
  }

  async function work(): Promise<void> {
    for (let key = await queue.next(); key !== undefined; key = await queue.next()) {
      await handle(key);
      queue.done(key);
    }
  }

  return {
    name,
    queue,
    start() {
      if (workers.length === 0) workers = Array.from({ length: concurrency }, work);
    },
    async stop() {
      if (workers.length > 0) await queue.shutDown();
      await Promise.all(workers);
    },
  };
}
