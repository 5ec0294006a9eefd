import { performance } from 'node:perf_hooks';
import { type CallMix, callsPerRequest, requestBody } from './calls.ts';
import { createHistogram, type Histogram, type Percentiles } from './histogram.ts';
import { createHttpConnection, type HttpConnection, type Reply } from './http-connection.ts';

export interface LoadJob {
  readonly url: string;
  readonly mix: CallMix;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * Requests a second, sent on schedule whatever the answers do (open loop); latency counts from the schedule, so a
   * stalled server is charged for the requests that had to wait. Absent: each connection sends as soon as it can.
   */
  readonly ratePerSecond?: number;
  readonly connections: number;
  readonly durationMs: number;
  /** Run but not recorded. Default 0. */
  readonly warmupMs?: number;
  /** Stop after so many requests, warm-up included. */
  readonly maxRequests?: number;
  /** Record percentiles per slice of time as well. */
  readonly sliceMs?: number;
  /** After the last request was sent, so long is waited for answers. Default 15 s. */
  readonly drainMs?: number;
}

export interface LoadSlice {
  /** Milliseconds since the recording started; a request belongs to the slice it was due in. */
  readonly at: number;
  readonly ok: number;
  readonly failed: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly calls: number;
  readonly ok: number;
  readonly failed: number;
  /** By kind: `http 429`, `code -32005`, `ECONNREFUSED`, `no answer`. */
  readonly failures: Readonly<Record<string, number>>;
  /** One failed body of each kind, to read. */
  readonly examples: Readonly<Record<string, string>>;
  readonly durationMs: number;
  readonly requestsPerSecond: number;
  readonly latency: Percentiles;
  readonly failedLatency: Percentiles;
  /** How late this process itself sent: above a few ms, the machine and not the server was measured. */
  readonly lateness: Percentiles;
  readonly startedAt: number;
  readonly slices: readonly LoadSlice[];
  /** Completion of each success, ms since the recording started; only when sliced. */
  readonly successTimes: readonly number[];
}

/** Each kind of failure with its count and one example; empty when there was none. */
export function describeFailures({ failures, examples }: LoadResult): string[] {
  return Object.entries(failures).map(([kind, count]) => {
    const message = /"message":"([^"]{0,90})/.exec(examples[kind] ?? '')?.[1];
    return `${count} × ${kind}${message === undefined ? '' : ` (${message})`}`;
  });
}

interface Slice {
  ok: number;
  failed: number;
  histogram: Histogram;
}

/** The label of a failure, undefined when every call was answered with a result. */
function failureOf(reply: Reply): string | undefined {
  if ('failure' in reply) return reply.failure;
  if (reply.status !== 200) return `http ${reply.status}`;
  if (!reply.body.includes('"error"')) return reply.body.includes('"result"') ? undefined : 'no result';
  return `code ${/"code":\s*(-?\d+)/.exec(reply.body)?.[1] ?? 'unknown'}`;
}

/** The part of a failed body that tells why. */
function excerpt(body: string): string {
  const at = body.indexOf('"error"');
  return body.slice(Math.max(0, at), Math.max(0, at) + 300);
}

