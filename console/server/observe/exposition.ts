/** One sample of a metric. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Samples by metric name. */
export type Samples = ReadonlyMap<string, readonly Sample[]>;

const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g;
const ESCAPES: Record<string, string> = { n: '\n', '"': '"', '\\': '\\' };

function numberOf(text: string): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY;
  if (text === '-Inf') return Number.NEGATIVE_INFINITY;
  return Number(text);
}

/** Where the labels end; a brace may stand inside a quoted value. */
function closingBrace(line: string, from: number): number {
  let quoted = false;
  for (let i = from; i < line.length; i++) {
    const c = line[i];
    if (c === '\\') i++;
    else if (c === '"') quoted = !quoted;
    else if (c === '}' && !quoted) return i;
  }
  return -1;
}

/**
 * Reads Prometheus' text format and OpenMetrics (whose exemplars are left out).
 * @param wanted names to keep; a process exposes hundreds that nobody here looks at
 */
export function parseExposition(text: string, wanted: (name: string) => boolean = () => true): Samples {
  const found = new Map<string, Sample[]>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const end = line.search(/[{ ]/);
    if (end < 1) continue;
    const name = line.slice(0, end);
    if (!wanted(name)) continue;
    const labels: Record<string, string> = {};
    let rest = line.slice(end);
    if (line[end] === '{') {
      const close = closingBrace(line, end + 1);
      if (close < 0) continue;
      for (const [, key = '', raw = ''] of line.slice(end + 1, close).matchAll(LABEL))
        labels[key] = raw.replace(/\\(.)/g, (_, c: string) => ESCAPES[c] ?? c);
      rest = line.slice(close + 1);
    }
    const value = numberOf(rest.trim().split(/\s+/, 1)[0] ?? '');
    if (Number.isNaN(value)) continue;
    const list = found.get(name);
    if (list) list.push({ labels, value });
    else found.set(name, [{ labels, value }]);
  }
  return found;
}

/** The matchers of a selector: `service="user",route!~"/livez|/metrics"`, as lib/slo writes them. */
export function matcherOf(selector: string): (labels: Readonly<Record<string, string>>) => boolean {
  const tests = [...selector.matchAll(/([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"/g)].map(
    ([, name = '', operator, raw = '']) => {
      const value = raw.replace(/\\(.)/g, (_, c: string) => ESCAPES[c] ?? c);
      const pattern = operator === '=~' || operator === '!~' ? new RegExp(`^(?:${value})$`) : undefined;
      const wanted = operator === '=' || operator === '=~';
      return (labels: Readonly<Record<string, string>>): boolean => {
        const actual = labels[name] ?? '';
        return (pattern === undefined ? actual === value : pattern.test(actual)) === wanted;
      };
    },
  );
  return (labels) => tests.every((test) => test(labels));
}

/** The sum of the samples that match; undefined when there is none. */
export function sumOf(samples: Samples, metric: string, selector = ''): number | undefined {
  const matches = matcherOf(selector);
  let sum: number | undefined;
  for (const sample of samples.get(metric) ?? []) if (matches(sample.labels)) sum = (sum ?? 0) + sample.value;
  return sum;
}

/** The largest of the samples that match; undefined when there is none. */
export function maxOf(samples: Samples, metric: string, selector = ''): number | undefined {
  const matches = matcherOf(selector);
  let max: number | undefined;
  for (const sample of samples.get(metric) ?? [])
    if (matches(sample.labels) && (max === undefined || sample.value > max)) max = sample.value;
  return max;
}

/** Sums per value of one label. */
export function sumBy(
  samples: Samples,
  metric: string,
  label: string,
  selector = '',
): Record<string, number> {
  const matches = matcherOf(selector);
  const sums: Record<string, number> = {};
  for (const sample of samples.get(metric) ?? []) {
    if (!matches(sample.labels)) continue;
    const key = sample.labels[label] ?? '';
    sums[key] = (sums[key] ?? 0) + sample.value;
  }
  return sums;
}

/** Cumulative counts by upper bound, summed over everything that matches. */
export function bucketsOf(samples: Samples, histogram: string, selector = ''): Map<number, number> {
  const matches = matcherOf(selector);
  const buckets = new Map<number, number>();
  for (const { labels, value } of samples.get(`${histogram}_bucket`) ?? []) {
    if (!matches(labels)) continue;
    const bound = numberOf(labels.le ?? '');
    buckets.set(bound, (buckets.get(bound) ?? 0) + value);
  }
  return new Map([...buckets].sort(([a], [b]) => a - b));
}

/**
 * The quantile of what came between two readings of a histogram, by linear interpolation inside its bucket, as
 * `histogram_quantile` does; undefined when nothing came.
 */
export function quantileBetween(
  before: ReadonlyMap<number, number> | undefined,
  after: ReadonlyMap<number, number>,
  q: number,
): number | undefined {
  const counts = [...after].map(
    ([bound, count]) => [bound, Math.max(0, count - (before?.get(bound) ?? 0))] as const,
  );
  const total = counts.at(-1)?.[1] ?? 0;
  if (total <= 0) return undefined;
  const rank = q * total;
  let low = 0;
  let below = 0;
  for (const [bound, count] of counts) {
    if (count >= rank) {
      if (bound === Number.POSITIVE_INFINITY) return low;
      return low + (bound - low) * (count === below ? 1 : (rank - below) / (count - below));
    }
    low = bound;
    below = count;
  }
  return low;
}
