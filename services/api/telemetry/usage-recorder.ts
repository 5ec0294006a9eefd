import { LRUCache } from 'lru-cache';
import type { Logger } from '../../../lib/log.ts';
import type { Metrics } from '../../../lib/metrics.ts';
import type { Clock } from '../../../lib/time.ts';
import { type AnalyticsSink, pseudonymOf, type UsageEvent } from './analytics-sink.ts';
import type { LoggedRequest, UsageCount, UsageStore } from './usage-store.ts';

export interface FinishedRequest {
  readonly principal: string;
  readonly kind: 'person' | 'client' | 'anonymous';
  readonly credential: string | null;
  readonly operationId: string;
  readonly method: string;
  readonly requestId: string;
  readonly status: number;
  readonly durationMs: number;
}

const FLUSH_MS = 2_000;
/** What a burst may pile up while the database is away; beyond it the oldest analysis is lost, and counted. */
const MAX_BUFFERED = 20_000;
const OPT_OUT_TTL_MS = 10_000;

export type UsageRecorder = ReturnType<typeof createUsageRecorder>;

/** Counts requests per caller and operation, logs what changed something, and feeds analytics, all in batches. */
export function createUsageRecorder(deps: {
  store: UsageStore;
  sink: AnalyticsSink;
  secret: string;
  clock: Clock;
  log: Logger;
  metrics: Metrics;
}) {
  const { store, sink, secret, clock, log } = deps;
  let counts = new Map<string, UsageCount>();
  let logged: LoggedRequest[] = [];
  let events: { principal: string; event: UsageEvent }[] = [];
  const optedOut = new LRUCache<string, boolean>({ max: 50_000, ttl: OPT_OUT_TTL_MS });
  const lost = deps.metrics.counter({
    name: 'api_usage_lost_total',
    help: 'Usage records that could not be kept, by kind.',
    labels: ['kind'],
  });

  async function mayAnalyse(principal: string): Promise<boolean> {
    const known = optedOut.get(principal);
    if (known !== undefined) return !known;
    const out = await store.isOptedOut(principal);
    optedOut.set(principal, out);
    return !out;
  }

  function addCount(count: UsageCount): void {
    const key = `${count.principal}|${count.day}|${count.operationId}|${count.statusClass}`;
    const known = counts.get(key);
    counts.set(
      key,
      known
        ? {
            ...known,
            requests: known.requests + count.requests,
            durationMs: known.durationMs + count.durationMs,
          }
        : count,
    );
  }

  async function flush(): Promise<void> {
    const batch = { counts: [...counts.values()], logged, events };
    counts = new Map();
    logged = [];
    events = [];
    try {
      await store.addCounts(batch.counts);
    } catch (err) {
      log.warn({ err }, 'usage could not be saved; kept for the next attempt');
      for (const count of batch.counts) addCount(count);
    }
    await store.addToLog(batch.logged).catch((err: unknown) => {
      log.warn(
        { err, requests: batch.logged.length },
        'the request log could not be saved; kept for the next attempt',
      );
      logged = [...batch.logged, ...logged].slice(0, MAX_BUFFERED);
    });
    try {
      const allowed: UsageEvent[] = [];
      for (const { principal, event } of batch.events) if (await mayAnalyse(principal)) allowed.push(event);
      if (allowed.length > 0) await sink.write(allowed);
    } catch (err) {
      lost.inc({ kind: 'analytics' }, batch.events.length);
      log.info({ err, events: batch.events.length }, 'a batch of usage events was lost');
    }
  }

  let running: Promise<void> = Promise.resolve();
  const tick = clock.setInterval(() => {
    running = running.then(flush);
  }, FLUSH_MS);

  return {
    record(done: FinishedRequest): void {
      const at = new Date(clock.now());
      addCount({
        principal: done.principal,
        day: at.toISOString().slice(0, 10),
        operationId: done.operationId,
        statusClass: Math.floor(done.status / 100),
        requests: 1,
        durationMs: Math.round(done.durationMs),
      });
      const durationMs = Math.round(done.durationMs);
      if (done.method !== 'GET' && done.method !== 'HEAD') {
        if (logged.length < MAX_BUFFERED) {
          const { requestId, principal, credential, operationId, status } = done;
          logged.push({ at, requestId, principal, credential, operationId, status, durationMs });
        } else lost.inc({ kind: 'request-log' });
      }
      if (events.length >= MAX_BUFFERED) {
        lost.inc({ kind: 'analytics' });
        return;
      }
      events.push({
        principal: done.principal,
        event: {
          at,
          caller: pseudonymOf(done.principal, at, secret),
          callerKind: done.kind,
          operationId: done.operationId,
          status: done.status,
          durationMs,
        },
      });
    },
    /** An opt-out counts from now on here, and within seconds on other replicas. */
    forgetOptOut: (principal: string): void => void optedOut.delete(principal),
    flush: (): Promise<void> => {
      running = running.then(flush);
      return running;
    },
    async close(): Promise<void> {
      tick.cancel();
      running = running.then(flush);
      await running;
    },
  };
}
