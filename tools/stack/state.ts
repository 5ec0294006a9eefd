import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { processMark } from './parts/process-info.ts';

/** A process and the mark that tells it from a later one with the same id. */
export interface ProcessRecord {
  readonly pid: number;
  readonly mark: string;
}

/** What a child of the stack is doing. `ready` answers its readiness check; `paused` is frozen by SIGSTOP. */
export type ChildState =
  | 'waiting'
  | 'starting'
  | 'ready'
  | 'unready'
  | 'paused'
  | 'backoff'
  | 'stopped'
  | 'failed';

export interface ChildRecord {
  readonly kind: ChildKind;
  readonly state: ChildState;
  readonly process: ProcessRecord | null;
  /** Where people or programs reach it; absent when it has no address. */
  readonly url: string | null;
  readonly restarts: number;
  readonly log: string;
}

/** Parts are third-party servers, providers the two JSON-RPC fronts, services ours. */
export type ChildKind = 'part' | 'provider' | 'service';

/** Everything another terminal, the demo or a test needs to know about a running stack. */
export interface StackState {
  readonly version: 1;
  readonly supervisor: ProcessRecord;
  readonly startedAt: string;
  /** All children were ready once. */
  readonly ready: boolean;
  readonly control: { readonly url: string; readonly token: string };
  readonly children: Readonly<Record<string, ChildRecord>>;
  /** By name: gateway, api, user, chain, postgres, redis, alpha, beta, … */
  readonly urls: Readonly<Record<string, string>>;
  /** Development credentials by name. They are worth nothing outside this machine. */
  readonly credentials: Readonly<Record<string, string>>;
  /** By name: contracts, signers, jwtKeys, logs, … */
  readonly files: Readonly<Record<string, string>>;
  readonly chainId: number;
}

/** The folder of all state: `STATE_DIR`, by default `.state` in the project. */
export function stateDirectory(env: NodeJS.ProcessEnv = process.env): string {
  const chosen = env.STATE_DIR;
  return chosen === undefined || chosen === ''
    ? join(import.meta.dirname, '..', '..', '.state')
    : resolve(chosen);
}

/** Where the state of the running stack is. */
export const stateFile = (stateDir: string): string => join(stateDir, 'stack.json');

/** Writes a file that only its owner may read, in one step, so that a reader never meets half of it. */
export function writePrivateFile(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}.new`;
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, file);
}

export function writeState(stateDir: string, state: StackState): void {
  writePrivateFile(stateFile(stateDir), `${JSON.stringify(state, null, 2)}\n`);
}

/** The recorded state, whether or not that stack still runs; undefined when there is none. */
export function readState(stateDir: string): StackState | undefined {
  let text: string;
  try {
    text = readFileSync(stateFile(stateDir), 'utf8');
  } catch {
    return undefined;
  }
  try {
    const state = JSON.parse(text) as StackState;
    return state.version === 1 ? state : undefined;
  } catch {
    return undefined;
  }
}

export function removeState(stateDir: string): void {
  rmSync(stateFile(stateDir), { force: true });
}

/** True when this very process still runs: the same id and the same start. */
export function isAlive(record: ProcessRecord | null | undefined): boolean {
  return record != null && processMark(record.pid) === record.mark;
}

/** A record of a process that runs now. */
export function recordOf(pid: number): ProcessRecord | null {
  const mark = processMark(pid);
  return mark === undefined ? null : { pid, mark };
}
