import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { type Command, plainEnvironment, type RunAs } from './command.ts';
import {
  type PostgresBinary,
  postgresBinary,
  runAsOptions,
  SHARED_DIR,
  unprivilegedUser,
} from './postgres-binary.ts';
import { processMark, processName } from './process-info.ts';

const run = promisify(execFile);

/** The role that owns everything in the embedded server. */
export const POSTGRES_USER = 'rejuve';

/**
 * Settings of the embedded server. It gives up safety against power loss (not against a killed process: what
 * was written is in the kernel's hands) for starts and tests that are several times faster.
 */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  fsync: 'off',
  full_page_writes: 'off',
  // On, or the last commits would still be in the killed server's own memory; without fsync it costs next to nothing.
  synchronous_commit: 'on',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_connections: '300',
  shared_buffers: '64MB',
  autovacuum_naptime: '10s',
  logging_collector: 'off',
  log_line_prefix: '%m [%p] %d ',
  timezone: 'UTC',
};

export interface PostgresOptions {
  readonly port: number;
  /** Folder of the data; made and initialised when it is new. */
  readonly dir: string;
  readonly password: string;
  /** An initialised folder to start from, instead of running `initdb`; it has its own password. */
  readonly template?: string | undefined;
}

export interface PostgresPart {
  readonly command: Command;
  /** Connects to the maintenance database `postgres`. */
  readonly url: string;
  readonly binary: PostgresBinary;
  /** Where the data is; differs from `dir` when the unprivileged user cannot reach that folder. */
  readonly dataDir: string;
}

/** Copies an initialised folder as the user who will own it; `cp` does in 0.1 s what takes Node a second. */
async function copyTemplate(template: string, dataDir: string, owner: RunAs | undefined): Promise<void> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  await chmod(dataDir, 0o700);
  if (owner !== undefined) await chown(dataDir, owner.uid, owner.gid);
  await run('cp', ['-R', `${template}/.`, dataDir], { ...runAsOptions(owner), cwd: '/' });
}

/**
 * The data folder to use. Root's own folders may be closed to the unprivileged user that runs Postgres; then
 * the data lives in a folder named after the wanted one.
 */
async function reachable(dir: string, owner: RunAs | undefined): Promise<string> {
  const wanted = resolve(dir);
  await mkdir(dirname(wanted), { recursive: true });
  if (owner === undefined) return wanted;
  try {
    await run('/bin/sh', ['-c', 'cd "$1"', 'sh', dirname(wanted)], runAsOptions(owner));
    return wanted;
  } catch {
    await mkdir(SHARED_DIR, { recursive: true, mode: 0o755 });
    return join(SHARED_DIR, `data-${createHash('sha256').update(wanted).digest('hex').slice(0, 16)}`);
  }
}

/** Where the data of a Postgres in `dir` is on this machine, for who removes it. */
export async function postgresDataDir(dir: string): Promise<string> {
  return reachable(dir, await unprivilegedUser());
}

async function initialise(binary: PostgresBinary, dataDir: string, password: string): Promise<void> {
  // Half an initialisation (a killed first start) is thrown away by never having the final name.
  const temporary = `${dataDir}.new-${process.pid}`;
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { recursive: true, mode: 0o700 });
  const passwordFile = join(
    tmpdir(),
    `rejuve-pg-${process.pid}-${createHash('sha256').update(temporary).digest('hex').slice(0, 8)}`,
  );
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  try {
    if (binary.runAs !== undefined) {
      await chown(temporary, binary.runAs.uid, binary.runAs.gid);
      await chown(passwordFile, binary.runAs.uid, binary.runAs.gid);
    }
    await run(
      join(binary.bin, 'initdb'),
      [
        `--pgdata=${temporary}`,
        `--username=${POSTGRES_USER}`,
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale=C',
        '--no-sync',
        '--no-instructions',
      ],
      { ...runAsOptions(binary.runAs), env: plainEnvironment(), cwd: '/' },
    );
    await rename(temporary, dataDir);
  } catch (cause) {
    const detail = (cause as { stderr?: string }).stderr?.trim() || String(cause);
    throw new Error(`Postgres could not be initialised in ${dataDir}: ${detail}`, { cause });
  } finally {
    await rm(passwordFile, { force: true });
    await rm(temporary, { recursive: true, force: true });
  }
}

/**
 * Removes a lock file left by a server that is gone. Postgres does it itself unless another program has got the
 * same process id since, which is common in containers.
 */
async function removeStaleLock(dataDir: string): Promise<void> {
  const file = join(dataDir, 'postmaster.pid');
  const pid = Number((await readFile(file, 'utf8').catch(() => '')).split('\n')[0]);
  const alive = processMark(pid) !== undefined && processName(pid).includes('postgres');
  if (!alive) await rm(file, { force: true });
}

/** Makes an initialised data folder, once, that others start from as a copy. */
export async function postgresTemplate(dir: string, password: string): Promise<string> {
  const binary = await postgresBinary();
  const dataDir = await reachable(
    join(dir, `template-${binary.version}-${binary.runAs?.uid ?? 'own'}`),
    binary.runAs,
  );
  if (existsSync(join(dataDir, 'PG_VERSION'))) return dataDir;
  await initialise(binary, dataDir, password).catch((error: unknown) => {
    // Somebody else finished first, and theirs is complete.
    if (!existsSync(join(dataDir, 'PG_VERSION'))) throw error;
  });
  return dataDir;
}

/** Prepares the data folder of a Postgres on loopback and returns how to run it. */
export async function preparePostgres(options: PostgresOptions): Promise<PostgresPart> {
  const { port, dir, password, template } = options;
  const binary = await postgresBinary();
  const dataDir = await reachable(dir, binary.runAs);
  if (!existsSync(join(dataDir, 'PG_VERSION'))) {
    if (template === undefined) {
      await initialise(binary, dataDir, password);
    } else {
      await copyTemplate(template, dataDir, binary.runAs);
    }
  }
  const made = (await readFile(join(dataDir, 'PG_VERSION'), 'utf8')).trim();
  if (made !== binary.version.split('.')[0]) {
    throw new Error(
      `The data in ${dataDir} was made by Postgres ${made}, and this machine now runs ${binary.version}. ` +
        'Run `make reset` to start with empty data.',
    );
  }
  await removeStaleLock(dataDir);
  const settings = Object.entries({ ...SETTINGS, port: `${port}` });
  return {
    command: {
      file: join(binary.bin, 'postgres'),
      args: ['-D', dataDir, ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      env: plainEnvironment(),
      cwd: '/',
      runAs: binary.runAs,
      // "Fast shutdown": connections are cut, the data is checkpointed.
      stopSignal: 'SIGINT',
    },
    url: `postgres://${POSTGRES_USER}:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`,
    binary,
    dataDir,
  };
}

/**
 * Asks a Postgres for `SELECT 1`.
 *
 * @returns undefined when it answers, else what went wrong in a few words.
 */
export async function pingPostgres(url: string, timeoutMs = 2_000): Promise<string | undefined> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('SELECT 1');
    return undefined;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return message || code || 'it does not answer';
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Creates a database when it is not there yet. */
export async function ensureDatabase(adminUrl: string, name: string): Promise<string> {
  const client = new pg.Client({ connectionString: adminUrl });
  await client.connect();
  try {
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${client.escapeIdentifier(name)}`);
  } finally {
    await client.end();
  }
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  return url.href;
}
