import { type BudgetStage, budgetStagesOf } from '../../lib/slo/budget-policy.ts';
import type { Objective } from '../../lib/slo/objective.ts';
import { SLO_WINDOW_DAYS } from '../../lib/slo/objectives.ts';
import { dashboardLink } from '../panel-id.ts';
import { burnRateAlertsOf, SLI_WINDOWS } from './burn-rates.ts';
import { errorRatio } from './error-ratio.ts';

export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface RuleGroup {
  readonly name: string;
  readonly interval?: string;
  readonly rules: readonly (RecordingRule | AlertRule)[];
}

const identity = (objective: Objective): Record<string, string> => ({
  sloth_id: `rejuve-${objective.id}`,
  sloth_service: objective.service,
  sloth_slo: objective.id,
  ...(objective.promise === undefined ? {} : { promise: String(objective.promise) }),
});

const selectorOf = (objective: Objective): string =>
  `{sloth_id="rejuve-${objective.id}", sloth_service="${objective.service}", sloth_slo="${objective.id}"}`;

/** `api-latency` → `ApiLatency`. */
const camel = (id: string): string =>
  id.replace(/(^|-)([a-z0-9])/g, (_, _dash, letter: string) => letter.toUpperCase());

export const alertName = (objective: Objective): string =>
  objective.indicator.kind === 'invariant'
    ? `${camel(objective.id)}Violated`
    : `${camel(objective.id)}BudgetBurn`;

const annotations = (objective: Objective, summary: string): Record<string, string> => ({
  summary,
  description: objective.description,
  runbook: `docs/runbooks/${objective.runbook}.md`,
  dashboard: dashboardLink(objective.dashboard, `slo-${objective.id}`),
});

/** Recorded error ratios: one per window, and the whole budget period from the shortest one (cheap to evaluate). */
function ratioRules(objective: Objective): RecordingRule[] {
  const labels = identity(objective);
  const period = `${SLO_WINDOW_DAYS}d`;
  return [
    ...SLI_WINDOWS.map((window) => ({
      record: `slo:sli_error:ratio_rate${window}`,
      expr: errorRatio(objective, window),
      labels: { ...labels, sloth_window: window },
    })),
    {
      record: `slo:sli_error:ratio_rate${period}`,
      expr: `sum_over_time(slo:sli_error:ratio_rate5m${selectorOf(objective)}[${period}]) / ignoring (sloth_window) count_over_time(slo:sli_error:ratio_rate5m${selectorOf(objective)}[${period}])`,
      labels: { ...labels, sloth_window: period },
    },
  ];
}

function metadataRules(objective: Objective, target: number): RecordingRule[] {
  const labels = identity(objective);
  const selector = selectorOf(objective);
  const over = 'on(sloth_id, sloth_slo, sloth_service) group_left';
  return [
    { record: 'slo:objective:ratio', expr: `vector(${target})`, labels },
    { record: 'slo:error_budget:ratio', expr: `vector(1 - ${target})`, labels },
    { record: 'slo:time_period:days', expr: `vector(${SLO_WINDOW_DAYS})`, labels },
    {
      record: 'slo:current_burn_rate:ratio',
      expr: `slo:sli_error:ratio_rate5m${selector} / ${over} slo:error_budget:ratio${selector}`,
      labels,
    },
    {
      record: 'slo:period_burn_rate:ratio',
      expr: `slo:sli_error:ratio_rate${SLO_WINDOW_DAYS}d${selector} / ${over} slo:error_budget:ratio${selector}`,
      labels,
    },
    {
      record: 'slo:period_error_budget_remaining:ratio',
      expr: `1 - slo:period_burn_rate:ratio${selector}`,
      labels,
    },
    {
      record: 'sloth_slo_info',
      expr: 'vector(1)',
      labels: { ...labels, sloth_objective: String(target * 100), sloth_mode: 'generated' },
    },
  ];
}

