import type { IncomingMessage } from 'node:http';
import type { RequestContext } from '../context.ts';
import { activeTracer } from './tracer.ts';

/** Asked every few seconds by machines; a trace of them tells nothing. */
const UNTRACED = new Set(['/livez', '/readyz', '/metrics']);

export interface ServerSpan {
  /** @param route the pattern, never the path: names of spans must be few */
  finish(route: string, status: string): void;
}

/**
 * The span of an incoming request. It continues the caller's trace or begins one; the context that comes back has its
 * ids, so that logs and calls to others name them. Without a tracer the context comes back as it was.
 */
export function openServerSpan(
  context: RequestContext,
  req: Pick<IncomingMessage, 'method' | 'url'>,
): { context: RequestContext; span: ServerSpan | undefined } {
  const tracer = activeTracer();
  const path = (req.url ?? '').split('?', 1)[0] ?? '';
  if (tracer === undefined || UNTRACED.has(path)) return { context, span: undefined };
  const method = req.method ?? 'GET';
  const { traceId, flags, parentSpanId } = context;
  const span = tracer.start(method, {
    kind: 'server',
    attributes: { 'http.request.method': method, 'rejuve.request_id': context.requestId },
    parent: parentSpanId === undefined ? undefined : { traceId, spanId: parentSpanId, flags },
  });
  return {
    context: { ...context, ...span.ids },
    span: {
      finish(route, status) {
        span.rename(`${method} ${route}`);
        span.set({ 'http.route': route, 'http.response.status_code': Number(status) });
        span.end(status.startsWith('5') ? new Error(`answered ${status}`) : undefined);
      },
    },
  };
}
