import { stringify } from 'yaml';
import { type BudgetStage, budgetStagesOf } from '../../lib/slo/budget-policy.ts';
import type { Objective } from '../../lib/slo/objective.ts';
import { burnRateAlertsOf } from './burn-rates.ts';
import { alertName, budgetAlertName, rulesOf } from './slo-rules.ts';

/**
 * Cases for `promtool test rules`, made for every objective so that a new one cannot come without them: the alert
 * fires when the budget burns, stays quiet when it does not, recovers, and is silent without traffic.
 */
interface InputSeries {
  readonly series: string;
  readonly values: string;
}

interface Case {
  readonly name: string;
  readonly interval: string;
  readonly input_series: readonly InputSeries[];
  readonly alert_rule_test: readonly {
    eval_time: string;
    alertname: string;
    exp_alerts: readonly object[];
  }[];
}

const MINUTES = 120;

/** `selector` in PromQL → labels of one example series that it matches. */
function exampleLabels(selector: string): string {
  const labels = selector
    .split(/,(?=[a-z_]+[=!])/)
    .filter((part) => part !== '')
    .map((part) => {
      const [, name, operator, value] = /^([a-z_]+)(=~|!~|=|!=)"(.*)"$/.exec(part) ?? [];
      if (!name) throw new Error(`cannot read the matcher ${part}`);
      if (operator === '=') return `${name}="${value}"`;
      if (operator === '=~') return `${name}="${value?.split('|')[0]?.replace(/\.\./g, '00')}"`;
      return `${name}="/v1/example"`;
    });
  return labels.join(',');
}

/** A counter that grows by `perMinute` until `switchAt` minutes, then by `after`. */
const counter = (perMinute: number, switchAt = MINUTES, after = perMinute): string =>
  `0+${perMinute}x${switchAt} ${perMinute * switchAt}+${after}x${MINUTES - switchAt}`;

/** Input of `badPerMinute` bad among `totalPerMinute` events. */
function traffic(objective: Objective, totalPerMinute: number, bad: string, good: string): InputSeries[] {
  const { indicator } = objective;
  if (indicator.kind === 'latency') {
    const labels = exampleLabels(indicator.selector);
    return [
      { series: `${indicator.histogram}_count{${labels}}`, values: counter(totalPerMinute) },
      { series: `${indicator.histogram}_bucket{${labels},le="${indicator.thresholdSeconds}"}`, values: good },
    ];
  }
  if (indicator.kind === 'ratio') {
    // One series is bad, another is good; both belong to the total.
    const badLabels = exampleLabels(indicator.bad.selector);
    const goodLabels = `${exampleLabels(indicator.total.selector)},kind="good"`;
    const series = [{ series: `${indicator.total.metric}{${goodLabels}}`, values: good }];
    series.push({ series: `${indicator.bad.metric}{${badLabels}}`, values: bad });
    if (indicator.bad.metric !== indicator.total.metric)
      series.push({ series: `${indicator.total.metric}{${badLabels}}`, values: bad });
    return series;
  }
  throw new Error('an invariant has no traffic');
}

const PER_MINUTE = 10_000;

/** The annotations that the rule of this severity has, with the value of the alert filled in. */
function annotationsOf(objective: Objective, severity: string): Record<string, string> {
  for (const rule of rulesOf(objective).flatMap((group) => group.rules)) {
    if (!('alert' in rule) || rule.alert !== alertName(objective) || rule.labels.severity !== severity)
      continue;
    return Object.fromEntries(
      Object.entries(rule.annotations).map(([key, text]) => [key, text.replace('{{ $value }}', '1')]),
    );
  }
  throw new Error(`${objective.id} has no ${severity} alert`);
}

const expectAlert = (objective: Objective, firing: Record<string, string>[], at: string) => ({
  eval_time: at,
  alertname: alertName(objective),
  exp_alerts: firing.map((labels) => ({
    exp_labels: labels,
    exp_annotations: annotationsOf(objective, labels.severity ?? ''),
  })),
});

/** Expects the alert of a stage of the budget policy, or that it is quiet. */
function expectBudget(objective: Objective, stage: BudgetStage, fires: boolean) {
  const alertname = budgetAlertName(stage);
  const rule = rulesOf(objective)
    .flatMap((group) => group.rules)
    .find((r) => 'alert' in r && r.alert === alertname);
  if (!rule || !('alert' in rule)) throw new Error(`${objective.id} has no alert ${alertname}`);
  return {
    eval_time: '110m',
    alertname,
    exp_alerts: fires ? [{ exp_labels: rule.labels, exp_annotations: rule.annotations }] : [],
  };
}

function invariantCases(objective: Objective): Case[] {
  if (objective.indicator.kind !== 'invariant') return [];
  const { gauge, graceSeconds } = objective.indicator;
  const series = `${gauge.metric}{${exampleLabels(gauge.selector)}}`;
  const grace = Math.ceil(graceSeconds / 60);
  const page = { ...identityLabels(objective), severity: 'page' };
  const base = { interval: '1m' };
  const long = grace + 5;
  return [
    {
      ...base,
      name: `${objective.id}: one that stays is a page, and it ends when repaired`,
      input_series: [{ series, values: `0x5 1x${long} 0x20` }],
      alert_rule_test: [
        expectAlert(objective, [], '5m'),
        expectAlert(objective, [page], `${5 + grace + 3}m`),
        expectAlert(objective, [], `${5 + long + 10}m`),
      ],
    },
    {
      ...base,
      name: `${objective.id}: zero is quiet`,
      input_series: [{ series, values: `0x60` }],
      alert_rule_test: [expectAlert(objective, [], '60m')],
    },
    {
      ...base,
      name: `${objective.id}: nobody measures it`,
      input_series: [],
      alert_rule_test: [expectAlert(objective, [], '60m')],
    },
  ];
}

