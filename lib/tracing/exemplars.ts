import type { Histogram } from 'prom-client';
import { sampledContext } from './tracer.ts';

/** An example of what a bucket counted: the trace of one such request. */
export const exemplarLabels = (): Record<string, string> | undefined => {
  const context = sampledContext();
  return context === undefined ? undefined : { trace_id: context.traceId, span_id: context.spanId };
};

/** Lets a histogram that keeps exemplars be observed like any other; the trace comes from the present context. */
export function withExemplars<L extends string>(histogram: Histogram<L>): Histogram<L> {
  const keep = histogram.observe.bind(histogram) as unknown as (observation: {
    labels?: object;
    value: number;
    exemplarLabels?: Record<string, string>;
  }) => void;
  const observe = (first: number | object, second?: number): void => {
    const labels = exemplarLabels();
    keep({
      ...(typeof first === 'number' ? { labels: {}, value: first } : { labels: first, value: second ?? 0 }),
      ...(labels === undefined ? {} : { exemplarLabels: labels }),
    });
  };
  histogram.observe = observe as typeof histogram.observe;
  return histogram;
}
