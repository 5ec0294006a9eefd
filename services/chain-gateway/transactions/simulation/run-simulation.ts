import { simulateLanes } from './simulate-lanes.ts';

/** `node run-simulation.ts [--seeds N] [--from S]`: the lanes over many seeds; prints one failing seed per line and exits 1. */
const option = (name: string, fallback: number): number => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
};
const from = option('from', 1);
const seeds = option('seeds', 10_000);
const began = performance.now();
const sums: Record<string, number> = {};
let broken = 0;
for (let seed = from; seed < from + seeds; seed++) {
  try {
    for (const [key, value] of Object.entries(await simulateLanes(seed)))
      sums[key] = (sums[key] ?? 0) + value;
  } catch (error) {
    broken += 1;
    process.stderr.write(`${(error as Error).message}\n`);
    if (broken >= 20) break;
  }
}
const { seed: _, virtualMs = 0, ...totals } = sums;
process.stdout.write(
  `${JSON.stringify({ seeds, broken, ...totals, virtualHours: Math.round(virtualMs / 3_600_000), seconds: Math.round((performance.now() - began) / 100) / 10 })}\n`,
);
process.exitCode = broken > 0 ? 1 : 0;