function burnAlerts(objective: Objective, target: number): AlertRule[] {
  const budget = `(1 - ${target})`;
  const ratio = (window: string): string =>
    `max(slo:sli_error:ratio_rate${window}${selectorOf(objective)}) without (sloth_window)`;
  const possible = burnRateAlertsOf(target);
  const severities = (['page', 'ticket'] as const).filter((one) =>
    possible.some(({ severity }) => severity === one),
  );
  return severities.map((severity) => ({
    alert: alertName(objective),
    expr: possible
      .filter((alert) => alert.severity === severity)
      .map(
        ({ factor, long, short }) =>
          `(${ratio(short)} > (${factor} * ${budget}) and ${ratio(long)} > (${factor} * ${budget}))`,
      )
      .join('\nor\n'),
    labels: { ...identity(objective), severity, sloth_severity: severity },
    annotations: annotations(
      objective,
      severity === 'page'
        ? `${objective.title}: the error budget burns so fast that it is gone within days`
        : `${objective.title}: the error budget will not last for the ${SLO_WINDOW_DAYS} days`,
    ),
  }));
}

export const budgetAlertName = (stage: BudgetStage): string => `ErrorBudget${camel(stage.id)}`;

/** What the error-budget policy asks for at each stage, as a ticket. */
function budgetAlerts(objective: Objective): AlertRule[] {
  return budgetStagesOf(objective).map((stage) => ({
    alert: budgetAlertName(stage),
    expr: `max(slo:period_error_budget_remaining:ratio${selectorOf(objective)}) without (sloth_window) < ${stage.remainingBelow}`,
    // The first minutes after the first traffic say little about a month.
    for: '1h',
    labels: { ...identity(objective), severity: 'ticket', stage: stage.id },
    annotations: {
      ...annotations(
        objective,
        stage.remainingBelow === 0
          ? `${objective.title}: the error budget is spent`
          : `${objective.title}: less than ${stage.remainingBelow * 100} % of the error budget is left`,
      ),
      description: stage.actions.join(' '),
      runbook: 'docs/slo.md#error-budget-policy',
    },
  }));
}

function invariantRules(objective: Objective): AlertRule[] {
  if (objective.indicator.kind !== 'invariant') return [];
  const { gauge, graceSeconds } = objective.indicator;
  const series = `${gauge.metric}${gauge.selector === '' ? '' : `{${gauge.selector}}`}`;
  return [
    {
      alert: alertName(objective),
      // Replicas may each report: the worst of them counts, not their sum.
      expr: `max(${series}) > 0`,
      for: `${graceSeconds}s`,
      labels: { ...identity(objective), severity: 'page' },
      annotations: annotations(objective, `${objective.title}: {{ $value }} found`),
    },
    {
      alert: `${camel(objective.id)}NotMeasured`,
      expr: `absent(${series})`,
      for: '15m',
      labels: { ...identity(objective), severity: 'ticket' },
      annotations: annotations(objective, `${objective.title}: nobody measures it any more`),
    },
  ];
}

/** All Prometheus rules of one objective. */
export function rulesOf(objective: Objective): RuleGroup[] {
  if (objective.indicator.kind === 'invariant') {
    return [{ name: `slo-invariant-${objective.id}`, rules: invariantRules(objective) }];
  }
  const { target } = objective;
  if (target === undefined || target <= 0 || target >= 1)
    throw new Error(`${objective.id}: a target between 0 and 1 is needed, exclusive`);
  return [
    { name: `sloth-slo-sli-recordings-rejuve-${objective.id}`, rules: ratioRules(objective) },
    { name: `sloth-slo-meta-recordings-rejuve-${objective.id}`, rules: metadataRules(objective, target) },
    { name: `sloth-slo-alerts-rejuve-${objective.id}`, rules: burnAlerts(objective, target) },
    { name: `rejuve-budget-policy-${objective.id}`, rules: budgetAlerts(objective) },
  ];
}
