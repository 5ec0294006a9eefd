import type { Clock } from '../../../lib/time.ts';
import { activeTracer } from '../../../lib/tracing/tracer.ts';
import type { AttemptRecord } from '../rpc/engine.ts';

/** Outcomes that are the provider's proper work, whatever they mean to the caller. */
const FINE = new Set(['ok', 'empty', 'revert']);

/**
 * Makes a span of an attempt at a provider, after the fact: attempts share HTTP requests and are cancelled, and only
 * the record of one says which call it was for. Providers never see our trace.
 */
export function traceAttempt(record: AttemptRecord, clock: Pick<Clock, 'now'>): void {
  const { work, provider, reason, units, ms, outcome } = record;
  const parent = work.trace?.parent;
  if (parent === undefined) return;
  activeTracer()
    ?.start(`${work.method} provider`, {
      kind: 'client',
      parent,
      startedAt: clock.now() - ms,
      attributes: {
        'rpc.system': 'jsonrpc',
        'rpc.method': work.method,
        'peer.service': provider.id,
        'rejuve.attempt.reason': reason,
        'rejuve.attempt.outcome': outcome,
        'rejuve.compute_units': units,
      },
    })
    .end(FINE.has(outcome) ? undefined : new Error(outcome));
}
