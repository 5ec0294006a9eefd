/**
 * Metrics that queries may use and that no source file of ours registers: Prometheus makes the first ones, k6 writes
 * the others by remote write (its own and the custom ones of loadtests/).
 */
export const FOREIGN_METRICS: ReadonlySet<string> = new Set([
  'ALERTS',
  'up',
  'k6_checks_rate',
  'k6_dropped_iterations_total',
  'k6_http_req_duration_p99',
  'k6_http_req_failed_rate',
  'k6_http_reqs_total',
  'k6_notification_delay_p99',
  'k6_vus',
]);
