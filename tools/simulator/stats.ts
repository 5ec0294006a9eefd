import type { Clock } from '../../lib/time.ts';

/** Seconds of history kept for "when did traffic stop?". */
const HISTORY_SECONDS = 600;
/** Calls remembered with their parameters, newest last, when recording is on. */
const RECORDED_CALLS = 1_000;

export interface RecordedCall {
  readonly at: number;
  readonly method: string;
  readonly params: unknown;
  readonly transport: 'http' | 'ws';
}

export interface StatsSnapshot {
  readonly since: number;
  readonly calls: number;
  readonly byMethod: Readonly<Record<string, number>>;
  /** HTTP exchanges and WebSocket messages that carried calls. */
  readonly exchanges: number;
  readonly batches: number;
  readonly maxBatch: number;
  readonly inFlight: number;
  readonly maxInFlight: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly malformed: number;
  /** Callers that hung up before they were answered (cancelled hedges, timeouts). */
  readonly abandoned: number;
  readonly connections: { readonly open: number; readonly opened: number };
  readonly webSockets: { readonly open: number; readonly opened: number; readonly subscriptions: number };
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Calls in each second that had any, oldest first; `second` is epoch seconds. */
  readonly perSecond: readonly { readonly second: number; readonly calls: number }[];
  readonly lastCallAt: number | null;
}

export interface Stats {
  exchange(
    methods: readonly string[],
    transport: 'http' | 'ws',
    bytes: number,
    params: readonly unknown[],
  ): void;
  /** `delta` is +1 when an exchange starts and −1 when it ends. */
  flight(delta: 1 | -1): void;
  fault(type: string): void;
  malformed(): void;
  abandoned(): void;
  sent(bytes: number): void;
  connection(delta: 1 | -1): void;
  webSocket(delta: 1 | -1): void;
  subscription(delta: number): void;
  snapshot(): StatsSnapshot;
  recorded(): readonly RecordedCall[];
  reset(): void;
}

export function createStats(deps: { clock: Clock; record?: boolean }): Stats {
  const { clock, record = false } = deps;
  let since = clock.now();
  let byMethod = new Map<string, number>();
  let faults = new Map<string, number>();
  let perSecond = new Map<number, number>();
  let calls: RecordedCall[] = [];
  let lastCallAt: number | null = null;
  let totals = {
    calls: 0,
    exchanges: 0,
    batches: 0,
    maxBatch: 0,
    maxInFlight: 0,
    malformed: 0,
    abandoned: 0,
    bytesIn: 0,
    bytesOut: 0,
    opened: 0,
    socketsOpened: 0,
  };
  // What is open now survives a reset of the counters.
  let inFlight = 0;
  let open = 0;
  let socketsOpen = 0;
  let subscriptions = 0;

  return {
    exchange(methods, transport, bytes, params) {
      const now = clock.now();
      totals.exchanges += 1;
      totals.calls += methods.length;
      totals.bytesIn += bytes;
      if (methods.length > 1) totals.batches += 1;
      if (methods.length > totals.maxBatch) totals.maxBatch = methods.length;
      for (const method of methods) byMethod.set(method, (byMethod.get(method) ?? 0) + 1);
      lastCallAt = now;
      const second = Math.floor(now / 1_000);
      const inThisSecond = perSecond.get(second);
      if (inThisSecond === undefined && perSecond.size >= HISTORY_SECONDS)
        perSecond.delete(perSecond.keys().next().value as number);
      perSecond.set(second, (inThisSecond ?? 0) + methods.length);
      if (!record) return;
      for (const [index, method] of methods.entries())
        calls.push({ at: now, method, params: params[index], transport });
      if (calls.length > RECORDED_CALLS * 2) calls = calls.slice(-RECORDED_CALLS);
    },
    flight(delta) {
      inFlight += delta;
      if (inFlight > totals.maxInFlight) totals.maxInFlight = inFlight;
    },
    fault: (type) => void faults.set(type, (faults.get(type) ?? 0) + 1),
    malformed() {
      totals.malformed += 1;
    },
    abandoned() {
      totals.abandoned += 1;
    },
    sent(bytes) {
      totals.bytesOut += bytes;
    },
    connection(delta) {
      open += delta;
      if (delta === 1) totals.opened += 1;
    },
    webSocket(delta) {
      socketsOpen += delta;
      if (delta === 1) totals.socketsOpened += 1;
    },
    subscription(delta) {
      subscriptions += delta;
    },
    snapshot: () => ({
      since,
      calls: totals.calls,
      byMethod: Object.fromEntries(byMethod),
      exchanges: totals.exchanges,
      batches: totals.batches,
      maxBatch: totals.maxBatch,
      inFlight,
      maxInFlight: totals.maxInFlight,
      faults: Object.fromEntries(faults),
      malformed: totals.malformed,
      abandoned: totals.abandoned,
      connections: { open, opened: totals.opened },
      webSockets: { open: socketsOpen, opened: totals.socketsOpened, subscriptions },
      bytesIn: totals.bytesIn,
      bytesOut: totals.bytesOut,
      perSecond: [...perSecond].map(([second, count]) => ({ second, calls: count })),
      lastCallAt,
    }),
    recorded: () => calls.slice(-RECORDED_CALLS),
    reset() {
      since = clock.now();
      byMethod = new Map();
      faults = new Map();
      perSecond = new Map();
      calls = [];
      lastCallAt = null;
      totals = {
        calls: 0,
        exchanges: 0,
        batches: 0,
        maxBatch: 0,
        maxInFlight: inFlight,
        malformed: 0,
        abandoned: 0,
        bytesIn: 0,
        bytesOut: 0,
        opened: 0,
        socketsOpened: 0,
      };
    },
  };
}
