import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const REQUIREMENTS = join(import.meta.dirname, 'requirements.txt');
const INSTALL_TIMEOUT_MS = 300_000;

const version = (): string =>
  /^schemathesis==(\S+)$/m.exec(readFileSync(REQUIREMENTS, 'utf8'))?.[1] ?? 'unknown';

/** Outside the clone and by version, so that the next clone is quick. */
const home = (): string =>
  join(
    process.env.XDG_CACHE_HOME || join(homedir(), '.cache'),
    'rejuve-platform',
    `schemathesis-${version()}`,
  );

/** Why there can be no fuzzing here, as a sentence; undefined when there can. */
export function whyNotFuzzable(): string | undefined {
  if (existsSync(join(home(), 'bin', 'schemathesis'))) return undefined;
  const probe = spawnSync('python3', ['-c', 'import ensurepip, sys; sys.exit(sys.version_info < (3, 10))'], {
    encoding: 'utf8',
  });
  return probe.status === 0
    ? undefined
    : 'fuzzing needs Python 3.10 or newer with venv (on Debian: apt-get install python3-venv)';
}

/** The pinned schemathesis in an environment of its own, installed from PyPI the first time. */
export async function schemathesis(): Promise<string> {
  const program = join(home(), 'bin', 'schemathesis');
  if (existsSync(program)) return program;
  const making = `${home()}.${process.pid}`;
  mkdirSync(join(home(), '..'), { recursive: true });
  try {
    await run('python3', ['-m', 'venv', making], { timeout: INSTALL_TIMEOUT_MS });
    await run(
      join(making, 'bin', 'pip'),
      ['install', '--quiet', '--disable-pip-version-check', '--requirement', REQUIREMENTS],
      { timeout: INSTALL_TIMEOUT_MS },
    );
    // Scripts name the interpreter by its path, so what was made elsewhere is called as a module from here on.
    if (!existsSync(home())) renameSync(making, home());
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
  return program;
}

export interface FuzzOutcome {
  readonly ok: boolean;
  /** What it printed, its summary last. */
  readonly report: string;
}

/**
 * Fuzzes every operation of a document with all checks on: generated requests, valid and not, and sequences of them.
 * @param seed the same seed sends the same requests
 */
export async function fuzz(options: {
  url: string;
  config: string;
  /** Bearer tokens by the name of the document's security scheme. */
  bearers?: Readonly<Record<string, string>>;
  maxExamples: number;
  seed: number;
  timeoutMs: number;
  more?: readonly string[];
}): Promise<FuzzOutcome> {
  await schemathesis();
  const { bearers = {}, seed } = options;
  const folder = mkdtempSync(join(tmpdir(), 'fuzz-'));
  // Told as credentials, not as a header, so that the check which leaves them out can leave them out.
  const config = join(folder, 'schemathesis.toml');
  const auth = Object.entries(bearers).map(
    ([scheme, token]) => `[auth.openapi.${scheme}]\nbearer = "${token}"\n`,
  );
  writeFileSync(config, [readFileSync(options.config, 'utf8'), ...auth].join('\n'), { mode: 0o600 });
  try {
    for (let tries = 0; ; tries++) {
      const outcome = await once({ ...options, config, seed: seed + tries });
      if (outcome.ok || tries === MAX_TRIES - 1 || !PYTHON_FAULT.test(outcome.report)) return outcome;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** CPython 3.11 and 3.12 at times fail to read their own source in a deep recursion; that says nothing about the API. */
const PYTHON_FAULT = /SystemError: AST constructor recursion depth mismatch/;
const MAX_TRIES = 3;

async function once(options: Parameters<typeof fuzz>[0]): Promise<FuzzOutcome> {
  const { url, config, maxExamples, seed, timeoutMs, more = [] } = options;
  const args = [
    ...['-m', 'schemathesis.cli', '--config-file', config, 'run', `${url}/openapi.json`, '--url', url],
    ...['--checks', 'all', '--max-examples', String(maxExamples), '--seed', String(seed), '--no-shrink'],
    ...['--max-failures', '10', '--request-timeout', '20'],
    ...more,
  ];
  try {
    const { stdout } = await run(join(home(), 'bin', 'python'), args, {
      timeout: timeoutMs,
      maxBuffer: 64 * 1024 * 1024,
      env: { ...process.env, NO_COLOR: '1', COLUMNS: '160' },
    });
    return { ok: true, report: stdout };
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as Error & { stdout?: string; stderr?: string };
    return { ok: false, report: `${stdout}\n${stderr || (stdout === '' ? message : '')}` };
  }
}
