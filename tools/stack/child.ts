import type { ChildProcess } from 'node:child_process';
import { EXIT_CONFIG } from '../../lib/lifecycle.ts';
import type { Clock, Timer } from '../../lib/time.ts';
import type { Command } from './parts/command.ts';
import { signalGroup, spawnLogged } from './parts/spawn.ts';
import { type ChildKind, type ChildRecord, type ChildState, type ProcessRecord, recordOf } from './state.ts';
import { tellingLines } from './telling-lines.ts';

/** One process that the supervisor runs. */
export interface ChildSpec {
  readonly name: string;
  readonly kind: ChildKind;
  /** Children and tasks that must be ready before this one starts. */
  readonly dependsOn: readonly string[];
  /** Children are stopped from the highest stage to the lowest. */
  readonly stage: number;
  readonly url?: string | undefined;
  /** Built at every start, when everything it depends on is ready. */
  command(): Promise<Command> | Command;
  /** Asked again and again; must not throw and must answer within a few seconds. */
  isReady(): Promise<boolean>;
}

/** Something that happened to a child, for people and for the state file. */
export interface ChildEvent {
  readonly name: string;
  readonly what:
    | 'starting'
    | 'ready'
    | 'unready'
    | 'crashed'
    | 'restarting'
    | 'stopped'
    | 'paused'
    | 'resumed'
    | 'failed';
  /** A few words, such as the time it took or the exit code. */
  readonly detail: string;
  /** The last lines of its log, for what went wrong. */
  readonly lines?: readonly string[];
}

export interface ChildDeps {
  readonly clock: Clock;
  readonly logFile: string;
  readonly onEvent: (event: ChildEvent) => void;
  readonly spawn?: (command: Command, logFile: string) => ChildProcess;
}

/** The first wait before a restart; it doubles with every crash up to the longest. */
const BACKOFF_FIRST_MS = 250;
const BACKOFF_LONGEST_MS = 10_000;
/** A child that stayed up this long has recovered: its next crash waits the first time again. */
const HEALTHY_AFTER_MS = 30_000;
/** How often a starting child and a running one are asked whether they are ready. */
const STARTING_POLL_MS = 50;
const RUNNING_POLL_MS = 1_000;
/** Our services drain for up to 20 s and close for 5 s more; then nobody waits any longer. */
const STOP_DEADLINE_MS = 27_000;

/** Supervises one process: start, watch, restart with backoff, pause, kill, stop. */
export type Child = ReturnType<typeof createChild>;

