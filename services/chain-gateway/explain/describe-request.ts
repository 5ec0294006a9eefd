import type { ExplainedRequest } from './explainer.ts';
import { eventsOf, type TraceEvent } from './trace.ts';

/** A request's path as plain JSON: times are milliseconds since the call began. */
export interface RequestDescription {
  readonly requestId: string;
  readonly principal: string;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly calls: { method: string; outcome: string | null; ms: number | null; events: TraceEvent[] }[];
}

export function describeRequest(found: ExplainedRequest): RequestDescription {
  return {
    requestId: found.requestId,
    principal: found.principal,
    at: new Date(found.at).toISOString(),
    calls: found.traces.map((trace) => ({
      method: trace.method,
      outcome: trace.tookMs < 0 ? null : trace.outcome,
      ms: trace.tookMs < 0 ? null : Math.round(trace.tookMs * 1_000) / 1_000,
      events: eventsOf(trace),
    })),
  };
}
