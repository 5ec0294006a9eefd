import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { scalingPage } from '../tools/capacity/scaling-page.ts';
import { BOARDS } from './grafana/boards.ts';
import { compileBoard } from './grafana/compile.ts';
import { openSlo } from './openslo.ts';
import { prometheusRules } from './rules/prometheus-rules.ts';
import { runbookList } from './runbook-list.ts';
import { sloTable } from './slo-table.ts';

const ROOT = join(import.meta.dirname, '..');

/** Every file that is made from lib/slo: path → content. */
const files = (): ReadonlyMap<string, string> =>
  new Map([
    ['charts/rejuve-platform/files/prometheus-rules.yaml', prometheusRules()],
    ['charts/rejuve-platform/files/openslo.yaml', openSlo()],
    ['docs/slo.md', sloTable()],
    ['docs/scaling.md', scalingPage()],
    ['docs/runbooks/README.md', runbookList()],
    ...BOARDS.map(
      (board) => [`charts/rejuve-platform/files/dashboards/${board.uid}.json`, compileBoard(board)] as const,
    ),
  ]);

const USAGE = `Usage: node dashboards/generate.ts [--check]

Writes from lib/slo and dashboards/grafana: Prometheus rules, OpenSLO, Grafana dashboards, the page of objectives.
  --check   write nothing; exit 1 when a file is not up to date`;

function main(): number {
  const { values } = parseArgs({
    options: { check: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  let stale = 0;
  for (const [path, content] of files()) {
    const file = join(ROOT, path);
    const current = existsSync(file) ? readFileSync(file, 'utf8') : undefined;
    if (current === content) continue;
    if (values.check) {
      stale++;
      console.error(`${path} is not up to date; run: node ${relative(ROOT, import.meta.filename)}`);
    } else {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, content);
      console.log(`wrote ${path}`);
    }
  }
  return stale === 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = main();
