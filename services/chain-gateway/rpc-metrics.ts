import type { Metrics } from '../../lib/metrics.ts';
import type { CallCache } from './cache/call-cache.ts';
import type { ChainView } from './heads/chain-view.ts';
import type { ProviderPool } from './providers/provider-pool.ts';
import type { RpcCall } from './rpc/call-path.ts';
import type { AttemptRecord } from './rpc/engine.ts';
import { isKnownMethod } from './rpc/methods.ts';
import type { RpcOutcome } from './rpc/outcome.ts';

export interface RpcMetrics {
  call(call: RpcCall, outcome: RpcOutcome, ms: number): void;
  invalid(code: number): void;
  attempt(record: AttemptRecord): void;
  breaker(provider: string, state: string): void;
  heads(view: ChainView, pool: ProviderPool): void;
  watchCache(cache: CallCache): void;
}

/** Method names come from clients: unknown ones share a label, so that nobody can fill our memory with series. */
const methodLabel = (method: string): string => (isKnownMethod(method) ? method : 'other');

/** The read path's metrics. Every label is bounded: methods of our table, configured providers, fixed words. */
export function createRpcMetrics(metrics: Metrics): RpcMetrics {
  const calls = metrics.counter({
    name: 'rpc_calls_total',
    help: 'JSON-RPC calls answered, by method, cache verdict and outcome (ok, chain error, gateway error).',
    labels: ['method', 'cache', 'outcome'],
  });
  const duration = metrics.histogram({
    name: 'rpc_call_duration_seconds',
    help: 'Time to answer one JSON-RPC call.',
    labels: ['method'],
  });
  const invalid = metrics.counter({
    name: 'rpc_invalid_requests_total',
    help: 'Bodies or batch items that are no JSON-RPC call.',
    labels: ['code'],
  });
  const attempts = metrics.counter({
    name: 'rpc_upstream_attempts_total',
    help: 'Calls sent to providers, by reason (first, retry, hedge, verify) and outcome.',
    labels: ['provider', 'reason', 'outcome'],
  });
  const upstream = metrics.histogram({
    name: 'rpc_upstream_duration_seconds',
    help: 'Time of one attempt at a provider.',
    labels: ['provider'],
  });
  const units = metrics.counter({
    name: 'rpc_compute_units_total',
    help: 'Compute units spent at providers.',
    labels: ['provider', 'reason'],
  });
  const breaker = metrics.counter({
    name: 'rpc_breaker_transitions_total',
    help: 'Breaker changes.',
    labels: ['provider', 'state'],
  });
  const head = metrics.gauge({ name: 'rpc_served_head_block', help: 'The block that latest stands for.' });
  const finalized = metrics.gauge({
    name: 'rpc_served_finalized_block',
    help: 'The block that finalized stands for.',
  });
  const providerHead = metrics.gauge({
    name: 'rpc_provider_head_block',
    help: 'Head of each provider.',
    labels: ['provider'],
  });
  const providerUp = metrics.gauge({
    name: 'rpc_provider_usable',
    help: '1 when the provider gets regular traffic.',
    labels: ['provider'],
  });
  const providerLimit = metrics.gauge({
    name: 'rpc_provider_rate_limit',
    help: 'Declared or learned calls per second; -1 when unlimited.',
    labels: ['provider'],
  });

  return {
    call(call, outcome, ms) {
      const method = methodLabel(call.method);
      const result = outcome.ok ? 'ok' : isChainAnswer(outcome.code) ? 'chain-error' : 'gateway-error';
      calls.inc({ method, cache: call.cache, outcome: result });
      duration.observe({ method }, ms / 1_000);
    },
    invalid: (code) => invalid.inc({ code: String(code) }),
    attempt({ provider, reason, outcome, units: spent, ms }) {
      attempts.inc({ provider: provider.id, reason, outcome });
      upstream.observe({ provider: provider.id }, ms / 1_000);
      units.inc({ provider: provider.id, reason }, spent);
    },
    breaker: (provider, state) => breaker.inc({ provider, state }),
    heads(view, pool) {
      head.set(view.head() ?? 0);
      finalized.set(view.finalized() ?? 0);
      for (const { provider, excluded } of pool.ranking()) {
        providerHead.set({ provider: provider.id }, provider.head?.number ?? 0);
        providerUp.set({ provider: provider.id }, excluded === undefined ? 1 : 0);
        const rate = provider.rateLimit.rate();
        providerLimit.set({ provider: provider.id }, Number.isFinite(rate) ? rate : -1);
      }
    },
    watchCache(cache) {
      metrics.gauge({
        name: 'rpc_cache_bytes',
        help: 'Bytes held by the in-process cache.',
        collect: (gauge) => gauge.set(cache.stats().bytes),
      });
      metrics.gauge({
        name: 'rpc_cache_entries',
        help: 'Entries in the in-process cache.',
        collect: (gauge) => gauge.set(cache.stats().entries),
      });
      metrics.gauge({
        name: 'rpc_cache_evictions',
        help: 'Entries dropped since the start, by cause.',
        labels: ['cause'],
        collect(gauge) {
          gauge.set({ cause: 'full' }, cache.stats().evictions);
          gauge.set({ cause: 'reorg' }, cache.stats().reorgEvictions);
        },
      });
    },
  };
}

/** Errors that the chain itself gave; everything else counts against our own error rate. */
function isChainAnswer(code: number): boolean {
  return (
    code === 3 || code === -32003 || code === -32601 || code === -32602 || code === -32600 || code === -32012
  );
}
