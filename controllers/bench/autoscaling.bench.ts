import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compareAutoscalers } from './compare.ts';

// Runs every autoscaler over every trace and prints and stores what came of it; `make bench` runs ours against KEDA.
const SEEDS = [1, 2, 3];
const rows = compareAutoscalers(SEEDS);

const columns = [
  'trace',
  'autoscaler',
  'violationSeconds',
  'podSeconds',
  'providerErrors',
  'oscillations',
  'finished',
] as const;
const width = (column: (typeof columns)[number]): number =>
  Math.max(column.length, ...rows.map((row) => String(row[column]).length));
console.log(columns.map((column) => column.padEnd(width(column))).join('  '));
for (const row of rows) {
  console.log(
    columns
      .map((column) =>
        typeof row[column] === 'number'
          ? String(row[column]).padStart(width(column))
          : String(row[column]).padEnd(width(column)),
      )
      .join('  '),
  );
}
const folder = join(import.meta.dirname, '..', '..', 'output', 'bench');
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, 'autoscaling.json'), `${JSON.stringify({ seeds: SEEDS, rows }, null, 2)}\n`);
