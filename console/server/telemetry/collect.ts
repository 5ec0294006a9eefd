import { AppError } from '../../../lib/errors.ts';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import type { Clock } from '../../../lib/time.ts';
import { createAttempts } from '../access/attempts.ts';
import { faroPayload } from './faro-payload.ts';
import type { Forwarder } from './forward.ts';
import type { WebMetrics } from './web-metrics.ts';

/** A page sends a body every few seconds; a whole office behind one address sends some hundred a minute. */
const BODIES_PER_MINUTE = 300;
/** From everybody together: what one process should spend on telemetry. */
const BODIES_PER_MINUTE_IN_ALL = 3_000;
const WINDOW_MS = 60_000;

/** Receives what the Faro Web SDK sends. Open to everybody who can see the page, also before they sign in. */
export function collectRoute(deps: { metrics: WebMetrics; forwarder: Forwarder; clock: Clock }): Route {
  const { metrics, forwarder, clock } = deps;
  const byAddress = createAttempts({ clock, limit: BODIES_PER_MINUTE, windowMs: WINDOW_MS });
  const inAll = createAttempts({ clock, limit: BODIES_PER_MINUTE_IN_ALL, windowMs: WINDOW_MS });
  return defineRoute({
    method: 'post',
    path: '/collect',
    operationId: 'collectTelemetry',
    summary: 'Errors, web vitals and traces of browsers (Faro)',
    tags: ['telemetry'],
    auth: ['public'],
    body: faroPayload,
    responses: { 202: { description: 'Counted, and forwarded when that is configured' } },
    errors: ['rate_limited', 'forbidden'],
    handler({ body, req }) {
      const wait = Math.max(byAddress.take(req.socket.remoteAddress ?? ''), inAll.take('all'));
      if (wait > 0) {
        throw new AppError('rate_limited', `Too much telemetry; wait ${wait} seconds.`, {
          retryAfterSeconds: wait,
        });
      }
      metrics.observe(body);
      forwarder.send(body);
      return reply(202);
    },
  });
}
