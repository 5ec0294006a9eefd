import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';

/** What a request carries through every log line and every call that it causes. */
export interface RequestContext {
  /** The id a client quotes to support; also the `x-request-id` header. */
  readonly requestId: string;
  /** W3C Trace Context trace id, 32 hex characters. */
  readonly traceId: string;
  /** The id of our own span, 16 hex characters. */
  readonly spanId: string;
  /** Trace flags, 2 hex characters. */
  readonly flags: string;
  /** The caller's span, when it sent a `traceparent`. */
  readonly parentSpanId?: string;
}

const storage = new AsyncLocalStorage<RequestContext>();

/** `version-traceid-parentid-flags`, https://www.w3.org/TR/trace-context/#traceparent-header */
const TRACEPARENT =
  /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;
/** What we accept as a caller's request id: printable, short, safe in a log line and a header. */
const REQUEST_ID = /^[A-Za-z0-9._:-]{8,128}$/;

/** Builds the context of an incoming request; a malformed `traceparent` or `x-request-id` is replaced. */
export function createContext(incoming: {
  requestId?: string | undefined;
  traceparent?: string | undefined;
  newId: () => string;
}): RequestContext {
  const trace = incoming.traceparent ? TRACEPARENT.exec(incoming.traceparent) : null;
  return {
    requestId:
      incoming.requestId && REQUEST_ID.test(incoming.requestId) ? incoming.requestId : incoming.newId(),
    traceId: trace?.[1] ?? randomBytes(16).toString('hex'),
    spanId: randomBytes(8).toString('hex'),
    // Whoever begins a trace decides whether it is recorded; we do not until a tracer says so.
    flags: trace?.[3] ?? '00',
    ...(trace?.[2] === undefined ? {} : { parentSpanId: trace[2] }),
  };
}

/** Runs `fn` (and everything it awaits) with `context`. */
export function runWithContext<T>(context: RequestContext, fn: () => T): T {
  return storage.run(context, fn);
}

/** The context of the request being handled, if any. */
export function currentContext(): RequestContext | undefined {
  return storage.getStore();
}

/** The headers that hand the context on to the next service. */
export function contextHeaders(context = currentContext()): Record<string, string> {
  if (!context) return {};
  return {
    'x-request-id': context.requestId,
    traceparent: `00-${context.traceId}-${context.spanId}-${context.flags}`,
  };
}
