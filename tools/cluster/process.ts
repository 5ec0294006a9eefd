import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A program that we started and may stop, kill or start again. */
export interface ManagedProcess {
  readonly name: string;
  readonly logFile: string;
  readonly pid: number;
  start(): void;
  /** Ends it with `signal`, and with SIGKILL when it is not gone after `graceMs`. */
  stop(signal?: NodeJS.Signals, graceMs?: number): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** The exit code or signal name when it ended by itself. */
  readonly ended: string | undefined;
  /** The last lines of its log, for error messages. */
  tail(lines?: number): string;
}

/** Describes a program; `start` runs it. Its output goes to `folder`/NAME.log, its pid to NAME.pid (for a later reaper). */
export function manageProcess(options: {
  name: string;
  command: string;
  args: string[];
  folder: string;
}): ManagedProcess {
  const { name, command, args, folder } = options;
  const logFile = join(folder, `${name}.log`);
  const pidFile = join(folder, `${name}.pid`);
  let child: ChildProcess | undefined;
  let ended: string | undefined;
  return {
    name,
    logFile,
    get pid() {
      return child?.pid ?? 0;
    },
    get ended() {
      return ended;
    },
    start() {
      const log = openSync(logFile, 'a');
      ended = undefined;
      const started = spawn(command, args, { stdio: ['ignore', log, log], cwd: folder });
      closeSync(log);
      child = started;
      started.once('error', (error) => {
        ended = error.message;
      });
      started.once('exit', (code, signal) => {
        if (child === started) ended = signal ?? String(code);
      });
      writeFileSync(pidFile, String(started.pid ?? ''));
    },
    async stop(signal = 'SIGTERM', graceMs = 10_000) {
      const target = child;
      if (!target || target.exitCode !== null || target.signalCode !== null) return;
      const gone = new Promise<void>((resolve) => target.once('exit', () => resolve()));
      target.kill(signal);
      const inTime = await Promise.race([gone.then(() => true), sleep(graceMs, false, { ref: false })]);
      if (!inTime) {
        target.kill('SIGKILL');
        await gone;
      }
      rmSync(pidFile, { force: true });
    },
    signal: (signal) => void child?.kill(signal),
    tail: (lines = 15) =>
      existsSync(logFile) ? readFileSync(logFile, 'utf8').trim().split('\n').slice(-lines).join('\n') : '',
  };
}

/** Waits until `check` is true. Throws with the process's last lines when it ends or the time is over. */
export async function waitFor(
  process_: ManagedProcess,
  check: () => Promise<boolean>,
  timeoutMs: number,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    if (await check().catch(() => false)) return;
    if (process_.ended !== undefined)
      throw new Error(`${process_.name} ended (${process_.ended}):\n${process_.tail()}`);
    if (Date.now() > deadline)
      throw new Error(`${process_.name} was not ready after ${timeoutMs / 1000} s:\n${process_.tail()}`);
    await sleep(100);
  }
}
