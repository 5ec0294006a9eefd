import { type Figure, isMet } from './figure.ts';

export interface ScenarioReport {
  readonly scenario: string;
  readonly title: string;
  readonly seconds: number;
  readonly figures: readonly Figure[];
  /** One-minute load average before it started: above the number of cores, others were working too. */
  readonly loadBefore?: number;
  /** Why there are no figures. */
  readonly error?: string;
}

function format(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(digits);
}

function aimText({ aim }: Figure): string {
  if (aim === undefined) return '';
  return [aim.max === undefined ? '' : `≤ ${aim.max}`, aim.min === undefined ? '' : `≥ ${aim.min}`]
    .filter(Boolean)
    .join(' ');
}

const VERDICT = new Map<boolean | undefined, string>([
  [true, 'met'],
  [false, 'MISSED'],
  [undefined, ''],
]);

/** A table for people; the same figures as JSON are for machines. */
export function renderReport(reports: readonly ScenarioReport[]): string {
  const lines: string[] = [];
  for (const { title, scenario, seconds, figures, error } of reports) {
    lines.push('', `${title}  (${scenario}, ${seconds.toFixed(0)} s)`);
    if (error !== undefined) lines.push(`  failed: ${error}`);
    const rows = figures.map((figure) => [
      figure.name,
      `${format(figure.value)} ${figure.unit}`,
      figure.direct === undefined ? '' : format(figure.direct),
      aimText(figure),
      figure.peer === undefined ? '' : format(figure.peer),
      VERDICT.get(isMet(figure)) ?? '',
      figure.note ?? '',
    ]);
    if (rows.length === 0) continue;
    const header = ['figure', 'measured', 'direct', 'aim', 'peer', '', ''];
    const widths = header.map((title_, column) =>
      Math.max(title_.length, ...rows.map((row) => row[column]?.length ?? 0)),
    );
    for (const row of [header, ...rows]) {
      lines.push(
        `  ${row.map((cell, column) => (column === 0 || column > 4 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  ')}`.trimEnd(),
      );
    }
  }
  const verdicts = reports.flatMap(({ figures }) => figures.map(isMet));
  const failed = reports.filter(({ error }) => error !== undefined).length;
  lines.push(
    '',
    `${verdicts.filter((met) => met === true).length} aims met, ${verdicts.filter((met) => met === false).length} missed${failed === 0 ? '' : `, ${failed} scenarios failed`}`,
  );
  return `${lines.join('\n')}\n`;
}
