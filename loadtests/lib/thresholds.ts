import { OBJECTIVES } from '../../lib/slo/objectives.ts';

/**
 * Thresholds from the objectives of a service. A threshold on a metric without samples passes, so each comes with
 * one on the count: a run that sent nothing fails.
 */
export function thresholdsOf(services: readonly ('api' | 'user' | 'gateway')[]): Record<string, string[]> {
  const thresholds: Record<string, string[]> = { checks: ['rate>0.999'] };
  for (const service of services) {
    for (const { service: of, indicator, target } of OBJECTIVES) {
      if (of !== service || target === undefined) continue;
      // Only what k6 itself can time: the other objectives are read from Prometheus.
      if (indicator.kind === 'latency' && indicator.histogram.startsWith('http_')) {
        thresholds[`http_req_duration{slo:${service}}`] = [
          `p(${target * 100})<${indicator.thresholdSeconds * 1000}`,
        ];
      } else if (indicator.kind === 'ratio' && indicator.total.metric.startsWith('http_')) {
        thresholds[`http_req_failed{slo:${service}}`] = [`rate<${Number((1 - target).toFixed(6))}`];
      }
    }
    thresholds[`http_reqs{slo:${service}}`] = ['count>0'];
  }
  return thresholds;
}
