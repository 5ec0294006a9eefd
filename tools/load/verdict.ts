import type { PromiseNumber } from '../../lib/slo/objective.ts';
import type { ServerSide } from './server-side.ts';

interface Metric {
  readonly type: string;
  readonly values: Readonly<Record<string, number>>;
  readonly thresholds?: Readonly<Record<string, { ok: boolean }>>;
}

/** What k6 hands to handleSummary. */
export interface K6Summary {
  readonly metrics: Readonly<Record<string, Metric>>;
  readonly state: { readonly testRunDurationMs: number };
}

export interface VerdictRow {
  /** The acceptance criterion that it is about; none for what is only about the run. */
  readonly promise: PromiseNumber | undefined;
  readonly what: string;
  readonly promised: string;
  readonly measured: string;
  /** On how many events the measurement stands. */
  readonly samples: number;
  readonly kept: boolean;
}

const TAG = /\{slo:(\w+)\}$/;
const NAMES: Record<string, string> = { api: 'API', user: 'user service', rpc: 'JSON-RPC' };
const percent = (share: number): string => `${(share * 100).toFixed(3)} %`;
const milliseconds = (value = Number.NaN): string => `${value.toFixed(1)} ms`;

/** k6 metric → promise, words, and the counter that says how many samples there are. */
const KNOWN: Record<string, { promise?: PromiseNumber; what: string; samples?: string }> = {
  http_req_duration: { promise: 3, what: 'answers in time', samples: 'http_reqs' },
  http_req_failed: { promise: 5, what: 'answers with an error', samples: 'http_reqs' },
  http_reqs: { what: 'was asked at all (an empty run proves nothing)', samples: 'http_reqs' },
  checks: { what: 'every answer is right' },
  rpc_failed: { promise: 5, what: 'JSON-RPC: errors of ours', samples: 'http_reqs{slo:rpc}' },
  transactions_succeeded: {
    promise: 2,
    what: 'transactions reach a block and succeed',
    samples: 'transactions_decided',
  },
  transactions_decided: { promise: 2, what: 'transactions were asked for', samples: 'transactions_decided' },
  notified: {
    promise: 4,
    what: 'every transfer is notified on the open stream',
    samples: 'notifications_expected',
  },
  notification_delay: {
    promise: 4,
    what: 'from the block to the open stream',
    samples: 'notifications_expected',
  },
  notifications_expected: {
    promise: 4,
    what: 'transfers to people who listen',
    samples: 'notifications_expected',
  },
  websocket_failed: { promise: 1, what: 'subscriptions that heard nothing', samples: 'websocket_heads' },
  websocket_heads: { promise: 1, what: 'heads were pushed', samples: 'websocket_heads' },
};

function measuredFor(metric: Metric, expression: string): string {
  const { values, type } = metric;
  if (type === 'trend') {
    const quantile = /p\([\d.]+\)/.exec(expression)?.[0] ?? 'p(99)';
    return `${quantile} ${milliseconds(values[quantile])} (median ${milliseconds(values.med)}, max ${milliseconds(values.max)})`;
  }
  if (type === 'rate') return percent(values.rate ?? Number.NaN);
  return String(values.count ?? 0);
}

const countOf = (summary: K6Summary, name: string | undefined, metric: Metric): number => {
  if (name === undefined) return (metric.values.passes ?? 0) + (metric.values.fails ?? 0);
  return summary.metrics[name]?.values.count ?? 0;
};

/** k6's own thresholds as rows. A ratio without samples is never kept, whatever k6 says. */
function thresholdRows(summary: K6Summary): VerdictRow[] {
  return Object.entries(summary.metrics).flatMap(([name, metric]) => {
    const tag = TAG.exec(name)?.[1];
    const base = name.replace(TAG, '');
    const known = KNOWN[base];
    if (known === undefined) return [];
    const counter =
      known.samples && tag && known.samples === 'http_reqs' ? `http_reqs{slo:${tag}}` : known.samples;
    const samples = countOf(summary, counter, metric);
    // JSON-RPC answers in time are promise 1; REST answers are promise 3.
    const promise = base === 'http_req_duration' && tag === 'rpc' ? 1 : known.promise;
    return Object.entries(metric.thresholds ?? {}).map(([expression, { ok }]) => ({
      promise,
      what: tag ? `${NAMES[tag] ?? tag}: ${known.what}` : known.what,
      promised: expression.replace(/([<>]=?)/, ' $1 '),
      measured: measuredFor(metric, expression),
      samples,
      kept: ok && samples > 0,
    }));
  });
}

