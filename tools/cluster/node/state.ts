import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../build.ts';
import type { Network } from './network.ts';

const PROJECT = join(import.meta.dirname, '..', '..', '..');

/** What `cluster-up` wrote down, for everybody who comes later. */
export interface ClusterState {
  /** Eight letters that tell the clusters of several checkouts apart. */
  readonly id: string;
  readonly network: Network;
  /** The cgroup of all pods. */
  readonly cgroup: string;
  /** Pid, seen from the machine, of the process that holds the namespaces; killing it takes everything down. */
  readonly holder: number;
  /** When that process started, in kernel ticks: pids are given out again. */
  readonly holderStarted: string;
  readonly version: string;
  readonly startedAt: string;
}

/** One folder per checkout, outside of it: container file systems cannot lie on every kind of file system. */
export function clusterFolder(env: NodeJS.ProcessEnv = process.env): string {
  return env.CLUSTER_DIR || join(cacheFolder(env), 'clusters', clusterId(env));
}

export const clusterId = (env: NodeJS.ProcessEnv = process.env): string =>
  createHash('sha256')
    .update(env.CLUSTER_DIR || PROJECT)
    .digest('hex')
    .slice(0, 8);

const stateFile = (folder: string): string => join(folder, 'cluster.json');

export function readClusterState(folder: string = clusterFolder()): ClusterState | undefined {
  const file = stateFile(folder);
  if (!existsSync(file)) return undefined;
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as ClusterState;
  } catch (cause) {
    throw new Error(`${file} is not what cluster-up wrote; remove the folder ${folder}`, { cause });
  }
}

export function writeClusterState(folder: string, state: ClusterState): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(stateFile(folder), `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
}

/** Start of a process in kernel ticks (field 22 of /proc/PID/stat); undefined when there is none. */
export function startedAt(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie has ended; only its parent has not looked yet.
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

/** True while the process that holds the cluster's namespaces lives. */
export const holderLives = (state: ClusterState): boolean => startedAt(state.holder) === state.holderStarted;

export const paths = (folder: string) => ({
  kubeconfig: join(folder, 'admin.kubeconfig'),
  control: join(folder, 'control.sock'),
  containerd: join(folder, 'containerd.sock'),
  plan: join(folder, 'processes.json'),
  logs: join(folder, 'logs'),
  volumes: join(folder, 'volumes'),
});
