import type { RuleGroup } from './slo-rules.ts';

/** A process that serves, as Prometheus knows it by the `job` or by the `service` label of its own metrics. */
const SERVICES = ['gateway', 'gateway-worker', 'gateway-indexer', 'api', 'user'] as const;

const runbook = (name: string): string => `docs/runbooks/${name}.md`;

/** Alerts that no error budget can give: a service that is gone burns nothing. */
export function healthRules(): RuleGroup {
  return {
    name: 'rejuve-health',
    rules: SERVICES.flatMap((service) => [
      {
        alert: 'ServiceNotMeasured',
        expr: `absent(process_start_time_seconds{service="${service}"})`,
        for: '5m',
        labels: { severity: 'page', service },
        annotations: {
          summary: `Nothing reports metrics as ${service}`,
          description:
            'Either no replica runs, or Prometheus cannot reach any. Objectives of this service are blind until it does.',
          runbook: runbook('service-not-measured'),
          dashboard: '/d/slo-overview',
        },
      },
      {
        alert: 'ServiceRestartsOften',
        expr: `sum(changes(process_start_time_seconds{service="${service}"}[30m])) > 3`,
        for: '5m',
        labels: { severity: 'ticket', service },
        annotations: {
          summary: `${service} restarted {{ $value }} times within half an hour`,
          description: 'Read the last lines before each start: the log says why the process ended.',
          runbook: runbook('service-restarts'),
          dashboard: '/d/slo-overview',
        },
      },
    ]),
  };
}
