import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { cgroupsOf, removeCgroups } from './cgroups.ts';
import { unplug } from './network.ts';
import { type ClusterState, clusterFolder, holderLives, readClusterState } from './state.ts';

/** The kernel ends some hundred processes and unmounts their file systems within seconds. */
const END_TIMEOUT_MS = 60_000;

/**
 * Takes the cluster down, however much of it still lives: kills the holder of the namespaces, which the kernel
 * answers by ending every process inside and removing mounts, interfaces, routes and firewall rules; then removes
 * the cgroups and the folder. Answers false when there was nothing. Throws with what it could not remove.
 */
export async function takeDown(options: { folder?: string; log: (line: string) => void }): Promise<boolean> {
  const { folder = clusterFolder(), log } = options;
  const state = readClusterState(folder);
  if (state) {
    if (holderLives(state)) {
      process.kill(state.holder, 'SIGKILL');
      await untilGone(state);
      log('every process of the cluster has ended');
    }
    unplug(state.network);
    await removeCgroupsOf(state);
  }
  const existed = existsSync(folder);
  rmSync(folder, { recursive: true, force: true });
  const left = state ? findLeftovers(state, folder) : [];
  if (left.length > 0) throw new Error(`cluster-down could not remove:\n  ${left.join('\n  ')}`);
  return existed;
}

async function untilGone(state: ClusterState): Promise<void> {
  for (const deadline = Date.now() + END_TIMEOUT_MS; holderLives(state); await sleep(20))
    if (Date.now() > deadline) throw new Error(`process ${state.holder} does not end although it was killed`);
}

/** The kernel lets go of a cgroup a moment after its last process. */
async function removeCgroupsOf({ cgroup }: ClusterState): Promise<void> {
  for (const deadline = Date.now() + END_TIMEOUT_MS; ; await sleep(50)) {
    try {
      removeCgroups(cgroup);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY' || Date.now() > deadline) throw error;
    }
  }
}

/** What of a cluster can still be seen on this machine, one line each. */
export function findLeftovers(state: ClusterState, folder: string): string[] {
  const left: string[] = [];
  if (holderLives(state)) left.push(`process ${state.holder}`);
  const show = (command: string, ...args: string[]): string[] =>
    execFileSync(command, args, { encoding: 'utf8' }).split('\n');
  left.push(...show('ip', '-o', 'link').filter((line) => line.includes(`${state.network.link}@`)));
  left.push(...show('ip', 'route').filter((line) => line.startsWith(`${state.network.prefix}.`)));
  left.push(
    ...readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes(folder)),
  );
  left.push(...cgroupsOf(state.cgroup));
  if (existsSync(folder)) left.push(folder);
  return left;
}