const identityLabels = (objective: Objective): Record<string, string> => ({
  sloth_id: `rejuve-${objective.id}`,
  sloth_service: objective.service,
  sloth_slo: objective.id,
  ...(objective.promise === undefined ? {} : { promise: String(objective.promise) }),
});

/** Cases of an objective that is counted in time. */
function levelCases(objective: Objective): Case[] {
  const { indicator } = objective;
  if (indicator.kind !== 'level') return [];
  const { bad, good } = indicator.examples;
  const labels = (severity: string) => ({ ...identityLabels(objective), severity, sloth_severity: severity });
  const both = [labels('page'), labels('ticket')];
  const names = [...new Set([...Object.keys(bad), ...Object.keys(good)])];
  /** `_` is no sample: what an example does not name is not there. */
  const phase = (value: number | undefined, minutes: number): string =>
    value === undefined ? `_x${minutes}` : `${value}x${minutes}`;
  const input = (badMinutes: number): InputSeries[] =>
    names.map((series) => ({
      series,
      values: [
        ...(badMinutes > 0 ? [phase(bad[series], badMinutes)] : []),
        ...(badMinutes < MINUTES ? [phase(good[series], MINUTES - badMinutes)] : []),
      ].join(' '),
    }));
  const base = { interval: '1m' };
  return [
    {
      ...base,
      name: `${objective.id}: above its bound it is a page and a ticket`,
      input_series: input(MINUTES),
      alert_rule_test: [expectAlert(objective, both, '90m')],
    },
    {
      ...base,
      name: `${objective.id}: at its bound it is quiet`,
      input_series: input(0),
      alert_rule_test: [expectAlert(objective, [], '90m')],
    },
    {
      ...base,
      name: `${objective.id}: the page ends soon after it is good again`,
      input_series: input(60),
      alert_rule_test: [
        expectAlert(objective, both, '60m'),
        expectAlert(objective, [labels('ticket')], '115m'),
      ],
    },
    {
      ...base,
      name: `${objective.id}: nobody measures it`,
      input_series: [],
      alert_rule_test: [expectAlert(objective, [], '90m')],
    },
  ];
}

function burnCases(objective: Objective): Case[] {
  const pages = burnRateAlertsOf(objective.target ?? 0).some(({ severity }) => severity === 'page');
  const budget = 1 - (objective.target ?? 0);
  const labels = (severity: string) => ({ ...identityLabels(objective), severity, sloth_severity: severity });
  const share = (factor: number): number => Math.min(PER_MINUTE, Math.round(PER_MINUTE * budget * factor));
  const input = (factor: number, until = MINUTES): InputSeries[] => {
    const bad = share(factor);
    return traffic(
      objective,
      PER_MINUTE,
      counter(bad, until, 0),
      counter(PER_MINUTE - bad, until, PER_MINUTE),
    );
  };
  const base = { interval: '1m' };
  return [
    {
      ...base,
      name: `${objective.id}: a fast burn is a page and a ticket`,
      input_series: input(20),
      alert_rule_test: [
        expectAlert(objective, [...(pages ? [labels('page')] : []), labels('ticket')], '90m'),
        ...budgetStagesOf(objective).map((stage) => expectBudget(objective, stage, true)),
      ],
    },
    {
      ...base,
      name: `${objective.id}: a fifth of the allowed errors leaves the budget alone`,
      input_series: input(0.2),
      alert_rule_test: budgetStagesOf(objective).map((stage) => expectBudget(objective, stage, false)),
    },
    {
      ...base,
      name: `${objective.id}: half of the allowed errors is quiet`,
      input_series: input(0.5),
      alert_rule_test: [expectAlert(objective, [], '90m'), expectAlert(objective, [], '119m')],
    },
    {
      ...base,
      name: `${objective.id}: the page ends soon after the errors end`,
      input_series: input(20, 70),
      alert_rule_test: [
        expectAlert(objective, [...(pages ? [labels('page')] : []), labels('ticket')], '70m'),
        { ...expectAlert(objective, [labels('ticket')], '115m') },
      ],
    },
    {
      ...base,
      name: `${objective.id}: no traffic is quiet`,
      input_series: traffic(objective, 0, counter(0), counter(0)),
      alert_rule_test: [expectAlert(objective, [], '90m')],
    },
    {
      ...base,
      name: `${objective.id}: a metric that is not there is quiet here (absence has an alert of its own)`,
      input_series: [],
      alert_rule_test: [expectAlert(objective, [], '90m')],
    },
  ];
}

/** The test file for promtool; `ruleFile` is the path of the rules as promtool shall find them. */
export function ruleTests(objectives: readonly Objective[], ruleFile: string): string {
  const tests = objectives.flatMap((o) =>
    o.indicator.kind === 'invariant'
      ? invariantCases(o)
      : o.indicator.kind === 'level'
        ? levelCases(o)
        : burnCases(o),
  );
  return stringify(
    { rule_files: [ruleFile], evaluation_interval: '1m', tests },
    { lineWidth: 0, aliasDuplicateObjects: false },
  );
}
