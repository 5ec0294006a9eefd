import type { Objective } from './objective.ts';

/** What the people who own a service do when so much of its error budget is left. */
export interface BudgetStage {
  readonly id: 'half-spent' | 'nearly-spent' | 'spent';
  /** The stage holds while less than this share of the budget remains, 0 to 1. */
  readonly remainingBelow: number;
  readonly actions: readonly string[];
}

/** Services have budgets to spend on change. The less is left, the less may be changed. */
export const BUDGET_STAGES: readonly BudgetStage[] = [
  {
    id: 'half-spent',
    remainingBelow: 0.5,
    actions: [
      'Name the largest spender (overview, panel “who burns it”) in the weekly review.',
      'The next iteration holds one task that lowers it.',
    ],
  },
  {
    id: 'nearly-spent',
    remainingBelow: 0.25,
    actions: [
      'Releases of the service need a second pair of eyes and are watched for an hour.',
      'Experiments and load tests against production stop.',
    ],
  },
  {
    id: 'spent',
    remainingBelow: 0,
    actions: [
      'Only fixes and security updates are released until a tenth of the budget is back.',
      'An incident review says what spent it, within a week.',
    ],
  },
];

/** Stages of an objective's budget. An invariant has no budget: its first violation is an incident. */
export const budgetStagesOf = (objective: Objective): readonly BudgetStage[] =>
  objective.target === undefined ? [] : BUDGET_STAGES;
