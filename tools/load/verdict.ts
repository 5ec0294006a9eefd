interface Metric {
  readonly type: string;
  readonly values: Readonly<Record<string, number>>;
  readonly thresholds?: Readonly<Record<string, { ok: boolean }>>;
}

export interface K6Summary {
  readonly metrics: Readonly<Record<string, Metric>>;
  readonly state: { readonly testRunDurationMs: number };
}

export interface VerdictRow {
  readonly what: string;
  readonly promised: string;
  readonly measured: string;
  readonly kept: boolean;
}

const SERVICE = /\{slo:(\w+)\}$/;
const NAMES: Record<string, string> = { api: 'API', user: 'user service', gateway: 'chain-gateway' };
const percent = (share: number): string => `${(share * 100).toFixed(3)} %`;

/** What was measured for one threshold expression, in words. */
function measuredFor(name: string, expression: string, { values }: Metric): string {
  if (name.startsWith('http_req_duration')) {
    const quantile = /p\([\d.]+\)/.exec(expression)?.[0] ?? 'p(99)';
    return `${quantile} ${(values[quantile] ?? Number.NaN).toFixed(1)} ms (median ${(values.med ?? 0).toFixed(1)}, max ${(values.max ?? 0).toFixed(0)})`;
  }
  if (name.startsWith('http_req_failed')) return percent(values.rate ?? Number.NaN);
  if (name === 'checks')
    return `${percent(values.rate ?? Number.NaN)} of ${(values.passes ?? 0) + (values.fails ?? 0)}`;
  return String(values.count ?? 0);
}

const WHAT: Record<string, string> = {
  http_req_duration: 'answers in time',
  http_req_failed: 'answers with an error',
  http_reqs: 'was asked at all (an empty run proves nothing)',
  checks: 'every answer is right',
};

/** k6's thresholds as rows that a person reads: what, promised, measured, kept. */
export function verdictOf(summary: K6Summary): VerdictRow[] {
  return Object.entries(summary.metrics).flatMap(([name, metric]) =>
    Object.entries(metric.thresholds ?? {}).map(([expression, { ok }]) => {
      const service = SERVICE.exec(name)?.[1];
      const base = name.replace(SERVICE, '');
      return {
        what: `${service ? `${NAMES[service] ?? service}: ` : ''}${WHAT[base] ?? base}`,
        promised: expression.replace(/</, ' < ').replace(/>/, ' > '),
        measured: measuredFor(base, expression, metric),
        kept: ok,
      };
    }),
  );
}

/** The table that `make load` ends with. */
export function verdictTable(rows: readonly VerdictRow[]): string {
  const cells = [
    ['', 'what', 'promised', 'measured'],
    ...rows.map((r) => [r.kept ? '✓' : '✗', r.what, r.promised, r.measured]),
  ];
  const widths = [0, 1, 2, 3].map((i) => Math.max(...cells.map((row) => (row[i] ?? '').length)));
  return cells
    .map((row) => `  ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')}`.trimEnd())
    .join('\n');
}