/** Share of the calls that each of 256 callers must get through, compared with one that is alone. */
const LEAST_SHARE = 0.9;
const CONCURRENT = /^http_reqs\{concurrency:(\d+)\}$/;

/** Promise 1 in one line: each of many callers gets as much as one alone, at the same pace. */
function concurrencyRows(summary: K6Summary): VerdictRow[] {
  const steps = Object.entries(summary.metrics)
    .flatMap(([name, { values }]) => {
      const at = CONCURRENT.exec(name)?.[1];
      return at === undefined ? [] : [{ at: Number(at), count: values.count ?? 0 }];
    })
    .sort((a, b) => a.at - b.at);
  const [first, last] = [steps[0], steps.at(-1)];
  if (!first || !last) return [];
  // All steps last equally long and every caller calls once a second.
  const share = last.count / last.at / first.count;
  const p99 = (at: number): string =>
    milliseconds(summary.metrics[`http_req_duration{concurrency:${at}}`]?.values['p(99)']);
  return [
    {
      promise: 1,
      what: `each of ${last.at} callers at once gets as much as one alone`,
      promised: `>= ${LEAST_SHARE * 100} % of its calls`,
      measured: `${(share * 100).toFixed(0)} %; p(99) ${steps.map(({ at }) => `${at}: ${p99(at)}`).join(', ')}`,
      samples: steps.reduce((sum, { count }) => sum + count, 0),
      kept: first.count > 0 && share >= LEAST_SHARE,
    },
  ];
}

/** The load itself: the promise speaks of 1,000 requests a minute, so they must have been sent. */
function rateRows(summary: K6Summary, perMinute: number | undefined, seconds: number): VerdictRow[] {
  if (perMinute === undefined) return [];
  const sent = ['api', 'user'].reduce(
    (sum, service) => sum + (summary.metrics[`http_reqs{slo:${service}}`]?.values.count ?? 0),
    0,
  );
  const rate = (sent / seconds) * 60;
  return [
    {
      promise: 3,
      what: 'the peak was really offered',
      promised: `>= ${perMinute} requests a minute`,
      measured: `${rate.toFixed(0)} a minute for ${seconds} s`,
      samples: sent,
      // The generator starts and ends between two requests.
      kept: rate >= perMinute * 0.99,
    },
  ];
}

/** What the services counted themselves; k6 cannot see a retry that hid an error, nor a notification nobody expected. */
function serverRows(server: ServerSide): VerdictRow[] {
  const rows: VerdictRow[] = [];
  for (const [name, { errors, all }] of Object.entries(server.http)) {
    if (all === 0) continue;
    rows.push({
      promise: 5,
      what: `${name}: errors by its own count`,
      promised: 'rate < 0.001',
      measured: `${percent(errors / all)} (${errors})`,
      samples: all,
      kept: errors / all < 0.001,
    });
  }
  if (server.included.all > 0) {
    const { reverted, all } = server.included;
    rows.push({
      promise: 2,
      what: 'inclusions that reverted, by the worker’s count',
      promised: 'success > 0.995',
      measured: `${percent((all - reverted) / all)} succeeded`,
      samples: all,
      kept: (all - reverted) / all > 0.995,
    });
  }
  if (server.missing !== undefined)
    rows.push({
      promise: 4,
      what: 'notifications missing by the reconciler',
      promised: '0',
      measured: String(server.missing),
      samples: 1,
      kept: server.missing === 0,
    });
  const { all, complete, slowestMs } = server.looks;
  rows.push({
    promise: 6,
    what: 'every process showed its metrics at every look',
    promised: 'within 2 s',
    measured: `${complete} of ${all} looks, slowest ${milliseconds(slowestMs)}`,
    samples: all,
    // One look that was cut short by the end of the run is no blindness.
    kept: all > 1 && complete / all >= 0.999,
  });
  if (server.undocumented !== undefined)
    rows.push({
      promise: 7,
      what: 'every route that was asked stands in an OpenAPI 3.1 document',
      promised: 'all',
      measured: server.undocumented.length === 0 ? 'all' : `not: ${server.undocumented.join(', ')}`,
      samples: server.documentedRoutes,
      kept: server.undocumented.length === 0 && server.documentedRoutes > 0,
    });
  return rows;
}

