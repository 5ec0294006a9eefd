import { type BoardSpec, panelsOf } from '../../dashboards/grafana/board.ts';
import type { Prometheus } from './prometheus.ts';

/** One query of one panel, asked of a real Prometheus. */
export interface CoverageRow {
  readonly board: string;
  readonly panel: string;
  readonly query: string;
  /** Series that came back; NaN alone counts as none. */
  readonly series: number;
  readonly mayBeEmpty: string | undefined;
  readonly error: string | undefined;
}

/** Grafana chooses it by the zoom: at least four scrapes. Longer here, so that a busy machine that misses some has data. */
const RATE_INTERVAL = '2m';

/** What Grafana would send for this panel. */
export const asGrafanaSends = (expr: string): string => expr.replaceAll('$__rate_interval', RATE_INTERVAL);

/** Asks every query of every dashboard. */
export async function coverageOf(
  boards: readonly BoardSpec[],
  prometheus: Pick<Prometheus, 'query'>,
): Promise<CoverageRow[]> {
  const rows: CoverageRow[] = [];
  for (const board of boards) {
    for (const panel of panelsOf(board)) {
      for (const { expr, mayBeEmpty } of panel.queries) {
        const row = {
          board: board.uid,
          panel: panel.title,
          query: expr,
          mayBeEmpty: mayBeEmpty ?? panel.mayBeEmpty,
        };
        try {
          const samples = await prometheus.query(asGrafanaSends(expr));
          const series = samples.filter(({ value: [, text] }) => text !== 'NaN').length;
          rows.push({ ...row, series, error: undefined });
        } catch (error) {
          rows.push({ ...row, series: 0, error: error instanceof Error ? error.message : String(error) });
        }
      }
    }
  }
  return rows;
}

/** How long an empty panel is asked again: a scrape may have been missed, a recording rule may be a round behind. */
const ASK_AGAIN_MS = 60_000;
const ASK_EVERY_MS = 5_000;

/** Asks every query, and what found nothing again for a while; a query that is wrong is not asked again. */
export async function patientCoverage(
  boards: readonly BoardSpec[],
  prometheus: Pick<Prometheus, 'query'>,
  wait: (ms: number) => Promise<unknown>,
): Promise<CoverageRow[]> {
  let rows = await coverageOf(boards, prometheus);
  for (let waited = 0; waited < ASK_AGAIN_MS; waited += ASK_EVERY_MS) {
    const empty = coverageGaps(rows).filter(({ error }) => error === undefined);
    if (empty.length === 0) break;
    await wait(ASK_EVERY_MS);
    const again = await coverageOf(boards, prometheus);
    rows = rows.map((row, index) => (row.series > 0 ? row : (again[index] as CoverageRow)));
  }
  return rows;
}

/** Rows that must not be: wrong queries, and panels without data that are not marked as may-be-empty. */
export const coverageGaps = (rows: readonly CoverageRow[]): CoverageRow[] =>
  rows.filter(
    ({ series, mayBeEmpty, error }) => error !== undefined || (series === 0 && mayBeEmpty === undefined),
  );

/** A Markdown table: panel → series count. */
export function coverageTable(rows: readonly CoverageRow[]): string {
  const line = ({ board, panel, query, series, mayBeEmpty, error }: CoverageRow): string => {
    const verdict = error ?? (series > 0 ? String(series) : mayBeEmpty ? '0 (may be empty)' : '**0**');
    return `| ${board} | ${panel} | ${verdict} | \`${query.replaceAll('|', '\\|')}\` |`;
  };
  return `| dashboard | panel | series | query |\n|---|---|---|---|\n${rows.map(line).join('\n')}\n`;
}
