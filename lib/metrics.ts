import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { DURATION_BUCKETS } from './slo/buckets.ts';
import { withExemplars } from './tracing/exemplars.ts';
import { activeTracer } from './tracing/tracer.ts';

/** The types of the client library leave out the parameter that its constructor has. */
const openMetricsRegistry = (): Registry =>
  new (Registry as unknown as new (contentType: string) => Registry)(Registry.OPENMETRICS_CONTENT_TYPE);

interface MetricOptions<L extends string> {
  /** Base units and the suffixes of the Prometheus naming guide: `_seconds`, `_bytes`, `_total`. */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly L[];
}

/** The metrics of one process. Labels must be bounded: never an id, an address or a raw path. */
export interface Metrics {
  readonly registry: Registry;
  counter<L extends string = never>(options: MetricOptions<L>): Counter<L>;
  gauge<L extends string = never>(
    options: MetricOptions<L> & { collect?: (gauge: Gauge<L>) => void | Promise<void> },
  ): Gauge<L>;
  histogram<L extends string = never>(
    options: MetricOptions<L> & { buckets?: readonly number[] },
  ): Histogram<L>;
}

export type { Counter, Gauge, Histogram } from 'prom-client';

/**
 * @param service becomes the label `service` of every series.
 * @param processMetrics include event loop, memory and garbage collection series; off in unit tests.
 */
export function createMetrics(options: { service: string; processMetrics?: boolean }): Metrics {
  // Exemplars exist in the OpenMetrics format only, which Prometheus reads as well.
  const exemplars = activeTracer() !== undefined;
  const registry = exemplars ? openMetricsRegistry() : new Registry();
  registry.setDefaultLabels({ service: options.service });
  if (options.processMetrics ?? true) collectDefaultMetrics({ register: registry });

  const registers = [registry];
  return {
    registry,
    counter: ({ name, help, labels = [] }) => new Counter({ name, help, labelNames: [...labels], registers }),
    gauge: ({ name, help, labels = [], collect }) => {
      const gauge: Gauge<(typeof labels)[number]> = new Gauge({
        name,
        help,
        labelNames: [...labels],
        registers,
        ...(collect ? { collect: () => collect(gauge) } : {}),
      });
      return gauge;
    },
    histogram: ({ name, help, labels = [], buckets = DURATION_BUCKETS }) => {
      const settings = { name, help, labelNames: [...labels], buckets: [...buckets], registers };
      return exemplars
        ? withExemplars(new Histogram({ ...settings, enableExemplars: true }))
        : new Histogram(settings);
    },
  };
}
