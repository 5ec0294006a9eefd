import { planFrom, simulate } from './simulation.ts';

/**
 * Runs the seeded simulator from the command line:
 *   node services/chain-gateway/testing/simulate.ts            100 seeds from the clock
 *   SEED=42 node services/chain-gateway/testing/simulate.ts    one seed, with its plan
 *   RUNS=1000 node …                                           more of them
 */
const only = process.env.SEED ? Number(process.env.SEED) : undefined;
const runs = only === undefined ? Number(process.env.RUNS || 100) : 1;
const first = only ?? Date.now() % 1_000_000_000;
if (!Number.isSafeInteger(first) || !Number.isSafeInteger(runs) || runs < 1) {
  process.stderr.write('SEED and RUNS must be whole numbers\n');
  process.exit(64);
}

let failed = 0;
let calls = 0;
let errors = 0;
const startedAt = Date.now();
for (let seed = first; seed < first + runs; seed++) {
  const plan = planFrom(seed);
  if (only !== undefined) process.stdout.write(`${JSON.stringify(plan, null, 2)}\n`);
  const report = await simulate(plan);
  calls += report.calls;
  errors += report.errors;
  if (report.violations.length === 0) continue;
  failed++;
  process.stdout.write(
    `seed ${seed} failed; replay with: make simulate SEED=${seed}\n  ${report.violations.join('\n  ')}\n`,
  );
}
const seconds = (Date.now() - startedAt) / 1_000;
process.stdout.write(
  `${runs} runs of a virtual minute in ${seconds.toFixed(1)} s: ${calls} calls, ${errors} errors while no provider was well, ${failed} failed\n`,
);
process.exitCode = failed > 0 ? 1 : 0;
