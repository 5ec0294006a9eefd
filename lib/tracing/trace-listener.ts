import { randomUUID } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { createContext, runWithContext } from '../context.ts';
import { openServerSpan } from './server-span.ts';
import { activeTracer, isSampled } from './tracer.ts';

const first = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value[0] : value;

/**
 * Traces a listener that sits directly on node:http. Without a tracer it is the listener itself, so that a hot path
 * pays nothing; with one, requests of traces that are not recorded pay for two identifiers.
 */
export function traceListener(listener: RequestListener, route: string): RequestListener {
  if (activeTracer() === undefined) return listener;
  return (request: IncomingMessage, response: ServerResponse) => {
    const requestId = first(request.headers['x-request-id']) ?? randomUUID();
    // The listener takes it from here, so that answer, log and trace name the same id.
    request.headers['x-request-id'] = requestId;
    const { context, span } = openServerSpan(
      createContext({
        requestId,
        traceparent: first(request.headers.traceparent),
        newId: () => requestId,
      }),
      request,
    );
    response.once('close', () => {
      span?.finish(route, response.writableFinished ? String(response.statusCode) : '499');
    });
    if (!isSampled(context)) {
      listener(request, response);
      return;
    }
    // The body's events come in the connection's context, not in that of whoever listens.
    const emit = request.emit.bind(request);
    request.emit = (...args: Parameters<typeof emit>) => runWithContext(context, () => emit(...args));
    runWithContext(context, () => listener(request, response));
  };
}
