import type { Metric } from 'prom-client';
import type { Counter, Metrics } from '../../lib/metrics.ts';
import type { TraceIds } from '../../lib/tracing/tracer.ts';

/** Counts under a key of labels without hashing them on every call; Prometheus reads the sums when it scrapes. */
export interface HotCounter {
  /** Slot of a label combination; ask once, keep it. */
  slot(...labels: string[]): Slot;
}

export interface Slot {
  value: number;
}

/**
 * A counter whose slots are plain numbers. Looking up labels costs about a microsecond in the client library, which is
 * too much seven times per call; adding to a number costs nothing.
 */
export function createHotCounter<L extends string>(
  metrics: Metrics,
  options: { name: string; help: string; labels: readonly L[] },
): HotCounter {
  const slots = new Map<
    string,
    { readonly slot: Slot; readonly labels: Record<L, string>; reported: number }
  >();
  const counter: Counter<L> = metrics.counter(options);
  collectBefore(counter, () => {
    for (const entry of slots.values()) {
      counter.inc(entry.labels, entry.slot.value - entry.reported);
      entry.reported = entry.slot.value;
    }
  });
  return {
    slot(...values) {
      const key = values.join('\u0000');
      let entry = slots.get(key);
      if (entry === undefined) {
        const labels = Object.fromEntries(
          options.labels.map((label, index) => [label, values[index] ?? '']),
        ) as Record<L, string>;
        entry = { slot: { value: 0 }, labels, reported: 0 };
        slots.set(key, entry);
      }
      return entry.slot;
    },
  };
}

/** Observations of one label combination, kept as bucket counts. */
export interface HotSeries {
  /** @param trace an example of what is counted here */
  observe(value: number, trace?: TraceIds): void;
}

/** What the client library writes behind a bucket in the OpenMetrics format. */
interface Exemplar {
  readonly labelSet: Record<string, string>;
  readonly value: number;
  /** Epoch seconds. */
  readonly timestamp: number;
}

export interface HotHistogram {
  series(label: string): HotSeries;
}

/** The same for a histogram with one label, as a metric of its own that the registry asks when it is scraped. */
export function createHotHistogram(
  metrics: Pick<Metrics, 'registry'>,
  options: { name: string; help: string; label: string; buckets: readonly number[] },
): HotHistogram {
  const { name, help, label: labelName, buckets } = options;
  const all = new Map<string, { counts: Float64Array; sum: number; exemplars: (Exemplar | undefined)[] }>();
  const metric = {
    name,
    help,
    type: 'histogram',
    aggregator: 'sum',
    reset: () => all.clear(),
    async get() {
      const values: {
        metricName: string;
        labels: Record<string, string | number>;
        value: number;
        exemplar?: Exemplar;
      }[] = [];
      for (const [label, { counts, sum, exemplars }] of all) {
        const labels = { [labelName]: label };
        let total = 0;
        buckets.forEach((bound, index) => {
          total += counts[index] as number;
          const exemplar = exemplars[index];
          values.push({
            metricName: `${name}_bucket`,
            labels: { le: bound, ...labels },
            value: total,
            ...(exemplar === undefined ? {} : { exemplar }),
          });
        });
        total += counts[buckets.length] as number;
        values.push(
          { metricName: `${name}_bucket`, labels: { le: '+Inf', ...labels }, value: total },
          { metricName: `${name}_sum`, labels, value: sum },
          { metricName: `${name}_count`, labels, value: total },
        );
      }
      return { name, help, type: 'histogram', values, aggregator: 'sum' };
    },
  };
  metrics.registry.registerMetric(metric as unknown as Metric);
  return {
    series(label) {
      let found = all.get(label);
      if (found === undefined) {
        found = { counts: new Float64Array(buckets.length + 1), sum: 0, exemplars: [] };
        all.set(label, found);
      }
      const series = found;
      return {
        observe(value, trace) {
          let index = 0;
          while (index < buckets.length && value > (buckets[index] as number)) index++;
          series.counts[index] = (series.counts[index] as number) + 1;
          series.sum += value;
          if (trace !== undefined)
            series.exemplars[index] = {
              labelSet: { trace_id: trace.traceId, span_id: trace.spanId },
              value,
              timestamp: Date.now() / 1_000,
            };
        },
      };
    },
  };
}

/** Runs `fill` before each scrape. */
function collectBefore(metric: object, fill: () => void): void {
  (metric as { collect?: () => void }).collect = fill;
}
