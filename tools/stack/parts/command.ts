import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** An operating-system user that a command runs as; only meaningful when this process is root. */
export interface RunAs {
  readonly uid: number;
  readonly gid: number;
}

/** How to run one child process. The values are complete: the child sees `env` and nothing else. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string | undefined;
  readonly runAs?: RunAs | undefined;
  /** The signal that asks the program to finish what it does and leave. */
  readonly stopSignal: NodeJS.Signals;
}

/** The first executable called `name` on the PATH, or undefined. */
export function findOnPath(name: string, path = process.env.PATH ?? ''): string | undefined {
  for (const dir of path.split(delimiter)) {
    if (dir === '') continue;
    const file = join(dir, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not in this folder; try the next one.
    }
  }
  return undefined;
}

/**
 * The part of our own environment that a third-party program needs; nothing of ours (URLs, secrets) leaks
 * into it.
 */
export function plainEnvironment(extra: Record<string, string> = {}): Record<string, string> {
  const env: Record<string, string> = {};
  for (const name of ['PATH', 'HOME', 'TMPDIR', 'TZ', 'LD_LIBRARY_PATH', 'SSL_CERT_FILE']) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return { ...env, LC_ALL: 'C', ...extra };
}

/**
 * Wraps a command so that the kernel stops it when its parent dies, even by SIGKILL (Linux, `setpriv`). This
 * also changes the user. Where `setpriv` is missing the command is returned as it is and Node changes the user;
 * what is left behind by a killed parent is then cleaned up at the next start (see orphans.ts).
 */
export function tieToParent(command: Command): Command {
  const setpriv = process.platform === 'linux' ? findOnPath('setpriv') : undefined;
  if (setpriv === undefined) return command;
  const { runAs, ...rest } = command;
  const user = runAs === undefined ? [] : [`--reuid=${runAs.uid}`, `--regid=${runAs.gid}`, '--clear-groups'];
  const signal = command.stopSignal.replace(/^SIG/, '');
  return {
    ...rest,
    file: setpriv,
    args: [...user, `--pdeathsig=${signal}`, '--', command.file, ...command.args],
  };
}
