/**
 * Multi-window, multi-burn-rate alerting (Google SRE Workbook, chapter 5, table 5-8; the names and windows are
 * those of Sloth). A factor of 14.4 means that one hour at this rate uses 2 % of a 30-day budget.
 */
export interface BurnRateAlert {
  readonly severity: 'page' | 'ticket';
  /** How many times faster than allowed the budget burns. */
  readonly factor: number;
  /** The long window proves that it matters, the short one that it still goes on. */
  readonly long: string;
  readonly short: string;
}

export const BURN_RATE_ALERTS: readonly BurnRateAlert[] = [
  { severity: 'page', factor: 14.4, long: '1h', short: '5m' },
  { severity: 'page', factor: 6, long: '6h', short: '30m' },
  { severity: 'ticket', factor: 3, long: '1d', short: '2h' },
  { severity: 'ticket', factor: 1, long: '3d', short: '6h' },
];

/** All windows that need a recorded error ratio. */
export const SLI_WINDOWS = ['5m', '30m', '1h', '2h', '6h', '1d', '3d'] as const;

/**
 * The alerts that an objective can have: with a budget of a quarter, 14.4 times as many errors as allowed would be more
 * errors than events. Such an objective has tickets only, which is right: nobody is woken for it.
 */
export const burnRateAlertsOf = (target: number): readonly BurnRateAlert[] =>
  BURN_RATE_ALERTS.filter(({ factor }) => factor * (1 - target) < 1);
