import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { systemClock } from '../../../lib/time.ts';
import { type Command, tieToParent } from './command.ts';

/** How long a program may take to leave after its stop signal before it is killed, in milliseconds. */
const STOP_DEADLINE_MS = 10_000;
/** How often readiness is asked while a program starts, in milliseconds; the parts are up in a second. */
const READY_POLL_MS = 25;

/** A program that was started and answered as ready. */
export interface Running {
  readonly pid: number;
  /** Asks it to leave, kills it after a deadline; resolves when it is gone. Safe to call twice. */
  stop(): Promise<void>;
}

/** The last `count` lines of a log file; empty when it cannot be read. */
export function lastLines(file: string, count: number): string[] {
  try {
    const lines = readFileSync(file, 'utf8').split('\n');
    return lines.filter((line) => line.trim() !== '').slice(-count);
  } catch {
    return [];
  }
}

/** Spawns a command in its own process group, with its output appended to `logFile`. */
export function spawnLogged(command: Command, logFile: string): ChildProcess {
  mkdirSync(dirname(logFile), { recursive: true });
  const tied = tieToParent(command);
  const log = openSync(logFile, 'a', 0o600);
  try {
    return spawn(tied.file, [...tied.args], {
      cwd: tied.cwd,
      env: tied.env as NodeJS.ProcessEnv,
      stdio: ['ignore', log, log],
      detached: true,
      ...(tied.runAs === undefined ? {} : tied.runAs),
    });
  } finally {
    closeSync(log);
  }
}

/** Sends a signal to a child's whole process group; false when it is gone already. */
export function signalGroup(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch {
    return false;
  }
}

/**
 * Starts a program and waits until `ready` says true.
 *
 * @throws Error when the program leaves or is not ready within `timeoutMs`; the message has its last lines.
 */
export async function startAndWait(options: {
  name: string;
  command: Command;
  logFile: string;
  ready: () => Promise<boolean>;
  timeoutMs?: number;
}): Promise<Running> {
  const { name, command, logFile, ready, timeoutMs = 30_000 } = options;
  const child = spawnLogged(command, logFile);
  let left: string | undefined;
  const gone = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      left = error.message;
      resolve();
    });
    child.once('exit', (code, signal) => {
      left ??= signal === null ? `exit code ${code}` : `signal ${signal}`;
      resolve();
    });
  });
  const pid = child.pid ?? 0;
  const stop = async (): Promise<void> => {
    if (left !== undefined) return;
    signalGroup(pid, command.stopSignal);
    const timer = systemClock.setTimeout(() => signalGroup(pid, 'SIGKILL'), STOP_DEADLINE_MS);
    await gone;
    timer.cancel();
  };

  const deadline = systemClock.monotonic() + timeoutMs;
  while (!(await ready())) {
    const late = systemClock.monotonic() > deadline;
    if (left === undefined && !late) {
      await systemClock.sleep(READY_POLL_MS);
      continue;
    }
    await stop();
    const why = late ? `was not ready after ${timeoutMs / 1000} s` : `stopped while starting (${left})`;
    throw new Error([`${name} ${why}. Its last lines (${logFile}):`, ...lastLines(logFile, 15)].join('\n  '));
  }
  return { pid, stop };
}
