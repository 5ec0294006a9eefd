import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { BOARDS } from '../../dashboards/grafana/boards.ts';
import { coverageGaps, coverageTable, patientCoverage } from './coverage.ts';
import { startObservedPlatform } from './observed-platform.ts';

const OUTPUT = join(import.meta.dirname, '..', '..', 'output', 'monitoring');

const USAGE = `Usage: node tools/monitoring/main.ts [--gaps]

Starts a platform of its own with a controller on a real API server, a real Prometheus with our rules, uses every part,
and asks Prometheus every rule and every query of every dashboard. Writes output/monitoring/coverage.md.
  --gaps  print only what is wrong
Exit code: 0 all have data, 1 a rule fails or a panel is empty that may not be.`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { gaps: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const observed = await startObservedPlatform((line) => console.error(`… ${line}`));
  try {
    await observed.use();
    const rules = await observed.prometheus.rules();
    const broken = rules.filter(({ health }) => health !== 'ok');
    const rows = await patientCoverage(BOARDS, observed.prometheus, sleep);
    const gaps = coverageGaps(rows);
    mkdirSync(OUTPUT, { recursive: true });
    writeFileSync(join(OUTPUT, 'coverage.md'), coverageTable(rows));
    console.log(coverageTable(values.gaps ? gaps : rows));
    for (const rule of broken) console.log(`rule ${rule.name}: ${rule.health} ${rule.lastError ?? ''}`);
    console.log(
      `${rules.length} rules evaluated, ${broken.length} with errors; ${rows.length} queries, ${rows.filter(({ series }) => series > 0).length} with data, ${gaps.length} empty that may not be`,
    );
    return broken.length + gaps.length === 0 ? 0 : 1;
  } finally {
    await observed.stop();
  }
}

if (import.meta.main) process.exitCode = await main();
