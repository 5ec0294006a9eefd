import type { PromiseNumber } from '../../lib/slo/objective.ts';
import { PROMISES } from '../load/verdict.ts';
import { type FaultReport, survived } from './run-chaos.ts';
import type { Cell } from './verdicts.ts';

const NUMBERS = Object.keys(PROMISES).map(Number) as PromiseNumber[];
const escapeHtml = (text: string): string => text.replace(/[<>&"]/g, (char) => `&#${char.codePointAt(0)};`);
const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

function words(cell: Cell | undefined): string {
  if (cell === undefined || cell.verdict === 'unmeasured') return 'not measured';
  if (cell.verdict === 'kept') return 'kept';
  return `${cell.verdict} ${cell.verdict === 'recovered' ? `in ${seconds(cell.recoveryMs)}` : ''}, ${(cell.good * 100).toFixed(0)} % good`.replace(
    ' ,',
    ',',
  );
}

/** A table for the terminal: faults × promises. */
export function chaosTable(reports: readonly FaultReport[]): string {
  const mark = (cell: Cell | undefined): string =>
    cell === undefined || cell.verdict === 'unmeasured'
      ? '·'
      : { kept: '✓', recovered: `↻${(cell.recoveryMs / 1000).toFixed(0)}s`, broken: '✗' }[cell.verdict];
  const rows = [
    ['', 'fault', ...NUMBERS.map(String), 'alerts'],
    ...reports.map((report) => [
      survived(report) ? '✓' : '✗',
      report.fault.id,
      ...NUMBERS.map((n) => mark(report.cells.find(({ promise }) => promise === n))),
      report.failed ?? report.alerts.join(', '),
    ]),
  ];
  const widths =
    rows[0]?.map((_, i) =>
      i > NUMBERS.length + 1 ? 0 : Math.max(...rows.map((row) => (row[i] ?? '').length)),
    ) ?? [];
  return rows
    .map((row) => `  ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')}`.trimEnd())
    .join('\n');
}

const STYLE = `body{font:15px/1.5 system-ui,sans-serif;max-width:84rem;margin:2rem auto;padding:0 1rem;color:#1c2024;background:#fff}
table{border-collapse:collapse;width:100%;margin:1rem 0}th,td{text-align:left;padding:.4rem .5rem;border:1px solid #d8dde3;vertical-align:top;font-size:.9em}
.kept{background:#e3f5ea}.recovered{background:#fdf3d8}.broken{background:#fbdcdd;font-weight:600}.unmeasured{color:#5b6570}
@media (prefers-color-scheme:dark){body{color:#e6e8ea;background:#14171a}th,td{border-color:#333a41}.kept{background:#123524}.recovered{background:#3d3110}.broken{background:#4a1518}.unmeasured{color:#9aa4ae}}`;

/** The report page: one cell per fault and promise, the time to recover, and which alerts told of it. */
export function chaosHtml(reports: readonly FaultReport[], pageAlerts: readonly string[]): string {
  const fired = new Set(reports.flatMap(({ alerts }) => alerts));
  const rows = reports
    .map(
      (report) =>
        `<tr><th scope="row">${escapeHtml(report.fault.title)}<br><small>${escapeHtml(report.fault.like)}</small>${report.failed ? `<br><strong>${escapeHtml(report.failed)}</strong>` : ''}</th>${NUMBERS.map(
          (n) => {
            const cell = report.cells.find(({ promise }) => promise === n);
            return `<td class="${cell?.verdict ?? 'unmeasured'}" title="${escapeHtml(cell?.detail ?? '')}">${words(cell)}<br><small>${cell?.looks ?? 0} looks</small></td>`;
          },
        ).join('')}<td><small>${report.alerts.map(escapeHtml).join('<br>')}</small></td></tr>`,
    )
    .join('\n');
  const alerts = pageAlerts
    .map(
      (name) =>
        `<tr><td>${escapeHtml(name)}</td><td class="${fired.has(name) ? 'kept' : 'unmeasured'}">${
          fired.has(name)
            ? `fired (${reports
                .filter((r) => r.alerts.includes(name))
                .map((r) => r.fault.id)
                .join(', ')})`
            : 'not fired in this run'
        }</td></tr>`,
    )
    .join('\n');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>Faults × promises</title><style>${STYLE}</style></head><body>
<h1>Faults × promises</h1>
<p>${reports.filter(survived).length} of ${reports.length} faults were survived: every promise was kept, or broken only where it may be and kept again in time.</p>
<table><thead><tr><th scope="col">fault</th>${NUMBERS.map((n) => `<th scope="col">${n}. ${escapeHtml(PROMISES[n])}</th>`).join('')}<th scope="col">alerts that fired</th></tr></thead><tbody>
${rows}
</tbody></table>
<h2>Pages</h2>
<p>Alerts that wake somebody, with the same expressions as in production; only their waiting time is shorter by a factor of sixty.</p>
<table><thead><tr><th scope="col">alert</th><th scope="col">seen</th></tr></thead><tbody>
${alerts}
</tbody></table>
</body></html>
`;
}
