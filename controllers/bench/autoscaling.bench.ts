import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hpaOnCpu, keda, ours } from './autoscalers.ts';
import { TRACES } from './traces.ts';
import { type Autoscaler, type Score, simulate } from './world.ts';

// Runs every autoscaler over every trace and prints and stores what came of it (`make bench`).
const CANDIDATES: readonly { name: string; make: () => Autoscaler }[] = [
  { name: 'ours', make: () => ours() },
  { name: 'keda (5 per pod)', make: () => keda(5) },
  // As somebody would set it who knows that a pod finishes 150 jobs within the objective.
  { name: 'keda (150 per pod)', make: () => keda(150) },
  { name: 'hpa (cpu 70 %)', make: () => hpaOnCpu() },
];
const SEEDS = [1, 2, 3];

type Row = Omit<Score, 'series'> & { trace: string; autoscaler: string };
const rows: Row[] = [];
for (const trace of TRACES) {
  for (const { name, make } of CANDIDATES) {
    const scores = SEEDS.map((seed) => simulate(trace, make(), seed));
    const mean = (pick: (score: Score) => number): number =>
      Math.round(scores.reduce((sum, score) => sum + pick(score), 0) / scores.length);
    rows.push({
      trace: trace.name,
      autoscaler: name,
      violationSeconds: mean((s) => s.violationSeconds),
      podSeconds: mean((s) => s.podSeconds),
      providerErrors: mean((s) => s.providerErrors),
      oscillations: mean((s) => s.oscillations),
      finished: mean((s) => s.finished),
    });
  }
}

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
