import type { ExplainedRequest } from './explainer.ts';

/** A request's path as plain JSON: times are milliseconds since the call began. */
export interface RequestDescription {
  readonly requestId: string;
  readonly principal: string;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly calls: {
    method: string;
    outcome: string | null;
    ms: number | null;
    events: { ms: number; stage: string; detail?: Record<string, unknown> }[];
  }[];
}

const round = (value: number): number => Math.round(value * 1_000) / 1_000;

export function describeRequest(found: ExplainedRequest): RequestDescription {
  return {
    requestId: found.requestId,
    principal: found.principal,
    at: new Date(found.at).toISOString(),
    calls: found.traces.map((trace) => ({
      method: trace.method,
      outcome: trace.outcome ?? null,
      ms: trace.endedAt === undefined ? null : round(trace.endedAt - trace.startedAt),
      events: trace.events.map(({ at, stage, detail }) => ({
        ms: round(at - trace.startedAt),
        stage,
        ...(detail === undefined ? {} : { detail: { ...detail } }),
      })),
    })),
  };
}
