import { BUDGET_STAGES, type BudgetStage } from '../lib/slo/budget-policy.ts';
import type { Objective } from '../lib/slo/objective.ts';
import { OBJECTIVES, SLO_WINDOW_DAYS } from '../lib/slo/objectives.ts';
import { BURN_RATE_ALERTS } from './rules/burn-rates.ts';

const percent = (target: number): string => `${Number((target * 100).toFixed(4))} %`;

/** Minutes of complete failure that a budget allows. */
const budgetMinutes = (target: number): string =>
  `${Math.round((1 - target) * SLO_WINDOW_DAYS * 24 * 60)} min`;

const row = (o: Objective): string => {
  const [target, budget] =
    o.target === undefined ? ['always 0', 'none'] : [percent(o.target), budgetMinutes(o.target)];
  return `| ${o.promise ?? '–'} | \`${o.id}\` | ${o.description} | ${target} | ${budget} | [${o.runbook}](runbooks/${o.runbook}.md) |`;
};

const stage = ({ remainingBelow, actions }: BudgetStage): string =>
  `- ${remainingBelow === 0 ? '**The budget is spent.**' : `**Less than ${remainingBelow * 100} % is left.**`} ${actions.join(' ')}`;

/** `docs/slo.md`: the objectives as a person reads them. */
export function sloTable(): string {
  return `<!-- Generated from lib/slo/objectives.ts by dashboards/generate.ts. Change the objective, not this file. -->
# Objectives

Counted over ${SLO_WINDOW_DAYS} days. The budget is what may fail: as minutes of complete failure, to have a feeling for it.

| promise | id | kept when | target | budget | runbook |
|---|---|---|---|---|---|
${OBJECTIVES.map(row).join('\n')}

## Burn-rate alerts

An alert needs two windows: the long one proves that it matters, the short one that it still goes on. A factor of 14.4 uses 2 % of the budget in an hour.

| severity | burns faster than | over | and still over |
|---|---|---|---|
${BURN_RATE_ALERTS.map((a) => `| ${a.severity} | ${a.factor} × what is allowed | ${a.long} | ${a.short} |`).join('\n')}

## Error-budget policy

${BUDGET_STAGES.map(stage).join('\n')}

Invariants (“always 0”) have no budget: the first violation is an incident with a review.

The same objectives in [OpenSLO](https://openslo.com) form, for other tools: \`charts/rejuve-platform/files/openslo.yaml\`.
`;
}
