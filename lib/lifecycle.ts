import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError } from './config.ts';
import { announceLeaving } from './leaving.ts';
import type { Logger } from './log.ts';
import { redactUrls } from './log.ts';

/** What a process builds, taken down in reverse order. */
export interface ProcessScope {
  /** Registers the undoing of what was just built. Runs once, in reverse order of registration. */
  defer(name: string, close: () => Promise<void> | void): void;
  /** Aborts when shutdown begins: loops end, long polls return. */
  readonly signal: AbortSignal;
  /** Begins an orderly shutdown from inside (a lost leadership, a fatal invariant). */
  shutdown(reason: string, exitCode?: number): void;
}

/** Reserve on top of the drain deadline for closing pools; then we leave the hard way. */
const CLOSE_RESERVE_MS = 5_000;

/** Exit code of a process that was configured wrongly; restarting does not help (EX_CONFIG of sysexits.h). */
export const EXIT_CONFIG = 78;

/**
 * Runs one process: builds it, waits for SIGTERM or SIGINT, and takes it down in order
 * (not ready → stop accepting → finish → close → exit 0). A second signal or the deadline ends it at once.
 * With `drainDelayMs` it goes on serving for that long first (lib/leaving.ts), while load balancers learn that it leaves.
 *
 * A ConfigError is printed as plain sentences and ends with {@link EXIT_CONFIG}; anything unexpected ends with 1.
 */
export function runProcess(
  name: string,
  build: (scope: ProcessScope) => Promise<{ log: Logger; drainTimeoutMs: number; drainDelayMs?: number }>,
): void {
  const closers: { name: string; close: () => Promise<void> | void }[] = [];
  const abort = new AbortController();
  let log: Logger | undefined;
  let drainTimeoutMs = 20_000;
  let drainDelayMs = 0;
  let stopping = false;

  const say = (level: 'info' | 'warn' | 'error', fields: object, message: string): void => {
    if (log) log[level](fields, message);
    else process.stderr.write(`${name}: ${message}\n`);
  };

  const stop = async (reason: string, exitCode: number): Promise<void> => {
    if (stopping) return;
    stopping = true;
    // Only on request: a process that lost its lease or its mind must not go on.
    if (exitCode === 0 && drainDelayMs > 0) {
      say('info', { reason, drainDelayMs }, 'leaving; still serving');
      announceLeaving();
      await sleep(drainDelayMs);
    }
    say('info', { reason }, 'shutting down');
    const deadline = setTimeout(() => {
      say('warn', { drainTimeoutMs }, 'shutdown took too long; leaving');
      process.exit(1);
    }, drainTimeoutMs + CLOSE_RESERVE_MS);
    deadline.unref();
    abort.abort(new Error(`shutting down: ${reason}`));
    for (const closer of closers.reverse()) {
      try {
        await closer.close();
      } catch (error) {
        say('warn', { err: error, part: closer.name }, `closing ${closer.name} failed`);
        exitCode ||= 1;
      }
    }
    say('info', {}, 'stopped');
    process.exit(exitCode);
  };

  const fatal = (error: unknown): void => {
    if (error instanceof ConfigError) {
      process.stderr.write(`${error.message}\n`);
      process.exit(EXIT_CONFIG);
    }
    if (log) log.fatal({ err: error }, 'fatal error');
    else
      process.stderr.write(
        `${name} could not start: ${redactUrls(error instanceof Error ? error.message : String(error))}\n`,
      );
    void stop('fatal error', 1);
  };

  process.on('uncaughtException', fatal);
  process.on('unhandledRejection', fatal);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stopping) process.exit(1);
      void stop(signal, 0);
    });
  }

  build({
    signal: abort.signal,
    defer: (part, close) => closers.push({ name: part, close }),
    shutdown: (reason, exitCode = 0) => void stop(reason, exitCode),
  }).then((built) => {
    log = built.log;
    drainTimeoutMs = built.drainTimeoutMs;
    drainDelayMs = built.drainDelayMs ?? 0;
  }, fatal);
}
