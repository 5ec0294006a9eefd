/**
 * The path of one call, kept so that anybody can ask why it went as it did. Recording must cost next to nothing:
 * an event is one small object, and text is made only when somebody asks.
 */
export interface TraceEvent {
  /** Monotonic milliseconds. */
  readonly at: number;
  readonly stage: string;
  readonly detail?: Readonly<Record<string, unknown>> | undefined;
}

export interface CallTrace {
  readonly method: string;
  readonly startedAt: number;
  readonly events: TraceEvent[];
  outcome: string | undefined;
  endedAt: number | undefined;
}

/** Events kept per call: a call that retries for a long time must not grow without bound. */
const MAX_EVENTS = 64;

export function createTrace(method: string, startedAt: number): CallTrace {
  return { method, startedAt, events: [], outcome: undefined, endedAt: undefined };
}

export function note(
  trace: CallTrace | undefined,
  at: number,
  stage: string,
  detail?: Record<string, unknown>,
): void {
  if (trace !== undefined && trace.events.length < MAX_EVENTS) trace.events.push({ at, stage, detail });
}
