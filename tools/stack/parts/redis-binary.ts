import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDir } from './cache-dir.ts';
import { findOnPath } from './command.ts';

const run = promisify(execFile);

/** A redis-server that can be run, and the folders in which it finds its shared libraries. */
export interface RedisBinary {
  readonly file: string;
  readonly libraryPath: string;
  readonly origin: 'path' | 'unpacked';
}

const INSTALL_HINT =
  'Install Redis 6.2 or newer (Debian/Ubuntu: apt install redis-server · macOS: brew install redis · ' +
  'Fedora: dnf install redis), or set REDIS_URL to a server you have.';

/** `bookworm-amd64`: programs unpacked for one release and processor are of no use on another. */
async function machineKey(): Promise<string> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const codename = /^VERSION_CODENAME="?([\w.-]+)/m.exec(release)?.[1] ?? process.platform;
  return `${codename}-${process.arch}`;
}

async function works(binary: RedisBinary): Promise<boolean> {
  try {
    await run(binary.file, ['--version'], { env: { LD_LIBRARY_PATH: binary.libraryPath } });
    return true;
  } catch {
    return false;
  }
}

/** Folders under `root` in which Debian packages put libraries. */
async function libraryFolders(root: string): Promise<string> {
  const folders: string[] = [];
  for (const base of ['lib', 'usr/lib']) {
    const dir = join(root, base);
    for (const entry of await readdir(dir, { withFileTypes: true }).catch(() => [])) {
      if (entry.isDirectory() && entry.name.includes('linux')) folders.push(join(dir, entry.name));
    }
  }
  return folders.join(':');
}

async function unpackedIn(dir: string): Promise<RedisBinary> {
  const root = join(dir, 'root');
  return {
    file: join(root, 'usr/bin/redis-server'),
    libraryPath: await libraryFolders(root),
    origin: 'unpacked',
  };
}

/** Options that let apt work for an ordinary user, with package lists and archives of our own. */
function privateApt(dir: string): string[] {
  return ['-o', `Dir::State::lists=${join(dir, 'lists')}`, '-o', `Dir::Cache=${join(dir, 'cache')}`];
}

/**
 * Libraries behind alternatives and install scripts of Redis's dependencies, of which `apt-cache` lists all branches.
 * libelogind0 would even stand in for the libsystemd0 that is there.
 */
const OTHER_BRANCHES = /^libelogind|-perl$|^lib(newt|debian-installer|textwrap)/;

/** Redis and the libraries it needs that this machine does not have. */
async function packagesToFetch(apt: string[]): Promise<string[]> {
  const skip = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'];
  const { stdout } = await run('apt-cache', [
    ...apt,
    'depends',
    '--recurse',
    ...skip.map((kind) => `--no-${kind}`),
    'redis-server',
  ]);
  const wanted = stdout
    .split('\n')
    .filter((line) => /^(redis-|lib|lua)[\w.+-]+$/.test(line) && !OTHER_BRANCHES.test(line));
  const { stdout: selections } = await run('dpkg', ['--get-selections'], { maxBuffer: 16 * 1024 * 1024 });
  const installed = new Set(
    selections
      .split('\n')
      .filter((line) => line.endsWith('\tinstall'))
      .map((line) => line.split(/[:\t]/)[0]),
  );
  return wanted.filter((name) => name.startsWith('redis-') || !installed.has(name));
}

async function downloadInto(dir: string, apt: string[]): Promise<void> {
  const names = await packagesToFetch(apt);
  await run('apt-get', [...apt, '-o', 'APT::Sandbox::User=root', 'download', ...names], { cwd: dir });
}

/**
 * Downloads Debian's Redis and unpacks it into the cache folder; needs no root. The machine's own package
 * lists are used when they are there and fresh, else private ones are fetched.
 */
async function unpack(cache: string, key: string): Promise<RedisBinary> {
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, '.redis-'));
  try {
    try {
      await downloadInto(work, []);
    } catch {
      // No package lists on this machine, or lists that name files no longer on the mirror.
      const own = privateApt(work);
      await mkdir(join(work, 'lists/partial'), { recursive: true });
      await mkdir(join(work, 'cache/archives/partial'), { recursive: true });
      await run('apt-get', [...own, '-o', 'APT::Sandbox::User=root', 'update'], {
        maxBuffer: 16 * 1024 * 1024,
      });
      await downloadInto(work, own);
    }
    const archives = (await readdir(work)).filter((name) => name.endsWith('.deb'));
    await mkdir(join(work, 'root'));
    for (const archive of archives) await run('dpkg-deb', ['-x', join(work, archive), join(work, 'root')]);
    const redis = archives.find((name) => name.startsWith('redis-server'));
    const version =
      redis
        ?.split('_')[1]
        ?.replace(/^\d+%3a/, '')
        .replace(/[^\w.]+/g, '-') ?? 'unknown';

    const done = join(work, 'done');
    await mkdir(done);
    await rename(join(work, 'root'), join(done, 'root'));
    await writeFile(join(done, 'packages.txt'), `${archives.join('\n')}\n`);
    const target = join(cache, `redis-${version}-${key}`);
    // Another checkout may have finished first; its copy is as good as ours.
    if (!existsSync(target)) await rename(done, target).catch(() => undefined);
    return await unpackedIn(target);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/**
 * Finds a redis-server: on the PATH, in the cache, or by unpacking Debian's package into the cache.
 *
 * @throws Error that says how to install one when none of this is possible.
 */
export async function redisBinary(
  options: { cache?: string; path?: string; onProgress?: (line: string) => void } = {},
): Promise<RedisBinary> {
  const onPath = findOnPath('redis-server', options.path);
  if (onPath !== undefined) return { file: onPath, libraryPath: '', origin: 'path' };

  const cache = options.cache ?? cacheDir();
  const key = await machineKey();
  for (const name of (await readdir(cache).catch(() => [])).sort().reverse()) {
    if (!name.startsWith('redis-') || !name.endsWith(`-${key}`)) continue;
    const cached = await unpackedIn(join(cache, name));
    if (await works(cached)) return cached;
    await rm(join(cache, name), { recursive: true, force: true });
  }

  if (
    findOnPath('apt-get', options.path) === undefined ||
    findOnPath('dpkg-deb', options.path) === undefined
  ) {
    throw new Error(`There is no redis-server on this machine. ${INSTALL_HINT}`);
  }
  options.onProgress?.('no redis-server on the PATH: fetching the Debian package into the cache folder');
  let unpacked: RedisBinary;
  try {
    unpacked = await unpack(cache, key);
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message.trim().split('\n').at(-1) : String(cause);
    throw new Error(
      `There is no redis-server on this machine and its Debian package could not be fetched (${detail}). ${INSTALL_HINT}`,
      { cause },
    );
  }
  if (!(await works(unpacked))) {
    throw new Error(`The unpacked ${unpacked.file} does not run on this machine. ${INSTALL_HINT}`);
  }
  return unpacked;
}
