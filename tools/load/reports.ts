import type { VerdictRow } from './verdict.ts';
import { promisesOf } from './verdict.ts';

const escapeXml = (text: string): string => text.replace(/[<>&"']/g, (char) => `&#${char.codePointAt(0)};`);

export interface ReportInput {
  readonly scenario: string;
  readonly startedAt: Date;
  readonly seconds: number;
  readonly rows: readonly VerdictRow[];
}

/** For CI: each measurement is a test case; one that was not kept is a failure that says what was measured. */
export function junitReport({ scenario, seconds, rows }: ReportInput): string {
  const cases = rows.map((row) => {
    const name = `${row.promise === undefined ? '' : `promise ${row.promise}: `}${row.what} (${row.promised})`;
    const head = `    <testcase classname="load.${escapeXml(scenario)}" name="${escapeXml(name)}"`;
    return row.kept
      ? `${head}/>`
      : `${head}>\n      <failure message="${escapeXml(`measured ${row.measured} on ${row.samples} samples`)}"/>\n    </testcase>`;
  });
  const failures = rows.filter((row) => !row.kept).length;
  return `<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="load ${escapeXml(scenario)}" tests="${rows.length}" failures="${failures}" time="${seconds.toFixed(1)}">
${cases.join('\n')}
  </testsuite>
</testsuites>
`;
}

const STYLE = `body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1c2024;background:#fff}
table{border-collapse:collapse;width:100%;margin:1rem 0}th,td{text-align:left;padding:.4rem .6rem;border-bottom:1px solid #d8dde3;vertical-align:top}
.kept{color:#0b6b3a}.broken{color:#b3141d;font-weight:600}.none{color:#5b6570}
@media (prefers-color-scheme:dark){body{color:#e6e8ea;background:#14171a}th,td{border-color:#333a41}.kept{color:#5fd394}.broken{color:#ff8a8f}.none{color:#9aa4ae}}`;

/** For people: one page, no scripts, light and dark. */
export function htmlReport({ scenario, startedAt, seconds, rows }: ReportInput): string {
  const word = (kept: boolean | undefined): string =>
    kept === undefined
      ? '<td class="none">not measured</td>'
      : kept
        ? '<td class="kept">✓ kept</td>'
        : '<td class="broken">✗ broken</td>';
  const promises = promisesOf(rows)
    .map(
      ({ promise, title, kept }) => `<tr><td>${promise}</td><td>${escapeXml(title)}</td>${word(kept)}</tr>`,
    )
    .join('\n');
  const details = rows
    .map(
      (row) =>
        `<tr><td>${row.promise ?? '–'}</td><td>${escapeXml(row.what)}</td><td>${escapeXml(row.promised)}</td><td>${escapeXml(row.measured)}</td><td>${row.samples}</td>${word(row.kept)}</tr>`,
    )
    .join('\n');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Load test ${escapeXml(scenario)}</title><style>${STYLE}</style></head><body>
<h1>Load test “${escapeXml(scenario)}”</h1>
<p>Started ${startedAt.toISOString()}, ${seconds.toFixed(0)} seconds.</p>
<h2>Do we keep our promises?</h2>
<table><thead><tr><th scope="col"></th><th scope="col">promise</th><th scope="col">kept?</th></tr></thead><tbody>
${promises}
</tbody></table>
<h2>Measurements</h2>
<table><thead><tr><th scope="col"></th><th scope="col">what</th><th scope="col">promised</th><th scope="col">measured</th><th scope="col">samples</th><th scope="col">kept?</th></tr></thead><tbody>
${details}
</tbody></table>
</body></html>
`;
}
