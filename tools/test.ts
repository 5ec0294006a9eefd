import { execFileSync, spawn } from 'node:child_process';
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { missingPrograms, whyNotBuildable } from './cluster/build.ts';
import type { ProgramName } from './cluster/programs.ts';

/** At least two: a single one runs inside jest itself, where what a test leaves open keeps jest from ending. */
const WORKERS = Math.max(2, availableParallelism() - 1);

/**
 * Runs jest for `make test` and adds up what it counted. Unit and integration tests share a run; the end-to-end
 * tests start whole stacks and have the machine for themselves. Arguments go to jest (a path pattern, `-t name`).
 * The results are kept in output/tests/ for CI. `--run NAME` as the first arguments chooses one run; those that are
 * not part of `make test` build programs that take minutes.
 *
 * Of the tests against a real API server `make test` runs `part`, about a minute: life cycle, validation, permissions.
 * The others (processes that are killed, 500 pools) are `make test-apiserver`. Its programs are built once per machine;
 * where they are neither built nor can be, the tests are counted as skipped and the reason is said.
 */
interface Run {
  readonly name: string;
  readonly projects: readonly string[];
  readonly options: readonly string[];
  readonly always: boolean;
  /** Files (a pattern) that are part of `make test`; without it all of them. Never run for a pattern of the caller's. */
  readonly part?: string;
  /** Programs that it needs. */
  readonly programs?: readonly ProgramName[];
}
const RUNS: readonly Run[] = [
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
    options: ['--maxWorkers=1', '--testTimeout=240000'],
    always: true,
    part: '(controllers|rbac|validation)\\.apiserver',
    programs: ['etcd', 'kube-apiserver', 'kube-controller-manager'],
  },
  { name: 'promtool', projects: ['promtool'], options: [], always: false },
  { name: 'fuzz', projects: ['fuzz'], options: ['--maxWorkers=1'], always: false },
];

const PROJECT = join(import.meta.dirname, '..');
const RESULTS = join(PROJECT, 'output', 'tests');

const args = process.argv.slice(2);
const chosen = args[0] === '--run' ? args.splice(0, 2)[1] : undefined;

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

/** Why a run cannot take place here, as a sentence. */
function obstacle(run: Run): string | undefined {
  if (missingPrograms(run.programs ?? []).length === 0) return undefined;
  // Nobody expects Kubernetes to be compiled by `make test`; CI does.
  if (chosen === undefined && process.env.CI !== 'true')
    return `its programs are not built on this machine yet; make test-${run.name} builds them once (about 12 minutes, needs Go)`;
  return whyNotBuildable();
}

/** Leaves results that say how many tests were not run, so that CI counts them. */
function skip(run: Run, reason: string): void {
  const files = globSync(`**/*.${run.name}.test.ts`, {
    cwd: PROJECT,
    exclude: (path) => /^(node_modules|\.state)/.test(path),
  }).filter((file) => run.part === undefined || new RegExp(run.part).test(file));
  const tests = files.reduce(
    (sum, file) =>
      sum + (readFileSync(join(PROJECT, file), 'utf8').match(/^\s*it(\.each)?\(/gm)?.length ?? 0),
    0,
  );
  console.error(`\nSkipped the ${tests} tests of ${run.name}: ${reason}.`);
  const results: JestResults = {
    numPassedTests: 0,
    numFailedTests: 0,
    numPendingTests: tests,
    numTodoTests: 0,
    numRuntimeErrorTestSuites: 0,
  };
  writeFileSync(join(RESULTS, `${run.name}.json`), JSON.stringify(results));
}

function jest(run: Run, args: readonly string[]): Promise<number> {
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

// A pattern is for a quick look at something: it does not start a control plane.
const runs = RUNS.filter((run) =>
  chosen === undefined ? run.always && (run.part === undefined || args.length === 0) : run.name === chosen,
);
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
  const reason = obstacle(run);
  const part = chosen === undefined && run.part !== undefined ? [run.part] : [];
  if (reason !== undefined) skip(run, reason);
  const code = reason === undefined ? await jest(run, [...part, ...args]) : 0;
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