export async function runLoad(job: LoadJob): Promise<LoadResult> {
  const { mix, connections, durationMs, warmupMs = 0, ratePerSecond, sliceMs, drainMs = 15_000 } = job;
  const url = new URL(job.url);
  const port = Number(url.port || 80);
  const head = `POST ${url.pathname}${url.search} HTTP/1.1\r\nhost: ${url.host}\r\ncontent-type: application/json\r\n${Object.entries(
    job.headers ?? {},
  )
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}content-length: `;
  const idle: HttpConnection[] = Array.from({ length: connections }, () =>
    createHttpConnection(url.hostname, port),
  );
  const all = [...idle];
  const latency = createHistogram();
  const failedLatency = createHistogram();
  const lateness = createHistogram();
  const failures: Record<string, number> = {};
  const examples: Record<string, string> = {};
  const slices: Slice[] = [];
  const successTimes: number[] = [];
  /** Due requests that found no free connection, oldest first: their due times. */
  const waiting: number[] = [];
  let waitingFrom = 0;
  let sequence = 0;
  let pending = 0;
  let recorded = 0;
  let ok = 0;

  const started = performance.now();
  const recordFrom = started + warmupMs;
  const end = recordFrom + durationMs;
  const maxRequests = job.maxRequests ?? Number.POSITIVE_INFINITY;
  let lastDone = recordFrom;
  let finished: () => void = () => undefined;
  const done = new Promise<void>((resolve) => {
    finished = resolve;
  });
  let sendingOver = false;

  function sliceAt(due: number): Slice | undefined {
    if (sliceMs === undefined) return undefined;
    const index = Math.floor((due - recordFrom) / sliceMs);
    slices[index] ??= { ok: 0, failed: 0, histogram: createHistogram() };
    return slices[index];
  }

  function record(due: number, reply: Reply): void {
    if (due < recordFrom) return;
    const now = performance.now();
    lastDone = now;
    recorded += 1;
    const failure = failureOf(reply);
    const slice = sliceAt(due);
    slice?.histogram.record(now - due);
    if (failure === undefined) {
      ok += 1;
      latency.record(now - due);
      if (slice !== undefined) {
        slice.ok += 1;
        successTimes.push(now - recordFrom);
      }
      return;
    }
    failedLatency.record(now - due);
    if (slice !== undefined) slice.failed += 1;
    failures[failure] = (failures[failure] ?? 0) + 1;
    examples[failure] ??= 'body' in reply ? excerpt(reply.body) : reply.failure;
  }

  function launch(connection: HttpConnection, due: number): void {
    const body = requestBody(mix, sequence);
    sequence += 1;
    pending += 1;
    connection.send(`${head}${body.length}\r\n\r\n${body}`, (reply) => {
      pending -= 1;
      record(due, reply);
      next(connection);
    });
  }

  function next(connection: HttpConnection): void {
    if (ratePerSecond !== undefined) {
      if (waitingFrom < waiting.length) {
        const due = waiting[waitingFrom] as number;
        waitingFrom += 1;
        if (waitingFrom > 10_000) {
          waiting.splice(0, waitingFrom);
          waitingFrom = 0;
        }
        launch(connection, due);
        return;
      }
    } else if (performance.now() < end && sequence < maxRequests) {
      launch(connection, performance.now());
      return;
    } else sendingOver = true;
    idle.push(connection);
    if (sendingOver && pending === 0) finished();
  }

  if (ratePerSecond === undefined) {
    for (const connection of idle.splice(0)) next(connection);
  } else {
    const interval = 1_000 / ratePerSecond;
    let scheduled = 0;
    const tick = (): void => {
      const now = performance.now();
      let due = started + scheduled * interval;
      while (due <= now && due < end && scheduled < maxRequests) {
        if (due >= recordFrom) lateness.record(now - due);
        scheduled += 1;
        const connection = idle.pop();
        if (connection === undefined) waiting.push(due);
        else launch(connection, due);
        due = started + scheduled * interval;
      }
      if (due >= end || scheduled >= maxRequests) {
        sendingOver = true;
        if (pending === 0 && waitingFrom >= waiting.length) finished();
        return;
      }
      setTimeout(tick, Math.max(0, due - performance.now()));
    };
    tick();
  }

  let drained = true;
  const deadline = setTimeout(
    () => {
      drained = false;
      finished();
    },
    warmupMs + durationMs + drainMs,
  );
  await done;
  clearTimeout(deadline);
  if (!drained) failures['no answer'] = pending + (waiting.length - waitingFrom);
  for (const connection of all) connection.close();

  const tookMs = Math.max(1, lastDone - recordFrom);
  return {
    requests: recorded,
    calls: recorded * callsPerRequest(mix),
    ok,
    failed: Object.values(failures).reduce((sum, count) => sum + count, 0),
    failures,
    examples,
    durationMs: Math.round(tookMs),
    requestsPerSecond: Math.round((recorded / tookMs) * 1_000),
    latency: latency.summary(),
    failedLatency: failedLatency.summary(),
    lateness: lateness.summary(),
    startedAt: performance.timeOrigin + recordFrom,
    slices: Array.from(slices, (slice, index) => ({
      at: index * (sliceMs ?? 0),
      ok: slice?.ok ?? 0,
      failed: slice?.failed ?? 0,
      p50: slice?.histogram.percentile(0.5) ?? 0,
      p99: slice?.histogram.percentile(0.99) ?? 0,
      max: slice?.histogram.summary().max ?? 0,
    })),
    successTimes,
  };
}
