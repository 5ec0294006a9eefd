import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, systemClock } from '../../lib/time.ts';
import type { ChildEvent } from './child.ts';
import { type ControlApi, createControlClient, startControlApi } from './control-api.ts';
import { checkExternals, type Externals } from './externals.ts';
import { takeLock } from './lock.ts';
import { cleanUpOrphans } from './orphans.ts';
import { planStack } from './plan.ts';
import { choosePorts, type PortName, type Ports } from './ports.ts';
import { ensureSecrets } from './secrets.ts';
import {
  type ProcessRecord,
  recordOf,
  removeState,
  type StackState,
  stateDirectory,
  writeState,
} from './state.ts';
import { createSupervisor } from './supervisor.ts';

export interface StackOptions {
  /** The folder of all state; by default `STATE_DIR`, else `.state` in the project. */
  readonly stateDir?: string;
  /** `free` leaves the default ports alone, so that any number of stacks run side by side. */
  readonly ports?: 'defaults' | 'free';
  /** No lines for people. */
  readonly quiet?: boolean;
  readonly env?: NodeJS.ProcessEnv;
  readonly clock?: Clock;
  readonly onEvent?: (event: ChildEvent) => void;
  readonly onNote?: (text: string) => void;
  /** Called when somebody asks the control API to stop everything. */
  readonly onStopRequest?: () => void;
  /** Called with the means to stop before the start is finished, so that it can be interrupted. */
  readonly onStarting?: (stack: Pick<Stack, 'stop' | 'killAll'>) => void;
}

/** A stack that runs in this process. */
export interface Stack {
  state(): StackState;
  readonly control: ReturnType<typeof createControlClient>;
  /** Stops everything in order. Safe to call twice. */
  stop(): Promise<void>;
  /** Ends everything at once, for a second Ctrl-C. */
  killAll(): void;
}

/** Another `make up` holds the state folder. */
export class AlreadyRunningError extends Error {
  override readonly name = 'AlreadyRunningError';
  readonly holder: ProcessRecord;
  constructor(stateDir: string, holder: ProcessRecord) {
    super(`A stack runs already in ${stateDir} (process ${holder.pid}).`);
    this.holder = holder;
  }
}

/**
 * Starts the whole platform and waits until all of it is ready.
 *
 * @throws AlreadyRunningError, PortError, ExternalsError before anything is started
 * @throws StartError when something cannot start; everything else has been stopped again
 */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const { env = process.env, clock = systemClock, onNote = () => undefined } = options;
  const stateDir = options.stateDir ?? stateDirectory(env);
  const lock = takeLock(stateDir);
  if ('holder' in lock) throw new AlreadyRunningError(stateDir, lock.holder);

  try {
    const orphans = await cleanUpOrphans(stateDir, clock);
    if (orphans.length > 0) onNote(`ended what a killed run left behind: ${orphans.join(', ')}`);
    const [{ ports, moved }, externals] = await Promise.all([
      choosePorts(env, options.ports ?? 'defaults'),
      checkExternals(env),
    ]);
    const unused = portsReplacedBy(externals);
    for (const { name, wanted, chosen } of moved) {
      if (unused.includes(name)) continue;
      onNote(`port ${wanted} (${name}) is taken by another program: using ${chosen}`);
    }
    for (const warning of externals.warnings) onNote(warning);
    return await run({ ...options, env, clock, stateDir, onNote }, ports, externals, lock.release);
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Ports of embedded parts that a server of the user's own replaces. */
const portsReplacedBy = ({ databaseUrl, redisUrl, rpcUrls }: Externals): PortName[] => [
  ...(databaseUrl === undefined ? [] : (['postgres'] as const)),
  ...(redisUrl === undefined ? [] : (['redis'] as const)),
  ...(rpcUrls === undefined
    ? []
    : ([
        ...['anvil', 'alpha', 'beta', 'alpha-control', 'beta-control', 'snet-daemon', 'snet-control'],
      ] as PortName[])),
];

async function run(
  options: StackOptions & Required<Pick<StackOptions, 'env' | 'clock' | 'stateDir' | 'onNote'>>,
  ports: Ports,
  externals: Externals,
  release: () => void,
): Promise<Stack> {
  const { env, clock, stateDir, onNote } = options;
  const { secrets, files: secretFiles } = ensureSecrets(stateDir);
  for (const folder of ['logs', 'chain', 'cache']) mkdirSync(join(stateDir, folder), { recursive: true });
  const plan = planStack({ stateDir, ports, secrets, secretFiles, externals, env, onProgress: onNote });

  const startedAt = new Date(clock.now()).toISOString();
  const me = recordOf(process.pid) ?? { pid: process.pid, mark: '' };
  let ready = false;
  let stopped: Promise<void> | undefined;
  const supervisor = createSupervisor(plan, {
    clock,
    logDir: join(stateDir, 'logs'),
    onEvent: (event) => {
      // A process that was just started is on record before anything else happens to us.
      if (stopped === undefined) writeState(stateDir, state());
      options.onEvent?.(event);
    },
  });
  const state = (): StackState => ({
    version: 1,
    supervisor: me,
    startedAt,
    ready,
    control: { url: `http://127.0.0.1:${ports.control}`, token: secrets.controlToken },
    children: supervisor.records(),
    urls: plan.urls,
    credentials: plan.credentials,
    files: plan.files,
    chainId: plan.chainId,
  });

  let control: ControlApi | undefined;
  const stop = (): Promise<void> => {
    stopped ??= (async () => {
      await supervisor.stop();
      await control?.close();
      removeState(stateDir);
      release();
    })();
    return stopped;
  };
  options.onStarting?.({ stop, killAll: supervisor.killAll });
  control = await startControlApi({
    token: secrets.controlToken,
    port: ports.control,
    children: supervisor.children,
    state,
    onStop: () => (options.onStopRequest ? options.onStopRequest() : void stop()),
  });
  writeState(stateDir, state());
  try {
    await supervisor.start();
  } catch (error) {
    await stop();
    throw error;
  }
  if (stopped === undefined) {
    ready = true;
    writeState(stateDir, state());
  } else {
    await stopped;
  }
  return { state, control: createControlClient(state()), stop, killAll: supervisor.killAll };
}
