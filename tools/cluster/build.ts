import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism, freemem, homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { moduleFolder, PROGRAMS, type Program, type ProgramName, versionOf } from './programs.ts';

/** Linking kube-apiserver alone takes about 2 GB; two compilers at once need about this much. */
const MEMORY_PER_JOB_BYTES = 3 * 1024 ** 3;
/** A cold build of kube-apiserver took 8 minutes on two busy cores; a lock older than this belongs to the dead. */
const STALE_LOCK_MS = 45 * 60_000;

/** Where built programs live: outside the clone, so that every checkout and every `make clean` shares them. */
export const cacheFolder = (env: NodeJS.ProcessEnv = process.env): string =>
  join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'rejuve-platform');

/** Cached by version and by the exact pins, so a changed go.sum builds anew. */
export function programPath(name: ProgramName, env: NodeJS.ProcessEnv = process.env): string {
  const program: Program = PROGRAMS[name];
  const version = versionOf(program);
  const hash = createHash('sha256');
  for (const file of ['go.mod', 'go.sum']) hash.update(readFileSync(join(moduleFolder(program), file)));
  // The few programs whose main package is ours.
  const main = join(moduleFolder(program), 'main.go');
  if (existsSync(main)) hash.update(readFileSync(main));
  hash.update(program.ldflags(version) + (program.tags ?? ''));
  return join(
    cacheFolder(env),
    'bin',
    `${program.module}-${version}-${hash.digest('hex').slice(0, 12)}`,
    name,
  );
}

/** Programs that would have to be built. */
export const missingPrograms = (names: readonly ProgramName[]): ProgramName[] =>
  names.filter((name) => !existsSync(programPath(name)));

/** Why a build cannot even start, as a sentence; undefined when it can. */
export function whyNotBuildable(): string | undefined {
  const go = spawnSync('go', ['version'], { encoding: 'utf8' });
  if (go.error) {
    return 'Go 1.24 or newer is needed to build the Kubernetes programs and was not found: install it from your package manager and make sure `go` is on the PATH';
  }
  const [, major = '0', minor = '0'] = /go(\d+)\.(\d+)/.exec(go.stdout) ?? [];
  if (Number(major) === 1 && Number(minor) < 24)
    return `Go 1.24 or newer is needed, found ${go.stdout.trim()}`;
  return undefined;
}

/**
 * Returns the paths of the programs, building what is not cached. Several processes may call it at once: one
 * builds, the others wait for it. Throws an Error with the compiler's last lines when a build fails.
 */
export async function buildPrograms(
  names: readonly ProgramName[],
  log: (line: string) => void = () => undefined,
): Promise<Record<ProgramName, string>> {
  const paths = {} as Record<ProgramName, string>;
  for (const name of names) paths[name] = await buildOne(name, log);
  return paths;
}

async function buildOne(name: ProgramName, log: (line: string) => void): Promise<string> {
  const path = programPath(name);
  if (existsSync(path)) return path;
  const problem = whyNotBuildable();
  if (problem) throw new Error(problem);
  mkdirSync(join(path, '..'), { recursive: true });
  const lock = `${path}.lock`;
  while (!tryLock(lock)) {
    await sleep(1000);
    if (existsSync(path)) return path;
  }
  try {
    if (existsSync(path)) return path;
    const program: Program = PROGRAMS[name];
    const started = Date.now();
    log(`building ${name} ${versionOf(program)} from its pinned Go modules (a first build takes minutes)`);
    await goBuild(program, `${path}.part`);
    renameSync(`${path}.part`, path);
    log(`built ${name} in ${Math.round((Date.now() - started) / 1000)} s`);
    return path;
  } finally {
    rmSync(lock, { force: true });
  }
}

/** Takes the lock file; one whose owner died or that is ancient is taken over. */
function tryLock(file: string): boolean {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  try {
    const owner = Number(readFileSync(file, 'utf8'));
    const ancient = Date.now() - statSync(file).mtimeMs > STALE_LOCK_MS;
    if (ancient || (owner > 0 && !existsSync(`/proc/${owner}`))) rmSync(file, { force: true });
  } catch (error) {
    // The owner released it between our two looks: the next try takes it.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return false;
}

function goBuild(program: Program, output: string): Promise<void> {
  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(freemem() / MEMORY_PER_JOB_BYTES)));
  const child = spawn(
    'nice',
    [
      '-n',
      '10',
      'go',
      'build',
      ...(program.tags ? ['-tags', program.tags] : []),
      '-o',
      output,
      '-ldflags',
      program.ldflags(versionOf(program)),
      program.package,
    ],
    {
      cwd: moduleFolder(program),
      env: {
        ...process.env,
        CGO_ENABLED: '0',
        GOFLAGS: `-mod=readonly -trimpath -buildvcs=false -p=${jobs}`,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  let tail = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    tail = (tail + chunk).slice(-4000);
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`go build ${program.package} failed (exit ${code}):\n${tail}`));
    });
  });
}
