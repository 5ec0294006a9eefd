import { stringify } from 'yaml';
import { OBJECTIVES } from '../../lib/slo/objectives.ts';
import { platformRules } from './platform-alerts.ts';
import { rulesOf } from './slo-rules.ts';

const HEADER =
  '# Generated from lib/slo/objectives.ts by dashboards/generate.ts. Change the objective, not this file.\n';

/** The rule file that Prometheus loads, and that the chart ships as a PrometheusRule. */
export function prometheusRules(): string {
  const groups = [...OBJECTIVES.flatMap(rulesOf), platformRules()];
  return HEADER + stringify({ groups }, { lineWidth: 0, aliasDuplicateObjects: false });
}