export function createChild(spec: ChildSpec, deps: ChildDeps) {
  const { clock, logFile } = deps;
  const spawn = deps.spawn ?? spawnLogged;
  let state: ChildState = 'waiting';
  let running: { child: ChildProcess; record: ProcessRecord | null; gone: Promise<void> } | undefined;
  let command: Command | undefined;
  /** Whether the process should run; false while it is stopped on purpose. */
  let wanted = false;
  let restarts = 0;
  let crashesInARow = 0;
  let startedAt = 0;
  let lastSaid = '';
  let backoff: Timer | undefined;
  const waiters: ((ok: boolean) => void)[] = [];

  const tell = (what: ChildEvent['what'], detail = '', lines?: readonly string[]): void => {
    deps.onEvent({ name: spec.name, what, detail, ...(lines === undefined ? {} : { lines }) });
  };
  const settle = (ok: boolean): void => {
    for (const waiter of waiters.splice(0)) waiter(ok);
  };

  const launch = async (): Promise<void> => {
    backoff = undefined;
    state = 'starting';
    startedAt = clock.monotonic();
    try {
      command = await spec.command();
    } catch (error) {
      if (!wanted) return;
      state = 'failed';
      tell('failed', error instanceof Error ? error.message : String(error));
      settle(false);
      return;
    }
    if (!wanted) return;
    const child = spawn(command, logFile);
    const gone = new Promise<void>((resolve) => {
      child.once('error', (error) => {
        // Only when it could not be started: there is no process and no exit event.
        if (child.pid === undefined) {
          onGone(`could not be started: ${error.message}`, false);
          resolve();
        }
      });
      child.once('exit', (code, signal) => {
        onGone(signal === null ? `exit code ${code}` : `signal ${signal}`, code === EXIT_CONFIG);
        resolve();
      });
    });
    running = { child, record: child.pid === undefined ? null : recordOf(child.pid), gone };
    tell('starting');
    void watch(running);
  };

  const watch = async (mine: NonNullable<typeof running>): Promise<void> => {
    while (running === mine) {
      if (state !== 'paused') {
        const ready = await spec.isReady();
        // Whatever happened while we asked is newer than the answer.
        if (running !== mine || !wanted) return;
        const now = state as ChildState;
        if (ready && now !== 'ready' && now !== 'paused') {
          const first = now === 'starting';
          state = 'ready';
          tell('ready', first ? `${((clock.monotonic() - startedAt) / 1000).toFixed(1)} s` : 'again');
          settle(true);
        } else if (!ready && now === 'ready') {
          state = 'unready';
          tell('unready', 'it runs, but does not answer as ready');
        }
      }
      if (state === 'ready' && clock.monotonic() - startedAt > HEALTHY_AFTER_MS) crashesInARow = 0;
      await clock.sleep(state === 'starting' ? STARTING_POLL_MS : RUNNING_POLL_MS);
    }
  };

  const onGone = (how: string, misconfigured: boolean): void => {
    running = undefined;
    if (!wanted) {
      state = 'stopped';
      tell('stopped');
      return;
    }
    const lines = tellingLines(logFile, 12);
    if (misconfigured) {
      // The same settings give the same refusal: a restart would only hide the message.
      wanted = false;
      state = 'failed';
      tell('failed', 'it refuses its configuration', lines);
      settle(false);
      return;
    }
    crashesInARow += 1;
    restarts += 1;
    const wait = Math.min(BACKOFF_FIRST_MS * 2 ** (crashesInARow - 1), BACKOFF_LONGEST_MS);
    state = 'backoff';
    // A child that crashes the same way again and again has said it once.
    const known = lines.length > 0 && lines.join('\n') === lastSaid;
    lastSaid = lines.join('\n');
    tell('crashed', known ? `${how}, as before` : how, known ? undefined : lines);
    tell('restarting', `in ${wait / 1000} s`);
    backoff = clock.setTimeout(() => void launch(), wait);
  };

  const send = (signal: NodeJS.Signals): boolean => {
    const pid = running?.child.pid;
    return pid !== undefined && signalGroup(pid, signal);
  };

  return {
    spec,
    /** Starts it unless it runs or is about to. */
    start(): void {
      if (wanted) return;
      wanted = true;
      crashesInARow = 0;
      void launch();
    },
    /** Asks it to leave, kills it after a deadline, and does not restart it. */
    async stop(deadlineMs = STOP_DEADLINE_MS): Promise<void> {
      wanted = false;
      backoff?.cancel();
      settle(false);
      const mine = running;
      if (mine === undefined) {
        if (state !== 'failed') state = 'stopped';
        return;
      }
      if (state === 'paused') send('SIGCONT');
      send(command?.stopSignal ?? 'SIGTERM');
      const timer = clock.setTimeout(() => send('SIGKILL'), deadlineMs);
      await mine.gone;
      timer.cancel();
    },
    /** Kills it as a crash does (SIGKILL to its process group); it is restarted. */
    kill: (): boolean => send('SIGKILL'),
    /** Freezes it: connections stay open and nobody answers. */
    pause(): boolean {
      if (!send('SIGSTOP')) return false;
      state = 'paused';
      tell('paused');
      return true;
    },
    resume(): boolean {
      if (state !== 'paused' || !send('SIGCONT')) return false;
      state = 'unready';
      tell('resumed');
      return true;
    },
    /** Resolves with true when it is ready, false when it failed for good or was stopped. */
    whenReady(): Promise<boolean> {
      if (state === 'ready') return Promise.resolve(true);
      if (state === 'failed') return Promise.resolve(false);
      return new Promise((resolve) => waiters.push(resolve));
    },
    state: (): ChildState => state,
    record: (): ChildRecord => ({
      kind: spec.kind,
      state,
      process: running?.record ?? null,
      url: spec.url ?? null,
      restarts,
      log: logFile,
    }),
  };
}
