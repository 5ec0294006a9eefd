import { stringify } from 'yaml';
import { type PlatformAlert, platformRule } from './platform-alerts.ts';

const fill = (text: string, labels: Readonly<Record<string, string>>, value = ''): string =>
  text
    .replace(/\{\{ \$labels\.(\w+) \}\}/g, (_, name: string) => labels[name] ?? '')
    .replace('{{ $value }}', value);

/**
 * Cases for `promtool test rules`, the same five for each alert: it fires, it ends when the cause ends, good times are
 * quiet, and so is (unless that is what it is about) a metric that nobody reports.
 */
export function platformAlertTests(alert: PlatformAlert, ruleFile: string): string {
  const rule = platformRule(alert);
  const example = { ...alert.example };
  const service = /by \(service\)/.test(alert.expr) ? 'api' : alert.service;
  const labels = { severity: alert.severity, service, ...example.labels };
  const firing = {
    exp_labels: labels,
    exp_annotations: Object.fromEntries(
      Object.entries(rule.annotations).map(([key, text]) => [key, fill(text, labels, example.value)]),
    ),
  };
  const series = (values: Readonly<Record<string, string>>) =>
    Object.entries(values).map(([name, text]) => ({ series: name, values: text }));
  const at = (time: string, fires: boolean) => ({
    eval_time: time,
    alertname: alert.name,
    exp_alerts: fires ? [firing] : [],
  });
  const always = alert.severity === 'none';
  const tests = [
    {
      name: `${alert.name}: fires, and ends when its cause ends`,
      input_series: series(example.bad),
      alert_rule_test: [at('55m', true), at('115m', always)],
    },
    {
      name: `${alert.name}: good times are quiet`,
      input_series: series(example.good),
      alert_rule_test: [at('1m', always), at('55m', always), at('115m', always)],
    },
    {
      name: `${alert.name}: nobody reports the metric`,
      input_series: [],
      alert_rule_test: [at('55m', alert.firesWhenAbsent === true)],
    },
  ];
  return stringify(
    {
      rule_files: [ruleFile],
      evaluation_interval: '1m',
      tests: tests.map((test) => ({ interval: '1m', ...test })),
    },
    { lineWidth: 0, aliasDuplicateObjects: false },
  );
}
