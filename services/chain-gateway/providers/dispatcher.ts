import type { Clock } from '../../../lib/time.ts';
import type { AttemptDone, AttemptRequest, RunningAttempt, UpstreamTransport } from './attempt.ts';
import { batchRefusal, decodeReply, encodeCalls } from './wire.ts';

/** An HTTP request that takes this many times longer than usual is slow: its batch was too long to share one fate. */
const SLOW_FACTOR = 5;
const SLOW_FLOOR_MS = 50;
/** Gained per fast request while below the configured maximum; a slow one divides by four. */
const JOIN_GROWTH = 0.25;

export interface DispatcherDeps {
  readonly transport: UpstreamTransport;
  readonly clock: Pick<Clock, 'monotonic' | 'now'>;
  /** Runs a function when the calls of this tick have all been made. */
  readonly defer: (fn: () => void) => void;
  /** Most calls in one HTTP request; 1 switches joining off. */
  readonly maxJoin: number;
}

export interface Dispatcher {
  send(request: AttemptRequest, done: AttemptDone): RunningAttempt;
  /** Calls that may share one HTTP request just now; learned, between 1 and the maximum. */
  joinLimit(): number;
  /** HTTP requests sent since the start. */
  requestsSent(): number;
}

interface Entry extends RunningAttempt {
  readonly request: AttemptRequest;
  readonly done: AttemptDone;
  cancelled: boolean;
}

/**
 * Joins the calls of one tick into JSON-RPC batches for one provider: an HTTP exchange costs more than the calls
 * inside it. How many share a request is learned, because they also share its fate: where requests stall, batches
 * shrink to single calls, so that one slow call does not hold up others. A provider that refuses a batch for its
 * length gets the same calls again in pieces that it takes.
 */
export function createDispatcher(deps: DispatcherDeps): Dispatcher {
  const { transport, clock } = deps;
  let queue: Entry[] = [];
  let scheduled = false;
  let joinLimit = deps.maxJoin;
  /** What the provider itself said or showed to be its longest batch. */
  let ceiling = deps.maxJoin;
  let usualMs = 0;
  let requests = 0;

  const learn = (tookMs: number, failed: boolean): void => {
    if (failed || (usualMs > 0 && tookMs > usualMs * SLOW_FACTOR + SLOW_FLOOR_MS)) {
      joinLimit = Math.max(1, joinLimit / 4);
      return;
    }
    usualMs = usualMs === 0 ? tookMs : usualMs * 0.95 + tookMs * 0.05;
    joinLimit = Math.min(ceiling, joinLimit + JOIN_GROWTH);
  };

  const post = (entries: readonly Entry[]): void => {
    requests++;
    const startedAt = clock.monotonic();
    let timeoutMs = 0;
    for (const entry of entries) timeoutMs = Math.max(timeoutMs, entry.request.timeoutMs);
    const running = transport.post(encodeCalls(entries.map((entry) => entry.request)), timeoutMs, (reply) => {
      const refusedAbove = batchRefusal(reply, entries.length);
      if (refusedAbove !== undefined) {
        ceiling = Math.min(ceiling, refusedAbove);
        joinLimit = Math.min(joinLimit, ceiling);
        postJoined(entries.filter((entry) => !entry.cancelled));
        return;
      }
      learn(clock.monotonic() - startedAt, !reply.ok && reply.fault === 'timeout');
      const results = decodeReply(reply, entries.length, clock.now());
      for (let i = 0; i < entries.length; i++) {
        const entry = entries[i] as Entry;
        if (!entry.cancelled) entry.done(results[i] as (typeof results)[number]);
      }
    });
    let waiting = entries.length;
    for (const entry of entries) {
      entry.cancel = () => {
        if (entry.cancelled) return;
        entry.cancelled = true;
        waiting--;
        if (waiting === 0) {
          learn(clock.monotonic() - startedAt, false);
          running.cancel();
        }
      };
    }
  };

  const flush = (): void => {
    scheduled = false;
    const entries = queue.filter((entry) => !entry.cancelled);
    queue = [];
    postJoined(entries);
  };

  const postJoined = (entries: readonly Entry[]): void => {
    const size = Math.max(1, Math.floor(joinLimit));
    let from = 0;
    while (from < entries.length) {
      if ((entries[from] as Entry).request.alone) {
        post([entries[from++] as Entry]);
        continue;
      }
      let to = from + 1;
      while (to < entries.length && to - from < size && !(entries[to] as Entry).request.alone) to++;
      post(entries.slice(from, to));
      from = to;
    }
  };

  return {
    send(request, done) {
      const entry: Entry = {
        request,
        done,
        cancelled: false,
        cancel: () => {
          entry.cancelled = true;
        },
      };
      if (ceiling <= 1 || request.alone) {
        post([entry]);
        return entry;
      }
      queue.push(entry);
      if (!scheduled) {
        scheduled = true;
        deps.defer(flush);
      }
      return entry;
    },
    joinLimit: () => Math.floor(joinLimit),
    requestsSent: () => requests,
  };
}
