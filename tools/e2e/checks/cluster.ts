import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { takeDown } from '../../cluster/node/down.ts';
import { clusterFolder, holderLives, readClusterState } from '../../cluster/node/state.ts';
import { bringUp } from '../../cluster/node/up.ts';
import { type Check, expectThat, SkipCheck } from '../check.ts';

const output = (command: string, ...args: string[]): string[] => {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split('\n');
  } catch {
    // The command is not there, or the kernel lacks the tables: nothing of it can be left behind.
    return [];
  }
};

/** Programs that only a node runs. */
const NODE_PROCESSES = /^(containerd|containerd-shim|kubelet|kube-|etcd|pause|coredns)/;

function nodeProcesses(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
        return NODE_PROCESSES.test(name) ? [`process ${pid} (${name})`] : [];
      } catch {
        // It ended while we looked.
        return [];
      }
    });
}

/** Everything that a cluster could leave on the machine, one line each. */
export function machineState(): Set<string> {
  const cgroups = output('sh', '-c', 'find /sys/fs/cgroup -maxdepth 3 -type d -name "*rejuve*"');
  const rules = output('iptables-save').filter((line) => line.startsWith('-A') || line.startsWith(':KUBE'));
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ').slice(0, 3).join(' '));
  return new Set([
    ...output('ip', '-o', 'link').map((line) => `interface ${line.split(':')[1]?.trim()}`),
    ...output('ip', 'route').map((line) => `route ${line}`),
    ...output('ip', 'netns').map((line) => `namespace ${line}`),
    ...mounts.map((line) => `mount ${line}`),
    ...cgroups.map((line) => `cgroup ${line}`),
    ...rules.map((line) => `rule ${line}`),
    ...nodeProcesses(),
  ]);
}

export const newSince = (before: ReadonlySet<string>): string[] =>
  [...machineState()].filter((line) => !before.has(line));

/** Time of a start that finds everything built, in seconds. */
const WARM_AIM_S = 40;

/** Takes the cluster of this checkout down and up again, so it must come before anything is installed. */
export const clusterCheck: Check = {
  id: 'cluster',
  title: 'The cluster starts, starts again when half dead, and leaves nothing on the machine',
  needs: [],
  ownNodeOnly: true,
  async run({ figure, log }) {
    const quiet = { log: () => undefined };
    await takeDown(quiet);
    const before = machineState();

    const from = performance.now();
    const state = await bringUp(quiet);
    const up = (performance.now() - from) / 1000;
    log(`up in ${up.toFixed(1)} s`);
    const againFrom = performance.now();
    await bringUp(quiet);
    const again = (performance.now() - againFrom) / 1000;

    // As after a crash: its processes are gone, its files, cgroups and notes are there.
    process.kill(state.holder, 'SIGKILL');
    while (holderLives(state)) await new Promise((resolve) => setTimeout(resolve, 20));
    const recoverFrom = performance.now();
    await bringUp(quiet);
    const recovered = (performance.now() - recoverFrom) / 1000;

    const downFrom = performance.now();
    await takeDown(quiet);
    const down = (performance.now() - downFrom) / 1000;
    const left = newSince(before);
    expectThat(left.length === 0, 'cluster-down to leave nothing on the machine', left);
    expectThat(readClusterState(clusterFolder()) === undefined, 'no state to be left', clusterFolder());

    await bringUp(quiet);
    figure('cluster-up, warm', Math.round(up * 10) / 10, 's');
    figure('cluster-down', Math.round(down * 10) / 10, 's');
    return `up in ${up.toFixed(1)} s (aim ${WARM_AIM_S} s), up again in ${again.toFixed(1)} s, half dead to up in ${recovered.toFixed(1)} s, down in ${down.toFixed(1)} s; no process, interface, route, mount, cgroup or firewall rule left`;
  },
};

let machineBefore: Set<string> | undefined;
/** What the machine looked like before the run. */
export const rememberMachine = (): void => {
  if (!readClusterState(clusterFolder())) machineBefore = machineState();
};

export const clusterDownCheck: Check = {
  id: 'cluster-down',
  title: 'cluster-down after the whole run leaves nothing on the machine',
  needs: [],
  ownNodeOnly: true,
  async run() {
    if (machineBefore === undefined)
      throw new SkipCheck('the cluster ran before this run and is left running');
    const from = performance.now();
    await takeDown({ log: () => undefined });
    const left = newSince(machineBefore);
    expectThat(left.length === 0, 'nothing to be left', left);
    return `down in ${((performance.now() - from) / 1000).toFixed(1)} s, nothing left`;
  },
};
