import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** One thing that `make check` looks at. Add a line here for everything that can drift from its source. */
interface Check {
  readonly name: string;
  readonly command: readonly string[];
  /** What to do about a failure. */
  readonly cure: string;
}

const PROJECT = join(import.meta.dirname, '..');

/** Folders with TypeScript whose imports must point one way; those that are there yet. */
const layered = ['lib', 'services', 'controllers', 'contracts', 'tools', 'dashboards', 'console'].filter(
  (folder) => existsSync(join(PROJECT, folder)),
);

const CHECKS: readonly Check[] = [
  { name: 'types', command: ['tsc', '-p', '.', '--noEmit'], cure: 'fix the types' },
  { name: 'page types', command: ['tsc', '-p', 'console/browser', '--noEmit'], cure: 'fix the types' },
  {
    name: 'k6 types',
    command: ['tsc', '-p', 'loadtests', '--noEmit'],
    cure: 'fix the types of the load tests',
  },
  {
    name: 'lint',
    command: ['biome', 'ci', '--colors=off', '--reporter=concise', '.'],
    cure: 'biome check --write .',
  },
  {
    name: 'layers',
    command: ['depcruise', ...layered],
    cure: 'see docs/architecture.md for who may import whom',
  },
  {
    name: 'contracts',
    command: ['node', 'contracts/compile.ts', '--check'],
    cure: 'node contracts/compile.ts, and commit what it writes',
  },
  {
    name: 'slo files',
    command: ['node', 'dashboards/generate.ts', '--check'],
    cure: 'node dashboards/generate.ts, and commit what it writes',
  },
  {
    name: 'crds',
    command: ['node', 'tools/cluster/generate-crds.ts', '--check'],
    cure: 'node tools/cluster/generate-crds.ts, and commit what it writes',
  },
  {
    name: 'chart files',
    command: ['node', 'tools/chart/generate.ts', '--check'],
    cure: 'node tools/chart/generate.ts, and commit what it writes',
  },
  {
    name: 'chart',
    command: ['node', 'tools/chart/check.ts'],
    cure: 'see what helm, kubeconform or kube-score say',
  },
  {
    name: 'openapi',
    command: ['node', 'tools/openapi/main.ts', '--check'],
    cure: 'node tools/openapi/main.ts, and commit what it writes',
  },
  {
    name: 'openapi lint',
    command: ['redocly', 'lint', '--config', 'redocly.yaml'],
    cure: 'see what redocly says; zero warnings',
  },
  {
    name: 'sdks',
    command: ['node', 'tools/openapi/sdk.ts', '--check'],
    cure: 'node tools/openapi/sdk.ts, and commit what it writes',
  },
];

interface Outcome extends Check {
  readonly ok: boolean;
  readonly seconds: number;
  readonly output: string;
}

function run(check: Check): Promise<Outcome> {
  const from = performance.now();
  const [file = '', ...args] = check.command;
  return new Promise((resolve) => {
    const bin = join(PROJECT, 'node_modules', '.bin');
    const child = spawn(join(bin, file), args, {
      cwd: PROJECT,
      env: {
        ...process.env,
        PATH: `${bin}${delimiter}${process.env.PATH ?? ''}`,
        // It would ask the network about itself.
        REDOCLY_TELEMETRY: 'off',
        REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true',
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    const finish = (ok: boolean): void =>
      resolve({ ...check, ok, output, seconds: (performance.now() - from) / 1000 });
    child.once('error', (error) => {
      output += error.message;
      finish(false);
    });
    child.once('close', (code) => finish(code === 0));
  });
}

const colour = (code: number, text: string): string =>
  process.stdout.isTTY ? `\u001b[${code}m${text}\u001b[0m` : text;

// All at once: they are a few seconds each and mostly wait for different things.
const outcomes = await Promise.all(CHECKS.map(run));
for (const { name, command, output } of outcomes.filter((outcome) => !outcome.ok)) {
  console.log(`\n${colour(1, name)}: ${command.join(' ')}\n${output.trim()}`);
}
console.log('');
for (const { name, ok, seconds, cure, output } of outcomes) {
  const verdict = ok ? colour(32, 'ok    ') : colour(31, 'FAILED');
  // A check that could not look must not read as if it had.
  const skipped = ok ? output.split('\n').find((line) => line.includes('skipped')) : undefined;
  console.log(
    `  ${verdict} ${name.padEnd(12)} ${seconds.toFixed(1).padStart(5)} s${ok ? (skipped ? `   ${skipped}` : '') : `   → ${cure}`}`,
  );
}
const failed = outcomes.filter((outcome) => !outcome.ok).length;
console.log(failed === 0 ? '\nAll checks pass.' : `\n${failed} of ${outcomes.length} checks failed.`);
process.exitCode = failed === 0 ? 0 : 1;
