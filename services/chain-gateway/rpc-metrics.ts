import type { Metrics } from '../../lib/metrics.ts';
import { DURATION_BUCKETS } from '../../lib/slo/buckets.ts';
import type { CallCache } from './cache/call-cache.ts';
import type { ChainView } from './heads/chain-view.ts';
import { createHotCounter, createHotHistogram, type HotSeries, type Slot } from './hot-metrics.ts';
import type { CapacityQueue } from './providers/capacity-queue.ts';
import { PRIORITIES } from './providers/priority-classes.ts';
import type { ProviderPool } from './providers/provider-pool.ts';
import type { RpcCall } from './rpc/call-path.ts';
import type { AttemptRecord } from './rpc/engine.ts';
import type { RpcPriority } from './rpc/ethereum-rpc.ts';
import { isKnownMethod } from './rpc/methods.ts';
import type { RpcOutcome } from './rpc/outcome.ts';

export interface RpcMetrics {
  call(call: RpcCall, outcome: RpcOutcome, ms: number): void;
  invalid(code: number): void;
  attempt(record: AttemptRecord): void;
  breaker(provider: string, state: string): void;
  heads(view: ChainView, pool: ProviderPool): void;
  watchCache(cache: CallCache): void;
  leftQueue(priority: RpcPriority, waitedMs: number, refused: string | undefined): void;
  watchQueue(queue: CapacityQueue): void;
}

/** Method names come from clients: unknown ones share a label, so that nobody can fill our memory with series. */
const methodLabel = (method: string): string => (isKnownMethod(method) ? method : 'other');

/** The read path's metrics. Every label is bounded: methods of our table, configured providers, fixed words. */
export function createRpcMetrics(metrics: Metrics): RpcMetrics {
  const calls = createHotCounter(metrics, {
    name: 'rpc_calls_total',
    help: 'JSON-RPC calls answered, by method, cache verdict and outcome (ok, chain error, gateway error).',
    labels: ['method', 'cache', 'outcome'],
  });
  const duration = createHotHistogram(metrics, {
    name: 'rpc_call_duration_seconds',
    help: 'Time to answer one JSON-RPC call.',
    label: 'method',
    buckets: DURATION_BUCKETS,
  });
  const invalid = metrics.counter({
    name: 'rpc_invalid_requests_total',
    help: 'Bodies or batch items that are no JSON-RPC call.',
    labels: ['code'],
  });
  const attempts = createHotCounter(metrics, {
    name: 'rpc_upstream_attempts_total',
    help: 'Calls sent to providers, by reason (first, retry, hedge, verify) and outcome.',
    labels: ['provider', 'reason', 'outcome'],
  });
  const upstream = createHotHistogram(metrics, {
    name: 'rpc_upstream_duration_seconds',
    help: 'Time of one attempt at a provider.',
    label: 'provider',
    buckets: DURATION_BUCKETS,
  });
  const units = createHotCounter(metrics, {
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

  const providerConcurrency = metrics.gauge({
    name: 'rpc_provider_concurrency_limit',
    help: 'Calls that a provider gets at once, learned from its answer times.',
    labels: ['provider'],
  });
  const providerInFlight = metrics.gauge({
    name: 'rpc_provider_in_flight',
    help: 'Calls under way at a provider.',
    labels: ['provider'],
  });
  const waited = createHotHistogram(metrics, {
    name: 'rpc_queue_wait_seconds',
    help: 'Time that a call waited for room at a provider before it was sent; calls that did not wait are not in it.',
    label: 'priority',
    buckets: DURATION_BUCKETS,
  });
  const refusals = createHotCounter(metrics, {
    name: 'rpc_queue_refusals_total',
    help: 'Calls refused for want of room: they could not make their deadline, would wait too long, found the queue full, or were shed.',
    labels: ['priority', 'reason'],
  });

  /** Slots of a method, by verdict and outcome. */
  const byMethod = new Map<string, { series: HotSeries; slots: Map<string, Slot> }>();
  const byProvider = new Map<
    string,
    { series: HotSeries; attempts: Map<string, Slot>; units: Map<string, Slot> }
  >();

  return {
    call(call, outcome, ms) {
      const method = methodLabel(call.method);
      let own = byMethod.get(method);
      if (own === undefined) {
        own = { series: duration.series(method), slots: new Map() };
        byMethod.set(method, own);
      }
      const result = outcome.ok ? 'ok' : isChainAnswer(outcome.code) ? 'chain-error' : 'gateway-error';
      // The usual outcome is looked up by the verdict alone: no string is built for it.
      const key = outcome.ok ? call.cache : `${call.cache} ${result}`;
      let slot = own.slots.get(key);
      if (slot === undefined) {
        slot = calls.slot(method, call.cache, result);
        own.slots.set(key, slot);
      }
      slot.value++;
      own.series.observe(ms / 1_000, call.trace?.parent);
    },
    invalid: (code) => invalid.inc({ code: String(code) }),
    attempt({ provider, reason, outcome, units: spent, ms }) {
      let own = byProvider.get(provider.id);
      if (own === undefined) {
        own = { series: upstream.series(provider.id), attempts: new Map(), units: new Map() };
        byProvider.set(provider.id, own);
      }
      const key = outcome === 'ok' ? reason : `${reason} ${outcome}`;
      let attempt = own.attempts.get(key);
      if (attempt === undefined) {
        attempt = attempts.slot(provider.id, reason, outcome);
        own.attempts.set(key, attempt);
      }
      attempt.value++;
      let unit = own.units.get(reason);
      if (unit === undefined) {
        unit = units.slot(provider.id, reason);
        own.units.set(reason, unit);
      }
      unit.value += spent;
      own.series.observe(ms / 1_000);
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
        providerConcurrency.set({ provider: provider.id }, provider.concurrency.limit());
        providerInFlight.set({ provider: provider.id }, provider.inFlight);
      }
    },
    leftQueue(priority, waitedMs, refused) {
      if (refused === undefined) waited.series(priority).observe(waitedMs / 1_000);
      else refusals.slot(priority, refused).value++;
    },
    watchQueue(queue) {
      metrics.gauge({
        name: 'rpc_queue_calls',
        help: 'Calls that wait for room at a provider, by class.',
        labels: ['priority'],
        collect(gauge) {
          for (const priority of PRIORITIES) gauge.set({ priority }, queue.waiting(priority));
        },
      });
      metrics.gauge({
        name: 'rpc_queue_bytes',
        help: 'Memory that waiting calls hold, roughly.',
        collect: (gauge) => gauge.set(queue.bytes()),
      });
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