/** What each scenario must be able to say something about. */
const EXPECTED: Readonly<Record<string, readonly PromiseNumber[]>> = {
  peak: [1, 2, 3, 4, 5, 6, 7],
  concurrency: [1, 5],
  transactions: [2, 5],
  notifications: [2, 4, 5],
  websocket: [1],
};
const USUAL: readonly PromiseNumber[] = [3, 5];

const expectedOf = (scenario: string): readonly PromiseNumber[] => EXPECTED[scenario] ?? USUAL;

/** A promise about which the run says nothing at all is not kept: silence is how an empty run would pass. */
function silentRows(scenario: string | undefined, rows: readonly VerdictRow[]): VerdictRow[] {
  if (scenario === undefined) return [];
  return expectedOf(scenario)
    .filter((promise) => !rows.some((row) => row.promise === promise && row.samples > 0))
    .map((promise) => ({
      promise,
      what: 'was measured at all',
      promised: 'some samples',
      measured: 'none',
      samples: 0,
      kept: false,
    }));
}

export interface VerdictInput {
  /** Says which promises must have been measured. */
  readonly scenario?: string;
  readonly summary: K6Summary;
  readonly server?: ServerSide | undefined;
  /** Requests a minute that the scenario promises to send, and for how long; of the peak only. */
  readonly offered?: { readonly perMinute: number; readonly seconds: number } | undefined;
}

/** Every row of the verdict: promise → measured → kept? */
export function verdictOf({ scenario, summary, server, offered }: VerdictInput): VerdictRow[] {
  const rows = [
    ...thresholdRows(summary),
    ...concurrencyRows(summary),
    ...rateRows(summary, offered?.perMinute, offered?.seconds ?? 1),
    ...(server === undefined ? [] : serverRows(server)),
    // What the reconciler finds is about transfers; a run without any proves nothing by it.
  ].filter(({ promise }) => promise !== 4 || scenario === undefined || expectedOf(scenario).includes(4));
  rows.push(...silentRows(scenario, rows));
  return rows.sort((a, b) => (a.promise ?? 9) - (b.promise ?? 9));
}

export const PROMISES: Readonly<Record<PromiseNumber, string>> = {
  1: 'Concurrent calls without degradation',
  2: 'More than 99.5 % of transactions succeed',
  3: '1,000 requests a minute, answered under 500 ms',
  4: 'Every token transaction is notified',
  5: 'Error rates of all services below 0.1 %',
  6: 'Monitoring shows health in real time',
  7: 'All APIs are documented with OpenAPI',
};

export interface PromiseVerdict {
  readonly promise: PromiseNumber;
  readonly title: string;
  readonly kept: boolean | undefined;
  readonly rows: readonly VerdictRow[];
}

/** One line per promise; `kept` is undefined for what this scenario does not measure. */
export function promisesOf(rows: readonly VerdictRow[]): PromiseVerdict[] {
  return (Object.keys(PROMISES).map(Number) as PromiseNumber[]).map((promise) => {
    const own = rows.filter((row) => row.promise === promise);
    return {
      promise,
      title: PROMISES[promise],
      kept: own.length === 0 ? undefined : own.every((row) => row.kept),
      rows: own,
    };
  });
}

function columns(cells: readonly (readonly string[])[]): string {
  const widths = (cells[0] ?? []).map((_, i) => Math.max(...cells.map((row) => (row[i] ?? '').length)));
  return cells
    .map((row) => `  ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')}`.trimEnd())
    .join('\n');
}

/** The two tables that `make load` ends with: each measurement, then promise → kept? */
export function verdictTable(rows: readonly VerdictRow[]): string {
  const details = columns([
    ['', '', 'what', 'promised', 'measured', 'samples'],
    ...rows.map((r) => [
      r.kept ? '✓' : '✗',
      r.promise === undefined ? '–' : String(r.promise),
      r.what,
      r.promised,
      r.measured,
      String(r.samples),
    ]),
  ]);
  const promises = columns([
    ['', 'promise', 'kept?'],
    ...promisesOf(rows).map(({ promise, title, kept }) => [
      String(promise),
      title,
      kept === undefined ? 'not measured by this scenario' : kept ? 'kept' : 'BROKEN',
    ]),
  ]);
  return `${details}\n\n${promises}`;
}
