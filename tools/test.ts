import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

/** At least two: a single one runs inside jest itself, where what a test leaves open keeps jest from ending. */
const WORKERS = Math.max(2, availableParallelism() - 1);

/**
 * Runs jest for `make test` and adds up what it counted. Unit and integration tests share a run; the end-to-end
 * tests start whole stacks and have the machine for themselves. Arguments go to jest (a path pattern, `-t name`).
 * The results are kept in output/tests/ for CI. `--run NAME` as the first arguments chooses one run; those that are
 * not part of `make test` build programs that take minutes.
 */
const RUNS = [
  {
    name: 'unit-and-integration',
    projects: ['unit', 'integration'],
    options: [`--maxWorkers=${WORKERS}`],
    always: true,
  },
  { name: 'e2e', projects: ['e2e'], options: ['--maxWorkers=1'], always: true },
  {
    name: 'apiserver',
    projects: ['apiserver'],
    options: ['--maxWorkers=1', '--testTimeout=120000'],
    always: false,
  },
  { name: 'promtool', projects: ['promtool'], options: [], always: false },
  { name: 'fuzz', projects: ['fuzz'], options: ['--maxWorkers=1'], always: false },
] as const;

const PROJECT = join(import.meta.dirname, '..');
const RESULTS = join(PROJECT, 'output', 'tests');

interface JestResults {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  /** Files that could not be run at all; none of their tests is in the other numbers. */
  readonly numRuntimeErrorTestSuites: number;
}

/** jest has this long to leave after it wrote its results; a test that left a timer or a socket keeps it for ever. */
const LEAVE_MS = 15_000;

/** Everything that descends from a process, youngest first. */
function descendants(pid: number): number[] {
  const rows = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number));
  const below = (parent: number): number[] =>
    rows.flatMap(([child, its]) => (its === parent && child !== undefined ? [...below(child), child] : []));
  return below(pid);
}

function jest(run: (typeof RUNS)[number], args: readonly string[]): Promise<number> {
  const results = join(RESULTS, `${run.name}.json`);
  const child = spawn(
    process.execPath,
    [
      ...['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'],
      join(PROJECT, 'node_modules', 'jest', 'bin', 'jest.js'),
      ...['--passWithNoTests', '--json', `--outputFile=${results}`],
      ...[...run.options, '--selectProjects', ...run.projects],
      ...(args.length > 0 && !args[0]?.startsWith('-') ? ['--testPathPatterns'] : []),
      ...args,
    ],
    // jest prints its JSON to stdout as well unless that goes elsewhere; what people read is on stderr.
    { cwd: PROJECT, stdio: ['inherit', 'ignore', 'inherit'] },
  );
  let writtenAt: number | undefined;
  const watch = setInterval(() => {
    if (writtenAt === undefined && existsSync(results)) writtenAt = performance.now();
    if (writtenAt === undefined || performance.now() - writtenAt < LEAVE_MS) return;
    clearInterval(watch);
    console.error(`The run ${run.name} is over, but a test left something open: ending it.`);
    for (const pid of [...descendants(child.pid ?? 0), child.pid ?? 0]) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch (error) {
        // It left while we looked.
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
  }, 500);
  return new Promise((resolve) => {
    child.once('error', () => resolve(1));
    child.once('close', (code) => {
      clearInterval(watch);
      // Ended by us: the results say how it went.
      resolve(code ?? (writtenAt === undefined ? 1 : 0));
    });
  });
}

const args = process.argv.slice(2);
const chosen = args[0] === '--run' ? args.splice(0, 2)[1] : undefined;
const runs = RUNS.filter((run) => (chosen === undefined ? run.always : run.name === chosen));
if (runs.length === 0) {
  console.error(`There is no run ${chosen}; there are ${RUNS.map((run) => run.name).join(', ')}.`);
  process.exit(2);
}
// A run that was asked for by name adds to what the others left: CI sums all of them.
if (chosen === undefined) rmSync(RESULTS, { recursive: true, force: true });
mkdirSync(RESULTS, { recursive: true });
const from = performance.now();
let [passed, failed, skipped, ok] = [0, 0, 0, true];
for (const run of runs) {
  const code = await jest(run, args);
  ok &&= code === 0;
  try {
    const results = JSON.parse(readFileSync(join(RESULTS, `${run.name}.json`), 'utf8')) as JestResults;
    passed += results.numPassedTests;
    failed += results.numFailedTests + results.numRuntimeErrorTestSuites;
    skipped += results.numPendingTests + results.numTodoTests;
  } catch {
    console.error(`jest left no results for ${run.name} (exit code ${code}).`);
    failed += 1;
    ok = false;
  }
}
if (!ok && failed === 0) failed = 1;
const skips = skipped === 0 ? '' : `, ${skipped} skipped`;
console.log(
  `\n${passed} passed, ${failed} failed${skips} in ${((performance.now() - from) / 1000).toFixed(0)} s`,
);
process.exitCode = ok && failed === 0 ? 0 : 1;
