import { currentContext, type RequestContext, runWithContext } from '../context.ts';

/** What a span is in the exchange, in OpenTelemetry's words. */
export type SpanKind = 'server' | 'client' | 'internal' | 'producer' | 'consumer';

/** Names follow OpenTelemetry's semantic conventions (`http.route`, `db.system.name` …); values are never personal. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

/** The part of a request's context that a trace is made of. */
export type TraceIds = Pick<RequestContext, 'traceId' | 'spanId' | 'flags'>;

export interface Span {
  /** The ids of this span; what it causes names them as its parent. */
  readonly ids: TraceIds;
  rename(name: string): void;
  set(attributes: SpanAttributes): void;
  /** @param error marks the span as failed */
  end(error?: unknown): void;
}

export interface SpanOptions {
  readonly kind: SpanKind;
  readonly attributes?: SpanAttributes;
  /** Without one the span begins a trace. */
  readonly parent?: TraceIds | undefined;
  /** Epoch milliseconds; now when left out. For what is told after it has happened. */
  readonly startedAt?: number;
}

/** Starts spans. There is one per process, or none. */
export interface Tracer {
  start(name: string, options: SpanOptions): Span;
}

const SAMPLED = 1;

let active: Tracer | undefined;

/**
 * The tracer of this process; undefined when tracing is off, which is all that tracing then costs. Like the request's
 * context it is the process's own and no parameter: every driver and client would have to hand it through.
 */
export function activeTracer(): Tracer | undefined {
  return active;
}

/** For the composition root and tests. */
export function setTracer(tracer: Tracer | undefined): void {
  active = tracer;
}

export const isSampled = ({ flags }: Pick<TraceIds, 'flags'>): boolean =>
  (Number.parseInt(flags, 16) & SAMPLED) === SAMPLED;

/** The context of now when it belongs to a trace that is recorded. */
export function sampledContext(): RequestContext | undefined {
  if (active === undefined) return undefined;
  const context = currentContext();
  return context !== undefined && isSampled(context) ? context : undefined;
}

/** A span inside the present trace; undefined when there is none, so that loops and pollers leave no traces of their own. */
export function startChild(name: string, options: Omit<SpanOptions, 'parent'>): Span | undefined {
  const parent = sampledContext();
  return parent === undefined ? undefined : active?.start(name, { ...options, parent });
}

/** Runs `fn` inside a span of the present trace, which is the parent of everything that `fn` causes. */
export async function traced<T>(
  name: string,
  options: Omit<SpanOptions, 'parent'>,
  fn: (span: Span | undefined) => Promise<T>,
): Promise<T> {
  const parent = sampledContext();
  const span = parent === undefined ? undefined : active?.start(name, { ...options, parent });
  if (parent === undefined || span === undefined) return fn(undefined);
  try {
    const result = await runWithContext({ ...parent, ...span.ids }, () => fn(span));
    span.end();
    return result;
  } catch (error) {
    span.end(error);
    throw error;
  }
}

/** The W3C `traceparent` of ids. */
export const toTraceparent = ({ traceId, spanId, flags }: TraceIds): string =>
  `00-${traceId}-${spanId}-${flags}`;
