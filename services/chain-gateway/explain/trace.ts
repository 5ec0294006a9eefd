import { sampledContext, type TraceIds } from '../../../lib/tracing/tracer.ts';

/**
 * The path of one call, kept so that anybody can ask why it went as it did. Recording must cost next to nothing: an
 * event is four slots of a flat array, and words are made only when somebody asks. (Small objects that live for ten
 * minutes were a third of the gateway's CPU: each is copied twice by the garbage collector before it may stay.)
 */
export interface CallTrace {
  readonly method: string;
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  /** Milliseconds the call took; -1 while it runs. */
  tookMs: number;
  /** How it ended: the cache verdict, or the error. */
  outcome: string;
  /** The span that the call is part of; undefined when it is not traced. */
  readonly parent: TraceIds | undefined;
  /** Slots of {@link SLOTS}: microseconds since the start, stage, provider, more. */
  log: unknown[] | undefined;
}

const SLOTS = 4;
/** Events kept per call: a call that retries for a long time must not grow without bound. */
const MAX_EVENTS = 64;

/** What the fourth slot of an event holds when it is not an object. */
const MORE_IS: Readonly<Record<string, string>> = {
  attempt: 'reason',
  answer: 'ms',
  empty: 'ms',
  backoff: 'waitMs',
  queued: 'waitMs',
  refused: 'retryAfterSeconds',
  'no-provider': 'why',
  'ahead-of-head': 'block',
  'already-known': 'hash',
};

export function createTrace(method: string, startedAt: number): CallTrace {
  return { method, startedAt, tookMs: -1, outcome: '', parent: sampledContext(), log: undefined };
}

/**
 * Records an event.
 * @param now monotonic milliseconds
 * @param provider the provider's id, where one is concerned
 * @param more one more fact, see the table above; an object for several
 */
export function note(
  trace: CallTrace | undefined,
  now: number,
  stage: string,
  provider?: string,
  more?: unknown,
): void {
  if (trace === undefined) return;
  const us = Math.round((now - trace.startedAt) * 1_000) | 0;
  if (trace.log === undefined) trace.log = [us, stage, provider, more];
  else if (trace.log.length < MAX_EVENTS * SLOTS) trace.log.push(us, stage, provider, more);
}

export interface TraceEvent {
  readonly ms: number;
  readonly stage: string;
  readonly detail?: Record<string, unknown>;
}

/** The events of a trace in words. */
export function eventsOf(trace: CallTrace): TraceEvent[] {
  const events: TraceEvent[] = [];
  const log = trace.log ?? [];
  for (let i = 0; i < log.length; i += SLOTS) {
    const stage = log[i + 1] as string;
    const provider = log[i + 2];
    const more = log[i + 3];
    const detail: Record<string, unknown> = provider === undefined ? {} : { provider };
    if (typeof more === 'object' && more !== null) Object.assign(detail, more);
    else if (more !== undefined)
      detail[MORE_IS[stage] ?? 'value'] = typeof more === 'number' ? Math.round(more * 1_000) / 1_000 : more;
    events.push({
      ms: (log[i] as number) / 1_000,
      stage,
      ...(Object.keys(detail).length === 0 ? {} : { detail }),
    });
  }
  return events;
}
