import { OBJECTIVES, type Objective, SLO_WINDOW_DAYS } from '../lib/slo/objectives.ts';

const percent = (target: number): string => `${Number((target * 100).toFixed(4))} %`;

/** Minutes of complete failure that a budget allows. */
const budgetMinutes = (target: number): string =>
  `${Math.round((1 - target) * SLO_WINDOW_DAYS * 24 * 60)} min`;

const row = (o: Objective): string => {
  const [target, budget] =
    o.target === undefined ? ['always 0', 'none'] : [percent(o.target), budgetMinutes(o.target)];
  return `| ${o.promise ?? '–'} | \`${o.id}\` | ${o.description} | ${target} | ${budget} | [${o.runbook}](runbooks/${o.runbook}.md) |`;
};

/** `docs/slo.md`: the objectives as a person reads them. */
export function sloTable(): string {
  return `<!-- Generated from lib/slo/objectives.ts by dashboards/generate.ts. Change the objective, not this file. -->
# Objectives

Counted over ${SLO_WINDOW_DAYS} days. The budget is what may fail: as minutes of complete failure, to have a feeling for it.

| promise | id | kept when | target | budget | runbook |
|---|---|---|---|---|---|
${OBJECTIVES.map(row).join('\n')}
`;
}
